"""`ganatomy doctor`: checks of packages, machine, disk, store, queue, processes and models, with remedies."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import psutil

from analysis.shared.errors import GanatomyError
from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, identity, publication
from jobs.kinds import catalogue
from jobs.queue import database, server, workers
from jobs.render import client as render_client
from jobs.system import live, slots
from jobs.system.settings import Settings, cores

Level = Literal["ok", "note", "wrong"]
PACKAGES = ("torch", "numpy", "numba", "duckdb", "dbos", "streamlit", "sqlalchemy", "pyarrow")
ENOUGH = 2 * 2**30  # bytes of free memory or disk


@dataclass(frozen=True)
class Check:
    """The result of a check. `remedy` says what to do when it is not ok."""

    what: str
    level: Level
    found: str
    remedy: str = ""


def run_checks(layout: Layout) -> list[Check]:
    """The results of every check, in order. An error in one check is its result and stops no other."""
    checks: list[Callable[[Layout], Iterator[Check]]] = [
        check_packages,
        check_machine,
        check_disk,
        check_store,
        check_workspace,
        check_queue,
        check_processes,
        check_models,
    ]
    return [result for check in checks for result in _results(check, layout)]


def _results(check: Callable[[Layout], Iterator[Check]], layout: Layout) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(check(layout))
    except (GanatomyError, StoreError) as error:
        found.append(Check("check", "wrong", str(error)))
    except Exception as error:
        found.append(Check("check", "wrong", f"{type(error).__name__}: {error}", "report this as a bug"))
    return found


def check_packages(_: Layout) -> Iterator[Check]:
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


def check_machine(_: Layout) -> Iterator[Check]:
    """Memory, cores, GPUs, and the slots that a worker here offers."""
    settings, memory = Settings(), psutil.virtual_memory()
    devices = slots.detect(settings)
    enough = memory.available > ENOUGH
    remedy = "" if enough else "end some program, or lower GANATOMY_CPU_SLOTS"
    free = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    yield Check("memory", "ok" if enough else "note", free, remedy)
    yield Check("cores", "ok", str(cores()))
    gpus = ", ".join(devices.gpu_names)
    yield Check("gpus", "ok" if gpus else "note", gpus or "none that torch can use")
    limit = settings.memory_bytes(len(devices.names)) / 2**30
    each = f"{devices.threads} threads, {limit:.1f} GiB each"
    yield Check("slots", "ok", f"{', '.join(devices.names)}; {each}")


def check_disk(layout: Layout) -> Iterator[Check]:
    """Room for results."""
    free = shutil.disk_usage(layout.root).free
    low = free < ENOUGH
    remedy = "free some space; label maps and renders may be removed, they are made again" if low else ""
    yield Check("disk", "wrong" if low else "ok", f"{free / 2**30:.1f} GiB free at {layout.root}", remedy)


def check_store(layout: Layout) -> Iterator[Check]:
    """The published file and the bundles behind it."""
    try:
        identity.check(layout)
    except StoreError as error:
        yield Check("bundles", "wrong", str(error), "mount the disk")
        return
    try:
        opened = store.open(layout)
        yield Check("store", "ok", f"{len(bundles.run_ids(layout))} runs, published as {opened.version.name}")
    except StoreError as error:
        yield Check("store", "wrong", str(error), "`ganatomy store rebuild` makes it again from the bundles")
        return
    if missing := publication.missing(layout, opened):
        remedy = "check that the disk with bundles/ is mounted; `ganatomy store check` says what else to do"
        yield Check("bundles", "wrong", f"missing: {', '.join(missing)}", remedy)


def check_workspace(layout: Layout) -> Iterator[Check]:
    """What people wrote: the one file that only a backup can replace."""
    if not layout.workspace.exists():
        return
    try:
        damage = workspace.open(layout).damage()
    except StoreError as error:
        damage = str(error)
    remedy = (
        f"move {layout.workspace.name} away, and Ganatomy makes an empty one; to get its content back, run "
        "`ganatomy store restore BACKUP.tar NEW_FOLDER` and take the file from there"
    )
    yield Check("workspace", "wrong" if damage else "ok", damage or "sound", remedy if damage else "")


def check_queue(layout: Layout) -> Iterator[Check]:
    """The queue: its server, or its file and the file's mode; and its jobs."""
    place = "queue server" if server.address() else "queue file"
    try:
        database.ensure(layout)
    except GanatomyError as error:
        remedy = f"stop the workers and move {layout.queue.name} away: a new one is made; jobs and schedules "
        remedy = "" if server.address() else f"{remedy}are lost, results are not"
        yield Check(place, "wrong", str(error), remedy)
        return
    if address := server.address():
        yield Check(place, "ok", server.name(address))
    else:
        mode = layout.queue.stat().st_mode & 0o777
        private = not mode & 0o077
        remedy = "" if private else f"chmod 600 {layout.queue}: who can write to it can run code as you"
        yield Check(place, "ok" if private else "wrong", f"mode {mode:o}", remedy)
    client = database.connect(layout)
    try:
        rows = client.list_workflows(name=database.RUN_JOB, load_input=False, load_output=False)
    finally:
        client.destroy()
    waiting = sum(row.status in ("ENQUEUED", "DELAYED") for row in rows)
    failed = sum(row.status == "ERROR" for row in rows)
    yield Check("queue", "ok", f"{len(rows)} jobs, {waiting} waiting, {failed} failed")
    found = workers.alive(layout)
    running = {row.executor_id or "" for row in rows if row.status == "PENDING"}
    stranded = sorted(running - {"", *(worker.slot for worker in found)})
    if stranded:
        remedy = (
            "a running worker takes them over within a minute; if none does, read logs/worker.log"
            if found
            else "start `ganatomy worker`; it takes them over, under whatever host name it runs"
        )
        yield Check("stranded jobs", "note", f"workers {', '.join(stranded)} are gone", remedy)
    if waiting and not found:
        yield Check("waiting jobs", "wrong", f"{waiting} waiting and no worker", "start `ganatomy up`")


def check_processes(layout: Layout) -> Iterator[Check]:
    """What runs on this store."""
    found = workers.alive(layout)
    names = ", ".join(f"{worker.slot} (pid {worker.pid})" for worker in found)
    yield Check("workers", "ok" if found else "note", names or "none", "" if found else "start `ganatomy up`")
    ready = render_client.ready(layout)
    yield Check(
        "render process", "ok" if ready else "note", "answers" if ready else "none; starts when needed"
    )
    supervisor = live.read(layout.live / "supervisor.json")
    if live.alive(supervisor):
        yield Check("supervisor", "ok", f"pid {supervisor['pid']}, {supervisor.get('address')}")


def check_models(layout: Layout) -> Iterator[Check]:
    """The weights that are here, and those that are not."""
    found = catalogue.models(layout)
    missing = [model["name"] for model in found if not model["fetched"]]
    yield Check("models", "ok", f"{len(found) - len(missing)} of {len(found)} here")
    if missing:
        remedy = f"ganatomy models fetch {missing[0]}"
        yield Check("weights", "note", f"not here: {', '.join(missing)}", remedy)
