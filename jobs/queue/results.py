"""Results of hosts that share a queue: bundles in an object store, and a table that says which one counts.

The host that ran a job sends its bundle to `GANATOMY_RESULTS`, under a key of its own, and then writes the
key into the server's table. A final bundle takes the place of any other, and a provisional one never that of
a final one, whatever numbers the hosts gave them. Every host fetches what it does not have.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from db.errors import StoreError
from db.layout import Layout
from jobs.queue import server
from jobs.system import live, locks
from jobs.system.settings import Settings

AGAIN_S = 5.0  # between two attempts to send


def address() -> str | None:
    """Where the results are; None where hosts share none."""
    return Settings().results if server.address() is not None else None


def is_final(run_id: str) -> bool:
    """Whether final results of a run count already; False where hosts share none.

    Raises:
        GanatomyError: the queue's server does not answer.
    """
    if address() is None:
        return False
    with server.transaction() as connection:
        select = sa.select(server.result.c.final).where(server.result.c.run_id == run_id)
        return bool(connection.execute(select).scalar_one_or_none())


def upload(
    layout: Layout, run_id: str, insist: bool = True, waiting: Callable[[], None] = lambda: None
) -> str:
    """Send the newest bundle of a run, which does not count yet; its key, "" where hosts share no results.

    It is tried again for `server.OUTAGE_S`, with a call of `waiting` each time. Without `insist`, a failure
    is logged, and the key is "".

    Raises:
        StoreError: the object store does not answer.
    """
    where = address()
    if where is None:
        return ""
    from db.store import remote  # pandas and fsspec: a second that other commands need not spend

    key, deadline = secrets.token_hex(6), time.monotonic() + server.OUTAGE_S
    while True:
        try:
            remote.send(layout, where, run_id, key)
            return key
        except StoreError as error:
            structlog.get_logger().warning("the results cannot be sent", reason=str(error), again=insist)
            if not insist:
                return ""
            if time.monotonic() > deadline:
                raise
        waiting()
        time.sleep(AGAIN_S)


def count(layout: Layout, run_id: str, key: str, final: bool) -> None:
    """Let the bundle that was sent under a key count, unless a final one does and this is none.

    Raises:
        GanatomyError: the queue's server did not answer for `server.OUTAGE_S`.
    """
    where = address()
    if where is None or not key:
        return
    before, counts = server.patiently(lambda: _enter(run_id, key, final))
    _remember(layout, {run_id: key})
    from db.store import remote

    for old in {before, key} - {None, counts}:  # replaced, or a provisional one that came after the final one
        try:
            remote.discard(where, run_id, str(old))
        except StoreError as error:  # it takes room, and nobody reads it
            structlog.get_logger().warning("a replaced bundle is not removed", reason=str(error))


def _enter(run_id: str, key: str, final: bool) -> tuple[str | None, str]:
    """The key that counted before, and the one that counts now."""
    table = server.result
    newer = sa.or_(sa.not_(table.c.final), sa.literal(final))
    row = server.upsert(table, newer, run_id=run_id, key=key, final=final, published_at=server.now)
    of_run = sa.select(table.c.key).where(table.c.run_id == run_id).with_for_update()
    with server.transaction() as connection:
        before = connection.execute(of_run).scalar_one_or_none()
        connection.execute(row)
        return before, str(connection.execute(of_run).scalar_one())


def collect(layout: Layout, only: str | None = None, patience: float = math.inf) -> list[str]:
    """Fetch and publish what other hosts have sent since; the runs that came. `only` asks for one run.

    A run that was removed, archived or put in the trash here does not come again. While another program of
    this host fetches, this one waits for `patience` seconds, and then fetches nothing.

    Raises:
        StoreError: some could not be fetched. The others are published.
        GanatomyError: the queue's server does not answer.
    """
    where = address()
    if where is None:
        return []
    deadline = time.monotonic() + patience
    while (lock := locks.take(layout.live, "collect")) is None:  # else two programs would both fetch a run
        if time.monotonic() > deadline:
            return []
        time.sleep(0.05)
    try:
        return _collect(layout, where, only)
    finally:
        lock.release()


def _collect(layout: Layout, where: str, only: str | None) -> list[str]:
    table = server.result
    select = sa.select(table.c.run_id, table.c.key).order_by(table.c.published_at)
    if only is not None:
        select = select.where(table.c.run_id == only)
    with server.transaction() as connection:
        rows = connection.execute(select).all()
    known = live.read(layout.collected)
    new = {run_id: key for run_id, key in rows if known.get(run_id) != key}
    if not new:
        return []
    from db import store
    from db.store import remote, removal

    away = {*removal.archived(layout), *removal.trashed(layout)}
    new = {run_id: key for run_id, key in new.items() if run_id not in away}
    came: dict[str, str] = {}
    problems: list[str] = []
    for run_id, key in new.items():
        try:
            remote.receive(layout, where, run_id, key)
            came[run_id] = key
        except StoreError as error:
            if _counts(run_id) == key:  # else it was replaced meanwhile, and the new one comes next time
                problems.append(str(error))
    if came:
        store.publish(layout, list(came))
        _remember(layout, came)
    if problems:
        raise StoreError(" ".join(problems))
    return list(came)


def _counts(run_id: str) -> str | None:
    table = server.result
    with server.transaction() as connection:
        found = connection.execute(sa.select(table.c.key).where(table.c.run_id == run_id))
        return found.scalar_one_or_none()


def _remember(layout: Layout, keys: dict[str, str]) -> None:
    while (lock := locks.take(layout.live, "collected")) is None:  # a job may send while a worker fetches
        time.sleep(0.01)
    try:
        live.write(layout.collected, {**live.read(layout.collected), **keys})
    finally:
        lock.release()
