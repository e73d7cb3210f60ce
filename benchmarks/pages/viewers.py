"""Many people on one dashboard: each viewer is a WebSocket session that reruns fragments as a browser does.

    .venv/bin/python -m benchmarks.pages.viewers --viewers 50 --seconds 40 [--page jobs] [--dashboards 2]

A store with a full queue and a running job is made first. The driver plays the worker: it writes the job's
progress each second. Prints for each page time to the first page, and median and 95th percentile of a refresh
(from the browser's request to the end of the fragment's run), and what the dashboard took.
Target: 50 viewers of the Jobs page on two cores, 95th percentile of a refresh under 2 s.
"""

import argparse
import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.timing import report
from db import store
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue import workers
from jobs.queue.client import Client
from jobs.system import live

JOBS = 240  # in the queue; the page shows some of them
OPENING_S = 0.2  # between two people who open the page
PORT = 8650
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN


@dataclass
class Viewer:
    """One browser window: it opens a page and reruns its timed fragments."""

    url: str
    page: str
    opened: float = 0.0  # seconds to the first page
    refreshes: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # requests that had no answer at the end
    _timers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)
    _hash: str = ""

    async def watch(self, end: float) -> None:
        """Look at the page until the time `end`."""
        address = f"{self.url.replace('http', 'ws')}/_stcore/stream"
        began = time.monotonic()
        async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            await self._ask(socket, "")
            try:
                while True:
                    data = await asyncio.wait_for(socket.recv(decode=False), max(0.0, end - time.monotonic()))
                    self._hear(socket, ForwardMsg.FromString(data))
                    if not self.opened and "" not in self._asked:
                        self.opened = time.monotonic() - began
            except TimeoutError:
                pass
            finally:
                now = time.monotonic()
                self.late += [now - since for since in self._asked.values()]
                for timer in self._timers.values():
                    timer.cancel()

    async def _ask(self, socket: ClientConnection, fragment: str) -> None:
        """Ask for a run of a fragment, or of the whole page."""
        message = BackMsg()
        state = message.rerun_script
        state.page_script_hash, state.fragment_id, state.is_auto_rerun = self._hash, fragment, bool(fragment)
        if not self._hash:
            state.page_name = self.page
        state.context_info.timezone, state.context_info.url = "UTC", f"{self.url}/{self.page}"
        state.context_info.color_scheme = "light"
        self._asked.setdefault(fragment, time.monotonic())  # a request that still waits counts from its start
        await socket.send(message.SerializeToString())

    def _hear(self, socket: ClientConnection, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        ran = list(message.metadata.run.fragment_ids)
        if kind == "new_session":
            self._hash = message.new_session.page_script_hash
            if not ran:
                self._stop(list(self._timers))
        elif kind == "auto_rerun":
            self._stop([message.auto_rerun.fragment_id])
            timer = self._tick(socket, message.auto_rerun.fragment_id, message.auto_rerun.interval)
            self._timers[message.auto_rerun.fragment_id] = asyncio.create_task(timer)
        elif kind == "stop_auto_rerun":
            self._stop([message.stop_auto_rerun.fragment_id])
        elif kind == "script_finished" and (ran or message.script_finished != EARLY):
            # A run of the whole page answers everything. The run of a fragment is called early when the next
            # one began before this message was sent.
            for fragment in ran or list(self._asked):
                if (since := self._asked.pop(fragment, None)) is not None and fragment:
                    self.refreshes.append(time.monotonic() - since)

    def _stop(self, fragments: list[str]) -> None:
        for fragment in fragments:
            if timer := self._timers.pop(fragment, None):
                timer.cancel()

    async def _tick(self, socket: ClientConnection, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._ask(socket, fragment)


def fill(layout: Layout, jobs: int) -> Client:
    """A queue of `jobs` jobs: most are done or failed, some wait."""
    client = Client(layout)
    for seed in range(jobs):
        client.submit(parse("dissect", {"generator": "planted", "images": 64, "seed": seed}))
    with closing(sqlite3.connect(layout.queue)) as queue:
        ended = "UPDATE workflow_status SET status = ? WHERE rowid % 4 = ?"
        queue.executemany(ended, [("SUCCESS", 0), ("SUCCESS", 1), ("CANCELLED", 2)])
        queue.commit()
    return client


def begin(layout: Layout) -> str:
    """Let this process be the worker of one job, which runs from now on; the job's id."""
    leases = workers.FileLeases(layout)
    globals()["held"] = leases  # for the life of this process
    executor = leases.claim()
    leases.announce(executor, ("cpu-0",))
    with closing(sqlite3.connect(layout.queue)) as queue:
        ((job,),) = queue.execute(
            "SELECT workflow_uuid FROM workflow_status WHERE status = 'ENQUEUED' ORDER BY created_at LIMIT 1"
        ).fetchall()
        queue.execute(
            "UPDATE workflow_status SET status = 'PENDING', executor_id = ? WHERE workflow_uuid = ?",
            (executor, job),
        )
        queue.commit()
    return str(job)


async def work(layout: Layout, job: str) -> None:
    """Write the progress of a running job each second."""
    done = 0
    while True:
        done += 64
        report = {"stage": "evaluation", "done": done, "total": 1_000_000, "images_per_s": 64.0}
        live.write_checked(live.path(layout, job, "progress"), {**report, "seconds_left": 3600.0})
        watch = {"device": "cpu-0", "cpu_percent": 99.0, "memory_bytes": 400_000_000 + done}
        live.write_checked(live.path(layout, job, "watch"), watch)
        await asyncio.sleep(1)


def serve(layout: Layout, port: int, *more: str) -> subprocess.Popen[bytes]:
    """A dashboard process that answers."""
    command = [sys.executable, "-P", "-m", "jobs.services.dashboard", "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--store", str(layout.root), *more], env=environment)
    while True:
        with suppress(OSError):
            urlopen(f"http://localhost:{port}/_stcore/health", timeout=2).close()
            return process
        time.sleep(0.2)


async def visit(urls: list[str], page: str, number: int, seconds: float) -> list[Viewer]:
    """Let people open a page one after the other and look at it until `seconds` after the last has come."""
    viewers = [Viewer(urls[n % len(urls)], page) for n in range(number)]
    end = time.monotonic() + number * OPENING_S + seconds
    tasks = []
    for viewer in viewers:
        tasks.append(asyncio.create_task(viewer.watch(end)))
        await asyncio.sleep(OPENING_S)
    await asyncio.gather(*tasks)
    return viewers


async def measure(layout: Layout, dashboards: list[psutil.Process], arguments: argparse.Namespace) -> None:
    urls = [f"http://localhost:{PORT + n}" for n in range(len(dashboards))]
    working = None if arguments.idle else asyncio.create_task(work(layout, begin(layout)))
    await visit(urls, arguments.page, len(urls), 8)  # the first page of a process imports much
    for number in arguments.viewers:
        before, start = sum(sum(p.cpu_times()[:2]) for p in dashboards), time.monotonic()
        viewers = await visit(urls, arguments.page, number, arguments.seconds)
        used = sum(sum(p.cpu_times()[:2]) for p in dashboards) - before
        waits = [wait for viewer in viewers for wait in viewer.refreshes + viewer.late]
        opened = [viewer.opened or arguments.seconds for viewer in viewers]
        figures = {
            "refreshes": len(waits),
            "refresh_median_s": median(waits),
            "refresh_p95_s": float(np.quantile(waits, 0.95)),
            "first_page_median_s": median(opened),
            "first_page_p95_s": float(np.quantile(opened, 0.95)),
            "cores": used / (time.monotonic() - start),
            "memory_mb": sum(p.memory_info().rss for p in dashboards) / 1e6,
        }
        name = f"viewers-{arguments.page}-{number}" + ("-idle" if arguments.idle else "")
        report(f"{name}-{len(dashboards)}", figures, arguments.write)
    if working:
        working.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[50])
    parser.add_argument("--seconds", type=float, default=40, help="after the last viewer has come")
    parser.add_argument("--page", default="jobs", help="the page's name in its address; empty: Home")
    parser.add_argument(
        "--dashboards", type=int, default=1, help="processes; all but the first are read-only"
    )
    parser.add_argument("--idle", action="store_true", help="no job runs")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--write", action="store_true", help="make the figures the baseline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.create(Path(folder) / "store")
        store.publish(layout)
        fill(layout, arguments.jobs)
        serving = [
            serve(layout, PORT + n, *(["--read-only"] if n else [])) for n in range(arguments.dashboards)
        ]
        try:
            asyncio.run(measure(layout, [psutil.Process(each.pid) for each in serving], arguments))
        finally:
            for each in serving:
                each.terminate()
                each.wait(10)


if __name__ == "__main__":
    main()
