"""Which workers are alive. A worker holds the lock of its slot for life; a file says who holds it."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.times import utc_now
from jobs.queue.records import LEASE_S, Worker
from jobs.system import live, locks, slots
from jobs.system.settings import Settings

BEAT_S = 2.0  # between two renewals of a worker's lease
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


def lease(layout: Layout, executor: str) -> Path:
    """The file that says who holds the slot. Its worker renews it every `BEAT_S`."""
    return layout.live / f"worker-{executor.replace('/', '-')}.json"


def announce(layout: Layout, executor: str, devices: tuple[str, ...]) -> live.JsonObject:
    """Write who holds the slot, for people and for `alive`. Returns what the lease says."""
    started = utc_now().isoformat()
    values = {
        **live.identity(),
        "slot": executor,
        "host": host(),
        "devices": list(devices),
        "started_at": started,
    }
    live.write_checked(lease(layout, executor), values)
    return values


def beat(layout: Layout, executor: str, announced: live.JsonObject) -> None:
    """Renew the lease, for readers that cannot see this process. A damaged one is written again."""
    file = lease(layout, executor)
    with suppress(OSError):
        if announced and live.read(file) != announced:
            live.write_checked(file, announced)
        os.utime(file)


def alive(layout: Layout) -> list[Worker]:
    """The workers of this store that run, by slot.

    A process of this machine is looked up. One in another container or on another machine cannot be seen from
    here; it counts as alive while it renews its lease.
    """
    files = sorted(layout.live.glob("worker-*.json"))
    found = [(file, live.read(file)) for file in files]
    return [
        Worker(
            slot=values["slot"],
            pid=values["pid"],
            host=values["host"],
            devices=tuple(values["devices"]),
            started_at=datetime.fromisoformat(values["started_at"]),
            silent_s=_silence(file),
        )
        for file, values in found
        if live.alive(values) or (_elsewhere(values) and _silence(file) < LEASE_S)
    ]


def _elsewhere(values: live.JsonObject) -> bool:
    return values.get("machine", live.machine()) != live.machine()


def _silence(file: Path) -> float:
    """Seconds since a lease was renewed; longer than one lasts where it is gone."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 2 * LEASE_S


@dataclass
class LeaseWatch:
    """Tells which executors of a store are dead, whatever host name they had."""

    layout: Layout
    # Each lease as it was last seen, and since when it has not changed, on time.monotonic().
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def dead(self, executor: str) -> locks.Lock | None:
        """The lock of a dead executor's slot, to be held while its jobs are taken over; None if it lives.

        A slot whose lock can be taken has no worker. Some network file systems keep locks to one machine,
        though. So an executor that ran on another machine must also leave its lease alone for `LEASE_S`,
        measured here. All containers of one machine share its locks.
        """
        lock = locks.take(self.layout.live, lock_name(executor))
        if lock is None:
            self._seen.pop(executor, None)
            return None
        file, now = lease(self.layout, executor), time.monotonic()
        boot = str(live.read(file).get("machine", "")).partition(" ")[0]
        changed = file.stat().st_mtime_ns if file.exists() else 0
        if self._seen.get(executor, (-1, 0.0))[0] != changed:
            self._seen[executor] = (changed, now)
        here = executor.startswith(f"{host()}/") or boot == live.machine().partition(" ")[0]
        if here or now - self._seen[executor][1] > LEASE_S:
            return lock
        lock.release()
        return None


def require_device(layout: Layout, device: str) -> None:
    """Raise `GanatomyError` for a job on a GPU when no worker has one or, without workers, the machine."""
    if device != "cuda":
        return
    names = sorted({name for worker in alive(layout) for name in worker.devices})
    if any(name.startswith("cuda") for name in names) or (not names and slots.driver()):
        return
    has = f"the workers here have {', '.join(names)} only" if names else "this machine shows none"
    raise GanatomyError(f"The job asks for a GPU, and {has}; ask for device auto or cpu.")
