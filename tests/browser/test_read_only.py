"""Read-only dashboards: several on one store that cannot be written, beside nothing else."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from children import free_port
from playwright.sync_api import Browser, expect
from visiting import Visitor, await_health, environment

from db import store, workspace
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue.client import Client

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/units",
    "/layers",
    "/ablate",
    "/causes",
    "/context",
    "/artifacts",
    "/compare",
    "/sql",
    "/boards",
    "/jobs",
    "/models",
    "/models?model=churches&of=generator&add=generator",
)
DISSECT = {"generator": "planted", "images": 64, "calibration": 64}


@pytest.fixture
def frozen(layout: Layout, write_run: Callable[..., Path], tmp_path: Path) -> Iterator[Layout]:
    """A store with a run, a job, a schedule and a note, on a file system that is mounted read-only."""
    write_run("run-1", grid_height=16, grid_width=16)
    store.publish(layout)
    workspace.open(layout).add("note", author="ada", text="hair")
    client = Client(layout)
    client.submit(parse("dissect", DISSECT))
    client.schedule("nightly", parse("dissect", DISSECT), "0 2 * * *")
    client.queue.destroy()
    place = tmp_path / "frozen"
    place.mkdir()
    if subprocess.run(["mount", "--bind", layout.root, place], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a folder, and root can write to any other")
    subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
    yield Layout(place)
    subprocess.run(["umount", place], check=True)


@contextmanager
def read_only(layout: Layout) -> Iterator[str]:
    """A read-only dashboard's address."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "jobs.cli", "dashboard", "--read-only", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(layout.root), cwd="/")
    try:
        await_health(f"http://localhost:{port}", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


def test_two_dashboards_show_a_store_that_cannot_be_written(browser: Browser, frozen: Layout) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(read_only(frozen)) for _ in range(2))
        visitor = Visitor(browser.new_page(), first).watch()
        for address in PAGES:
            visitor.open(address)
            visitor.must_be_well()
        page = visitor.open("/jobs")
        expect(page.get_by_text("This dashboard is read-only")).to_be_visible()
        expect(page.get_by_text("Dissect planted").first).to_be_visible()
        expect(page.get_by_text("nightly")).to_be_visible()
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        page.get_by_role("button", name="Open", exact=True).last.click()
        expect(page.get_by_text("This command repeats the job")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        page = Visitor(page, second).open("/")
        expect(page.get_by_text("seen by")).to_be_visible()
        page.close()


def test_the_check_of_a_store_that_cannot_be_written(frozen: Layout) -> None:
    command = [sys.executable, "-P", "-m", "jobs.cli", "store", "check"]
    found = subprocess.run(command, env=environment(frozen.root), capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.split(":")[0]) == (0, "Sound"), found.stdout + found.stderr
