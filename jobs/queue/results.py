"""Results of hosts that share a queue: bundles in an object store, and a table that says which one counts.

The host that ran a job sends its bundle to `GANATOMY_RESULTS`, under a key of its own, and then writes the
key into the server's table. A final bundle takes the place of any other, and a provisional one never that of
a final one, whatever numbers the hosts gave them. Every host fetches what it does not have.
"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa

from db.errors import StoreError
from db.layout import Layout
from jobs.queue import server
from jobs.system import live, locks
from jobs.system.settings import Settings


def address() -> str | None:
    """Where the results are; None where hosts share none."""
    return Settings().results if server.address() is not None else None


def send(layout: Layout, run_id: str, final: bool) -> None:
    """Send the newest bundle of a run, and let it count; nothing where hosts share no results.

    Raises:
        StoreError: the object store does not answer.
        GanatomyError: the queue's server does not.
    """
    where = address()
    if where is None:
        return
    from db.store import remote  # pandas and fsspec: a second that other commands need not spend

    key = secrets.token_hex(6)
    remote.send(layout, where, run_id, key)
    table = server.result
    newer = sa.or_(sa.not_(table.c.final), sa.literal(final))
    row = server.upsert(table, newer, run_id=run_id, key=key, final=final, published_at=server.now)
    of_run = sa.select(table.c.key).where(table.c.run_id == run_id).with_for_update()
    with server.transaction() as connection:
        before = connection.execute(of_run).scalar_one_or_none()
        connection.execute(row)
        counts = connection.execute(of_run).scalar_one()
    _remember(layout, {run_id: key})
    for old in {before, key} - {None, counts}:  # replaced, or a provisional one that came after the final one
        remote.discard(where, run_id, str(old))


def collect(layout: Layout, only: str | None = None) -> list[str]:
    """Fetch and publish what other hosts have sent since; the runs that came. `only` asks for one run.

    A run that was removed here after it came does not come again.

    Raises:
        StoreError: some could not be fetched. The others are published.
        GanatomyError: the queue's server does not answer.
    """
    where = address()
    if where is None:
        return []
    while (lock := locks.take(layout.live, "collect")) is None:  # else two programs would both fetch a run
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
    from db.store import remote

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
    live.write(layout.collected, {**live.read(layout.collected), **keys})
