"""Which workers are alive: leases in the store's folder or, with a queue on a server, in its tables."""

from __future__ import annotations

import math
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.times import utc_now
from jobs.queue import server
from jobs.queue.records import LEASE_S, Worker
from jobs.system import live, locks, slots
from jobs.system.settings import Settings

BEAT_S = 2.0  # between two renewals of a worker's lease
LIMIT = 64  # workers of one machine on one store


def host() -> str:
    """This machine's name, safe in file names and executor names."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", Settings().host or socket.gethostname()) or "host"


class Leases(Protocol):
    """The leases of the workers of one queue. A worker has one for life; its id is the DBOS executor's."""

    def claim(self) -> str:
        """A new id for this process, held until it ends."""

    def announce(self, executor: str, devices: tuple[str, ...]) -> None:
        """Tell everybody that this process works, on these slots."""

    def beat(self, executor: str) -> None:
        """Renew the lease. A worker does this every `BEAT_S`."""

    def end(self, executor: str) -> None:
        """Give the lease back."""

    def alive(self) -> list[Worker]:
        """The workers that run, by id."""

    def suspects(self, executors: Set[str]) -> list[str]:
        """Those of some executors that may be dead; `takeover` tells."""

    def takeover(self, executor: str) -> AbstractContextManager[bool]:
        """Whether `executor` is dead. Inside the block nobody else takes its jobs over."""


def leases(layout: Layout) -> Leases:
    """The leases of the store's queue."""
    return ServerLeases() if server.address() else FileLeases(layout)


def alive(layout: Layout) -> list[Worker]:
    """The workers that run on the store's queue, by id."""
    return leases(layout).alive()


@dataclass
class ServerLeases:
    """Leases in the queue's server. They last `LEASE_S` by the server's clock.

    After an outage all of them are old, though the workers live. So nobody is taken for dead before the
    server, and this worker's own connection to it, have been there for `LEASE_S`.
    """

    _beat: float | None = None  # when this worker last renewed its lease, on time.monotonic()
    _steady: float = -math.inf  # since when it has done so without a gap

    def claim(self) -> str:
        executor = f"{host()}/{secrets.token_hex(3)}"
        row = {"id": executor, "host": host(), "pid": os.getpid()}
        with server.transaction() as connection:
            connection.execute(server.insert(server.worker).values(**row))
        return executor

    def announce(self, executor: str, devices: tuple[str, ...]) -> None:
        self._set(executor, devices=list(devices))

    def beat(self, executor: str) -> None:
        self._set(executor)
        now = time.monotonic()
        if self._beat is not None and now - self._beat > LEASE_S / 2:
            self._steady = now
        self._beat = now

    def _set(self, executor: str, **values: object) -> None:
        mine = sa.update(server.worker).where(server.worker.c.id == executor)
        with server.transaction() as connection:
            connection.execute(mine.values(seen_at=server.now, **values))

    def end(self, executor: str) -> None:
        with server.transaction() as connection:
            connection.execute(sa.delete(server.worker).where(server.worker.c.id == executor))

    def alive(self) -> list[Worker]:
        table = server.worker
        silence = sa.func.extract("epoch", server.now - table.c.seen_at)
        select = sa.select(table, silence.label("silence")).where(table.c.devices.is_not(None))
        with server.transaction() as connection:
            rows = connection.execute(select.where(silence < LEASE_S).order_by(table.c.id)).all()
        return [
            Worker(
                slot=row.id,
                pid=row.pid,
                host=row.host,
                devices=tuple(row.devices),
                started_at=row.started_at.astimezone(UTC).replace(tzinfo=None),
                silent_s=max(0.0, float(row.silence)),
            )
            for row in rows
        ]

    def suspects(self, executors: Set[str]) -> list[str]:
        """Those without a lease: one question for all of them, since every worker asks it all the time."""
        return sorted(executors - {worker.slot for worker in self.alive()}) if executors else []

    @contextmanager
    def takeover(self, executor: str) -> Iterator[bool]:
        """Whether the lease has run out, or is gone. Under an advisory lock, for one taker at a time."""
        table = server.worker
        silence = sa.func.extract("epoch", server.now - table.c.seen_at)
        lock = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext(f"{server.SCHEMA} {executor}")))
        with server.transaction() as connection:
            if not connection.execute(lock).scalar_one():
                yield False
                return
            found = connection.execute(sa.select(silence).where(table.c.id == executor)).scalar_one_or_none()
            yield found is None or (float(found) > LEASE_S and self._may_judge(connection))

    def _may_judge(self, connection: sa.Connection) -> bool:
        up = sa.select(sa.func.extract("epoch", server.now - sa.func.pg_postmaster_start_time()))
        age = float(connection.execute(up).scalar_one())
        now = time.monotonic()
        renewed = self._beat is None or now - self._beat < LEASE_S / 2
        return age > LEASE_S and renewed and now - self._steady > LEASE_S


@dataclass
class FileLeases:
    """Leases in the store's folder: a worker holds the lock of a numbered slot, and a file says who it is."""

    layout: Layout
    _lock: locks.Lock | None = None
    _announced: live.JsonObject = field(default_factory=dict)
    # Each lease as it was last seen, and since when it has not changed, on time.monotonic().
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def claim(self) -> str:
        """The first free slot of this machine."""
        for number in range(LIMIT):
            executor = f"{host()}/{number}"
            self._lock = self.lock(executor)
            if self._lock is not None:
                return executor
        raise GanatomyError(f"{LIMIT} workers run on this store already; stop one first.")

    def lock(self, executor: str) -> locks.Lock | None:
        """The lock of the slot 'machine/0'; None while its worker lives."""
        return locks.take(self.layout.live, f"executor-{executor.replace('/', '-')}")

    def file(self, executor: str) -> Path:
        """The file that says who holds the slot."""
        return self.layout.live / f"worker-{executor.replace('/', '-')}.json"

    def announce(self, executor: str, devices: tuple[str, ...]) -> None:
        self._announced = {
            **live.identity(),
            "slot": executor,
            "host": host(),
            "devices": list(devices),
            "started_at": utc_now().isoformat(),
        }
        live.write_checked(self.file(executor), self._announced)

    def beat(self, executor: str) -> None:
        """Renew the lease, for readers that cannot see this process. A damaged one is written again."""
        file = self.file(executor)
        with suppress(OSError):
            if self._announced and live.read(file) != self._announced:
                live.write_checked(file, self._announced)
            os.utime(file)

    def end(self, executor: str) -> None:
        """Nothing: the kernel frees the slot's lock at the end of the process."""

    def alive(self) -> list[Worker]:
        """The workers of this store that run.

        A process of this machine is looked up. One in another container or on another machine cannot be seen
        from here; it counts as alive while it renews its lease.
        """
        files = sorted(self.layout.live.glob("worker-*.json"))
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

    def suspects(self, executors: Set[str]) -> list[str]:
        """All of them: how long a lease lies still has to be watched from the beginning."""
        return sorted(executors)

    @contextmanager
    def takeover(self, executor: str) -> Iterator[bool]:
        """Whether the executor is dead, whatever host name it had. Its slot's lock is held meanwhile.

        A slot whose lock can be taken has no worker. Some network file systems keep locks to one machine,
        though. So an executor that ran on another machine must also leave its lease alone for `LEASE_S`,
        measured here. All containers of one machine share its locks.
        """
        lock = self.lock(executor)
        if lock is None:
            self._seen.pop(executor, None)
            yield False
            return
        try:
            yield self._left_alone(executor)
        finally:
            lock.release()

    def _left_alone(self, executor: str) -> bool:
        file, now = self.file(executor), time.monotonic()
        boot = str(live.read(file).get("machine", "")).partition(" ")[0]
        changed = file.stat().st_mtime_ns if file.exists() else 0
        if self._seen.get(executor, (-1, 0.0))[0] != changed:
            self._seen[executor] = (changed, now)
        here = executor.startswith(f"{host()}/") or boot == live.machine().partition(" ")[0]
        return here or now - self._seen[executor][1] > LEASE_S


def _elsewhere(values: live.JsonObject) -> bool:
    return values.get("machine", live.machine()) != live.machine()


def _silence(file: Path) -> float:
    """Seconds since a lease was renewed; longer than one lasts where it is gone."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 2 * LEASE_S


def require_device(layout: Layout, device: str) -> None:
    """Raise `GanatomyError` for a job on a GPU when no worker has one or, without workers, the machine.

    With a queue on a server, a job for which no worker runs waits for one.
    """
    if device != "cuda":
        return
    names = sorted({name for worker in alive(layout) for name in worker.devices})
    here = slots.driver() or server.address() is not None
    if any(name.startswith("cuda") for name in names) or (not names and here):
        return
    has = f"the workers here have {', '.join(names)} only" if names else "this machine shows none"
    raise GanatomyError(f"The job asks for a GPU, and {has}; ask for device auto or cpu.")
