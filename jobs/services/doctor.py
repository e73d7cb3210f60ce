"""`ganatomy doctor`: what is installed, devices, store, queue, disk; what is wrong, and the remedy."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import psutil
from dbos import DBOSClient

from analysis.shared.errors import GanatomyError
from db import store as published
from db import workspace
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles
from jobs.kinds import catalogue
from jobs.queue import database, workers
from jobs.render import client as rendering
from jobs.system import live, locks, slots
from jobs.system.settings import Settings, cores

Level = Literal["ok", "note", "wrong"]
PACKAGES = ("torch", "numpy", "numba", "duckdb", "dbos", "streamlit", "sqlalchemy", "pyarrow")
LITTLE = 2 * 2**30  # bytes of free disk that are too few


@dataclass(frozen=True)
class Check:
    """One thing looked at. `remedy` says what to do when it is not ok."""

    what: str
    level: Level
    found: str
    remedy: str = ""


def every(layout: Layout) -> list[Check]:
    """Every check, in order. One that fails itself says so and stops nothing."""
    looks: list[Callable[[], Iterator[Check]]] = [
        installed,
        machine,
        lambda: disk(layout),
        lambda: store(layout),
        lambda: written(layout),
        lambda: queue(layout),
        lambda: processes(layout),
        lambda: models(layout),
    ]
    return [check for look in looks for check in _safely(look)]


def _safely(look: Callable[[], Iterator[Check]]) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(look())
    except (GanatomyError, StoreError) as error:
        found.append(Check("check", "wrong", str(error)))
    except Exception as error:
        found.append(Check("check", "wrong", f"{type(error).__name__}: {error}", "report this as a bug"))
    return found


def installed() -> Iterator[Check]:
    """Python and the packages whose versions matter."""
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check(
        "python", "ok" if good else "wrong", platform.python_version(), "" if good else "use 3.11 or 3.12"
    )
    for name in PACKAGES:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "wrong", "not installed", "run `make demo` or `pip install -e .`")


def machine() -> Iterator[Check]:
    """Cores, memory, GPUs, and the slots that a worker here offers."""
    settings, memory = Settings(), psutil.virtual_memory()
    found = slots.found(settings)
    level: Level = "ok" if memory.available > 2 * 2**30 else "note"
    remedy = "" if level == "ok" else "end something, or lower GANATOMY_CPU_SLOTS"
    free = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    yield Check("memory", level, free, remedy)
    yield Check("cores", "ok", str(cores()))
    yield Check(
        "gpus", "ok" if found.gpus else "note", ", ".join(found.gpu_names) or "none that torch can use"
    )
    limit = settings.memory_bytes(len(found.names)) / 2**30
    yield Check("slots", "ok", f"{', '.join(found.names)}; {found.threads} threads, {limit:.1f} GiB each")


def disk(layout: Layout) -> Iterator[Check]:
    """Room for results."""
    free = shutil.disk_usage(layout.root).free
    low = free < LITTLE
    remedy = "free some space; label maps and renders may be removed, they are made again" if low else ""
    yield Check("disk", "wrong" if low else "ok", f"{free / 2**30:.1f} GiB free at {layout.root}", remedy)


def store(layout: Layout) -> Iterator[Check]:
    """The published file and the bundles behind it."""
    try:
        opened = published.open(layout)
        yield Check("store", "ok", f"{len(bundles.run_ids(layout))} runs, published as {opened.version.name}")
    except StoreError as error:
        yield Check("store", "wrong", str(error), "`ganatomy store rebuild` makes it again from the bundles")


def written(layout: Layout) -> Iterator[Check]:
    """What people wrote: the one file that cannot be made again, except from a backup."""
    if not layout.workspace.exists():
        return
    remedy = (
        f"move {layout.workspace.name} away and an empty one is made; to have back what was in it, "
        "`ganatomy store restore BACKUP.tar NEW_FOLDER` and take that file from there"
    )
    try:
        found = workspace.open(layout).damage()
    except StoreError as error:
        found = str(error)
    yield Check("workspace", "wrong" if found else "ok", found or "sound", remedy if found else "")


def queue(layout: Layout) -> Iterator[Check]:
    """The queue's file: its mode, and what is in it."""
    try:
        database.ensure(layout)
    except GanatomyError as error:
        remedy = f"stop the workers and move {layout.queue.name} away: a new one is made; jobs and schedules "
        yield Check("queue file", "wrong", str(error), f"{remedy}are lost, results are not")
        return
    mode = layout.queue.stat().st_mode & 0o777
    private = not mode & 0o077
    remedy = "" if private else f"chmod 600 {layout.queue}: who can write it can run code as you"
    yield Check("queue file", "ok" if private else "wrong", f"mode {mode:o}", remedy)
    with closing(_Closing(database.connect(layout))) as connection:
        rows = connection.client.list_workflows(name=database.RUN_JOB, load_input=False, load_output=False)
    waiting = sum(row.status in ("ENQUEUED", "DELAYED") for row in rows)
    failed = sum(row.status == "ERROR" for row in rows)
    yield Check("queue", "ok", f"{len(rows)} jobs, {waiting} waiting, {failed} failed")
    stranded = _stranded(layout, {row.executor_id or "" for row in rows if row.status == "PENDING"})
    if stranded:
        yield Check(
            "stranded jobs", "note", f"workers {', '.join(stranded)} are gone", "start `ganatomy worker`"
        )
    if waiting and not workers.alive(layout):
        yield Check("waiting jobs", "wrong", f"{waiting} waiting and no worker", "start `ganatomy up`")


class _Closing:
    """`contextlib.closing` wants `close`; DBOS calls it `destroy`."""

    def __init__(self, client: DBOSClient) -> None:
        self.client = client

    def close(self) -> None:
        self.client.destroy()


def _stranded(layout: Layout, executors: set[str]) -> list[str]:
    """Executors that have jobs and that nobody holds."""
    gone = []
    for executor in sorted(executors - {""}):
        lock = locks.take(layout.live, workers.lock_name(executor))
        if lock is not None:
            lock.release()
            gone.append(executor)
    return gone


def processes(layout: Layout) -> Iterator[Check]:
    """What runs on this store."""
    found = workers.alive(layout)
    names = ", ".join(f"{worker.slot} (pid {worker.pid})" for worker in found)
    yield Check("workers", "ok" if found else "note", names or "none", "" if found else "start `ganatomy up`")
    ready = rendering.ready(layout)
    yield Check(
        "render process", "ok" if ready else "note", "answers" if ready else "none; started when asked for"
    )
    above = live.read(layout.live / "supervisor.json")
    if live.alive(above):
        yield Check("supervisor", "ok", f"pid {above['pid']}, {above.get('address')}")


def models(layout: Layout) -> Iterator[Check]:
    """Weights that are here."""
    found = catalogue.models(layout)
    missing = [model["name"] for model in found if not model["fetched"]]
    yield Check("models", "ok", f"{len(found) - len(missing)} of {len(found)} here", "")
    if missing:
        yield Check(
            "weights", "note", f"not here: {', '.join(missing)}", f"ganatomy models fetch {missing[0]}"
        )
