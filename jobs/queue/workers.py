"""Which workers are alive. A worker holds the lock of its slot for life; a file says who holds it."""

from __future__ import annotations

import re
import socket
from datetime import datetime

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.times import utc_now
from jobs.queue.records import Worker
from jobs.system import live, locks, slots
from jobs.system.settings import Settings

LIMIT = 64  # workers of one machine on one store


def host() -> str:
    """This machine's name, safe in file names and executor names."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", Settings().host or socket.gethostname()) or "host"


def lock_name(executor: str) -> str:
    """The lock of executor 'machine/0'."""
    return f"executor-{executor.replace('/', '-')}"


def claim(layout: Layout) -> tuple[str, locks.Lock]:
    """The first free executor slot of this machine, held until the process ends."""
    for number in range(LIMIT):
        executor = f"{host()}/{number}"
        lock = locks.take(layout.live, lock_name(executor))
        if lock is not None:
            return executor, lock
    raise GanatomyError(f"{LIMIT} workers run on this store already; stop one first.")


def announce(layout: Layout, executor: str, devices: tuple[str, ...]) -> None:
    """Write who holds the slot, for people and for `alive`."""
    started = utc_now().isoformat()
    values = {**live.identity(), "slot": executor, "host": host(), "devices": devices, "started_at": started}
    live.write(layout.live / f"worker-{executor.replace('/', '-')}.json", values)


def alive(layout: Layout) -> list[Worker]:
    """The workers of this machine that run, by slot."""
    found = [live.read(file) for file in sorted(layout.live.glob("worker-*.json"))]
    return [
        Worker(
            slot=values["slot"],
            pid=values["pid"],
            host=values["host"],
            devices=tuple(values["devices"]),
            started_at=datetime.fromisoformat(values["started_at"]),
        )
        for values in found
        if live.alive(values)
    ]


def require_device(layout: Layout, device: str) -> None:
    """Raise `GanatomyError` for a job on a GPU when no worker has one or, without workers, the machine."""
    if device != "cuda":
        return
    names = sorted({name for worker in alive(layout) for name in worker.devices})
    if any(name.startswith("cuda") for name in names) or (not names and slots.driver()):
        return
    has = f"the workers here have {', '.join(names)} only" if names else "this machine shows none"
    raise GanatomyError(f"The job asks for a GPU, and {has}; ask for device auto or cpu.")
