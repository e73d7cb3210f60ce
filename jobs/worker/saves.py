"""Copies of what running jobs have saved, in the object store, for a host that takes a job over.

Each attempt at a job has a folder of its own there, so a worker that comes back late spoils nothing.
"""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from db.store import files
from db.store.remote import Stamp
from jobs.queue import results, server
from jobs.system import live

SHARE = 20  # a copy takes at most a twentieth of the time
MARK = "attempt.json"  # in a run's folder: the attempt that worked there last


def restore(layout: Layout, run_id: str, attempt: int) -> None:
    """Fetch what the attempt before has saved, unless it worked on this host.

    A failure to do so costs that work, and is no failure of the job.
    """
    folder, where = layout.work / run_id, results.address()
    if where is None:
        return
    try:
        copied = _copied(run_id)
        here = int(live.read(folder / MARK).get("attempt", 0))
        if copied is not None and here < copied < attempt:
            _fetch(layout, where, run_id, copied)
    except (GanatomyError, StoreError, OSError) as error:
        structlog.get_logger().warning("the saves of the attempt before are not fetched", reason=str(error))
    folder.mkdir(parents=True, exist_ok=True)
    live.write(folder / MARK, {"attempt": attempt})


def _fetch(layout: Layout, where: str, run_id: str, copied: int) -> None:
    from db.store import remote

    aside = layout.work / files.unique(".fetching")
    try:
        remote.receive_tree(where, _folder(run_id, copied), aside)
        shutil.rmtree(layout.work / run_id, ignore_errors=True)
        aside.rename(layout.work / run_id)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    structlog.get_logger().info("goes on from the saves of another host", run=run_id, attempt=copied)


@dataclass
class Copier:
    """Copies the saves of an attempt every `seconds`, in a thread, from `start` until `stop`."""

    layout: Layout
    run_id: str
    attempt: int
    seconds: float
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _known: dict[str, Stamp] = field(default_factory=dict)

    def start(self) -> None:
        """Begin, where hosts share an object store."""
        if results.address() is not None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def stop(self, done: bool) -> None:
        """End. Copies of a run that is `done` are removed."""
        self._end.set()
        if self._thread is None:
            return
        self._thread.join(30)
        if done:
            try:
                remove(self.run_id, self.attempt)
            except (GanatomyError, StoreError) as error:  # `clean_up` removes them
                structlog.get_logger().warning("copies of saves are not removed", reason=str(error))

    def _run(self) -> None:
        pause = self.seconds
        while not self._end.wait(pause):
            began = time.monotonic()
            try:
                if not self._copy():
                    return
            except (GanatomyError, StoreError, OSError) as error:
                structlog.get_logger().warning("saves are not copied", run=self.run_id, reason=str(error))
            pause = max(self.seconds, SHARE * (time.monotonic() - began))

    def _copy(self) -> bool:
        """Copy what is new; whether this attempt is the newest one."""
        from db.store import remote

        where = str(results.address())
        folder = self.layout.work / self.run_id
        self._known = remote.send_tree(where, _folder(self.run_id, self.attempt), folder, self._known)
        before = _copied(self.run_id) or 0
        table = server.save
        newer = server.upsert(
            table,
            table.c.attempt <= self.attempt,
            run_id=self.run_id,
            attempt=self.attempt,
            copied_at=server.now,
        )
        with server.transaction() as connection:
            connection.execute(newer)
        if before > self.attempt:
            remote.remove_tree(where, _folder(self.run_id, self.attempt))
            return False
        if 0 < before < self.attempt:
            remote.remove_tree(where, _folder(self.run_id, before))
        return True


def clean_up(days: float) -> None:
    """Remove copies of jobs that have saved nothing for some days: they failed, or were cancelled."""
    if results.address() is None:
        return
    table = server.save
    old = table.c.copied_at < server.now - sa.text(f"interval '{days} days'")
    with server.transaction() as connection:
        rows = connection.execute(sa.select(table.c.run_id, table.c.attempt).where(old)).all()
    for run_id, attempt in rows:
        remove(run_id, attempt)


def remove(run_id: str, attempt: int) -> None:
    """Remove the copy of an attempt, and its row."""
    from db.store import remote

    remote.remove_tree(str(results.address()), _folder(run_id, attempt))
    table = server.save
    with server.transaction() as connection:
        mine = sa.delete(table).where(table.c.run_id == run_id, table.c.attempt <= attempt)
        connection.execute(mine)


def _copied(run_id: str) -> int | None:
    """The newest attempt of which there is a copy."""
    select = sa.select(server.save.c.attempt).where(server.save.c.run_id == run_id)
    with server.transaction() as connection:
        found = connection.execute(select).scalar_one_or_none()
    return None if found is None else int(found)


def _folder(run_id: str, attempt: int) -> str:
    return f"saves/{run_id}/{attempt}"
