"""Attempts at a job, numbered by the queue's server: only the newest one may publish.

A worker that was paused, or cut off from the network, may come back when another worker has long taken its
job over. The number of its attempt is a fencing token: it is older than the one in the server's table.

With a queue in the store's folder, locks of the folder do this, and there are no numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import sqlalchemy as sa

from analysis.shared.errors import GanatomyError
from jobs.queue import server

LOCK_S = 10  # that a new attempt waits for one that publishes, before it asks again
NONE = 0  # the number of an attempt at a job of a queue in the store's folder


class SupersededError(GanatomyError):
    """Another worker has taken the job over, so this attempt has no say any more."""


def begin(job_id: str, worker: str) -> int:
    """The number of a new attempt of `worker`, which the queue must have given the job.

    Raises:
        SupersededError: the job is another worker's by now.
    """
    table = server.attempt
    statement = (
        server.insert(table)
        .values(job_id=job_id, number=1, worker=worker)
        .on_conflict_do_update(
            index_elements=["job_id"],
            set_={"number": table.c.number + 1, "worker": worker},
        )
    )
    owner = sa.text(
        "SELECT executor_id, status FROM dbos.workflow_status WHERE workflow_uuid = :job FOR SHARE"
    )
    with server.transaction() as connection:
        # An attempt that publishes holds its row. Who waits for it must not hold anything for long.
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_S}s'"))
        number = int(connection.execute(statement.returning(table.c.number)).scalar_one())
        row = connection.execute(owner, {"job": job_id}).one_or_none()
        if row is None or tuple(row) != (worker, "PENDING"):
            raise SupersededError(_superseded(job_id))  # which takes the number back
        return number


@contextmanager
def newest(job_id: str, number: int, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the job for this attempt: no other one can begin until the block ends.

    `waiting` is called again and again while the server does not answer.

    Raises:
        SupersededError: another one has begun.
    """
    if number == NONE:
        yield
        return
    with ExitStack() as held:
        server.patiently(lambda: _hold(held, job_id, number), waiting=waiting)
        yield
        with suppress(GanatomyError):  # the server has gone meanwhile; what was published stays
            held.close()


def _hold(held: ExitStack, job_id: str, number: int) -> None:
    """Lock the job's row until `held` closes, if the attempt is the newest."""
    table = server.attempt
    select = sa.select(table.c.number).where(table.c.job_id == job_id).with_for_update(read=True)
    connection = held.enter_context(server.transaction())
    # The transaction is idle while files are written. A server may have a limit for that.
    connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    if connection.execute(select).scalar_one_or_none() != number:
        raise SupersededError(_superseded(job_id))


def _superseded(job_id: str) -> str:
    return f"Another worker has taken job {job_id} over, so this attempt ends and publishes nothing."
