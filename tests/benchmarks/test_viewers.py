"""People who look at the Jobs page at the same time do not make each other wait."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from children import free_port

from benchmarks.pages import viewers
from db import store
from db.layout import Layout


async def visits(layout: Layout, url: str) -> list[viewers.Viewer]:
    working = asyncio.create_task(viewers.work(layout, viewers.begin(layout)))
    await viewers.visit([url], "jobs", 1, 10)  # the first page of a process imports much
    found = await viewers.visit([url], "jobs", 10, 8)
    working.cancel()
    return found


def test_ten_viewers_of_the_jobs_page_are_served_within_a_second(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "store")
    store.publish(layout)
    viewers.fill(layout, 30)
    port = free_port()
    process = viewers.serve(layout, port)
    try:
        with ThreadPoolExecutor(1) as pool:  # Playwright leaves an event loop in the main thread
            found = pool.submit(asyncio.run, visits(layout, f"http://localhost:{port}")).result()
    finally:
        process.terminate()
        process.wait(10)
    assert all(viewer.opened for viewer in found)
    assert median(wait for viewer in found for wait in viewer.refreshes + viewer.late) < 1
