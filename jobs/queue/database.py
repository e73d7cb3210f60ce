"""The queue: DBOS on SQLite in the store's folder, or on a Postgres server that many hosts share.

The names below are stored in it and must not change.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from dbos._sys_db import SystemDatabase
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Engine

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.queue import server
from jobs.system import locks
from jobs.system.settings import Settings

APPLICATION = "ganatomy"
# Rises when the steps of a workflow change. A worker then starts older jobs again from their first step.
VERSION = "1"
JOBS = "jobs"  # the queue of jobs
GPU_JOBS = "gpu-jobs"  # of jobs that ask for a GPU: on a server, since workers may have none
CLOCK = "clock"  # the queue of the firings of schedules, which only queue jobs
PATIENCE_S = 2.0  # that a person waits for a locked queue
RUN_JOB = "ganatomy.job"
RUN_SPAN = "ganatomy.span"  # a part of a job
FIRE = "ganatomy.fire"


@event.listens_for(Engine, "connect")
def _support_subseconds(connection: Any, _record: Any) -> None:
    """Give an older SQLite the function that DBOS's default times need.

    DBOS relies on SQLite 3.42, whose unixepoch() accepts 'subsec'. An older one returns NULL, which the
    tables refuse.
    """
    if isinstance(connection, sqlite3.Connection) and sqlite3.sqlite_version_info < (3, 42):
        connection.create_function("unixepoch", 1, lambda _part: round(time.time(), 3))


def url(layout: Layout) -> str:
    """The queue's address for DBOS. Signs like ? and % in the path are quoted: they would mean something."""
    address = server.address() or sa.URL.create("sqlite", database=str(layout.queue))
    return address.render_as_string(hide_password=False)


def exists(layout: Layout) -> bool:
    """Whether there is a queue: a server, or the store's own file."""
    return server.address() is not None or layout.queue.exists()


def queue_name(device: str) -> str:
    """The queue of jobs for this device ('auto', 'cpu' or 'cuda')."""
    return GPU_JOBS if device == "cuda" and server.address() else JOBS


def ensure(layout: Layout) -> None:
    """Create the queue and its tables if they are missing.

    A file has mode 0600, since DBOS would unpickle rows that are tagged as pickle: who can write to the
    queue can run code.

    Raises:
        GanatomyError: the file cannot be used, or the server does not answer.
    """
    if address := server.address():
        _ensure_server(address)
        return
    if ready(layout.queue):
        return
    Layout.create(layout.root)
    while (lock := locks.take(layout.live, "queue-setup")) is None:
        if ready(layout.queue):
            return
        time.sleep(0.05)
    try:
        _make(layout)
    except (OSError, sqlite3.Error) as error:
        raise GanatomyError(
            f"The queue {layout.queue} cannot be used ({error}); check that its folder is writable and has "
            "room, or move a damaged file away: results are not in it."
        ) from error
    finally:
        lock.release()


@cache
def _ensure_server(address: sa.URL) -> None:
    server.prepared(address)
    client = _client(address)
    for name in (JOBS, GPU_JOBS, CLOCK):
        # No limit for all workers together: each has its own (`limit_claims`).
        client.register_queue(name, on_conflict="never_update", polling_interval_sec=Settings().poll_seconds)
    client.destroy()


def _client(address: sa.URL) -> DBOSClient:
    try:
        return DBOSClient(
            system_database_url=address.render_as_string(hide_password=False),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )
    except sa.exc.OperationalError as error:
        raise server.unreachable(address, error) from error


def _make(layout: Layout) -> None:
    os.close(os.open(layout.queue, os.O_RDWR | os.O_CREAT, 0o600))
    os.chmod(layout.queue, 0o600)
    with closing(sqlite3.connect(layout.queue)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # pages read while workers write
    logging.getLogger("dbos").setLevel(logging.ERROR)
    DBOS.migrate(url(layout))
    client = connect(layout)
    client.register_queue(JOBS, global_concurrency=1, on_conflict="never_update")
    client.register_queue(CLOCK, on_conflict="never_update")
    client.destroy()


def ready(file: Path) -> bool:
    """Whether the file has the queue's tables and its queues are registered."""
    if not file.exists():
        return False
    try:
        with closing(open_for_reading(file)) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM queues")}
    except sqlite3.Error:
        return False
    return {JOBS, CLOCK} <= names


def open_for_reading(file: Path) -> sqlite3.Connection:
    """The queue's file, also where its folder cannot be written."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE_S, check_same_thread=False)
    try:
        connection.execute("SELECT name FROM queues LIMIT 1")
    except sqlite3.OperationalError as error:
        connection.close()
        if "unable to open" not in str(error) and "readonly" not in str(error):
            raise
        # SQLite cannot make the files of its write-ahead log in a folder that is read-only. There are none
        # while nobody writes, and then nothing changes the file.
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True, check_same_thread=False)
    return connection


def connect(layout: Layout, patient: bool = True) -> DBOSClient:
    """A client of the queue, which runs no workflows itself.

    DBOS waits for a locked queue without end, and so does a `patient` client. Another one raises
    `GanatomyError` after `PATIENCE_S`, and when a server does not answer.
    """
    logging.getLogger("dbos").setLevel(logging.ERROR)
    if address := server.address():
        client = _client(address)
        if not patient:
            _explain_outage(client._sys_db.engine, address)
        return client
    client = DBOSClient(
        system_database_url=url(layout),
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
    )
    event.listen(client._sys_db.engine, "handle_error", _explain_full_disk)
    if not patient:
        _limit_patience(client._sys_db.engine)
    return client


def connect_for_reading(layout: Layout) -> DBOSClient:
    """A client of the queue that cannot write to it, also where its folder cannot be written."""
    logging.getLogger("dbos").setLevel(logging.ERROR)
    engine = sa.create_engine(
        "sqlite://", creator=lambda: open_for_reading(layout.queue), poolclass=sa.NullPool
    )
    return DBOSClient(
        system_database_engine=engine,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
    )


def _explain_outage(engine: Engine, address: sa.URL) -> None:
    """Let statements fail with a sentence when the server does not answer."""

    def explain(context: Any) -> None:
        if isinstance(context.original_exception, psycopg.OperationalError):
            raise server.unreachable(address, context.original_exception)

    event.listen(engine, "handle_error", explain)


def _explain_full_disk(context: Any) -> None:
    if "disk is full" in str(context.original_exception):
        raise GanatomyError("The disk is full, so the queue is as it was; free some space and try again.")


def _limit_patience(engine: Engine) -> None:
    """Let statements fail with a sentence when another program holds the write lock for `PATIENCE_S`."""

    def shorten(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={int(PATIENCE_S * 1000)}")

    def begin(connection: Any, *_: object) -> None:
        connection.info["began"] = time.monotonic()

    def explain(context: Any) -> None:
        began = context.connection.info.get("began", 0.0) if context.connection else 0.0
        # SQLite also fails at once, when a reader wants to write; DBOS then tries again.
        waited = time.monotonic() - began > 0.9 * PATIENCE_S
        if waited and "is locked" in str(context.original_exception):
            raise GanatomyError(
                f"Another program has been writing to the queue for more than {PATIENCE_S:g} s, so nothing "
                "was changed; try again, and end that program if this stays so."
            )

    event.listen(engine, "checkout", shorten)
    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "handle_error", explain)


def configuration(layout: Layout, executor: str, poll_seconds: float) -> DBOSConfig:
    """The options with which a worker launches DBOS: JSON only, its slot as executor, short waits."""
    return {
        "name": APPLICATION,
        "system_database_url": url(layout),
        "serializer": DBOSPortableJSONSerializer(),
        "executor_id": executor,
        "application_version": VERSION,
        "log_level": "CRITICAL",
        "notification_listener_polling_interval_sec": poll_seconds,
        "scheduler_polling_interval_sec": 1.0,
    }


def limit_claims(dbos: DBOS, slots: int) -> None:
    """Let this worker of a server's queue claim as many jobs as it has slots, over both queues of jobs.

    DBOS keeps a queue's limits in the database, one number for all workers. Their hosts differ, so each puts
    its own number in place of the one that it reads.
    """
    read, active = SystemDatabase.get_queue, dbos._active_workflows_set
    other = {JOBS: GPU_JOBS, GPU_JOBS: JOBS}

    def limited(system: SystemDatabase, name: str, **options: Any) -> Any:
        queue = read(system, name, **options)
        if queue is not None and name in other:
            queue._worker_concurrency = max(0, slots - active.count_for_queue(other[name]))
        return queue

    # DBOS makes the object and starts its threads in one call, so there is no object to change before.
    SystemDatabase.get_queue = limited  # type: ignore[method-assign, assignment]


def put_back(queue: DBOSClient, job_ids: Iterable[str], executor: str) -> list[str]:
    """Return jobs that are running under `executor` to the queue; the ids of those that were.

    DBOS offers this only for all jobs of an executor at once.
    """
    system = queue._sys_db
    return [each for each in job_ids if system.reenqueue_for_recovery(each, [executor], JOBS)]


class ActiveJob(NamedTuple):
    """What a submission needs to know of a job that has not ended."""

    id: str
    run_id: str
    owner: str
    project: str
    priority: int
    running: bool


def active(queue: DBOSClient, states: Sequence[str]) -> list[ActiveJob]:
    """The jobs in some of DBOS's states, in the order of the queue.

    The database reads the few values that are wanted. DBOS would parse every request, which takes a
    submission a tenth of a second per thousand jobs. A damaged row of a file has no run, owner or project.
    """
    tables = queue._sys_db.tables
    status, stored = tables.workflow_status.c, tables.workflow_input.c
    if queue._sys_db.engine.dialect.name == "sqlite":
        text: Any = sa.case((sa.func.json_valid(stored.inputs) == 1, stored.inputs))
        run = sa.func.json_extract(text, "$.positionalArgs[2]")
        owner, project = (
            sa.func.json_extract(text, f"$.positionalArgs[1].{name}") for name in ("owner", "project")
        )
    else:
        text = sa.cast(stored.inputs, JSONB)["positionalArgs"]
        run, owner, project = text[2].astext, text[1]["owner"].astext, text[1]["project"].astext
    same = stored.workflow_uuid == status.workflow_uuid
    select = (
        sa.select(status.workflow_uuid, run, owner, project, status.priority, status.status)
        .select_from(tables.workflow_status.outerjoin(tables.workflow_input, same))
        .where(status.name == RUN_JOB, status.status.in_(states))
        .order_by(status.priority, status.created_at)
    )
    with queue._sys_db.engine.connect() as connection:
        return [
            ActiveJob(
                job_id, str(run_id or ""), str(who or ""), str(what or ""), number or 0, state == "PENDING"
            )
            for job_id, run_id, who, what, number, state in connection.execute(select)
        ]


def counts(queue: DBOSClient) -> list[tuple[str, str | None, int]]:
    """How many jobs there are by status and executor, counted by the database. DBOS has no call for it."""
    status = queue._sys_db.tables.workflow_status.c
    columns = (status.status, status.executor_id)
    select = sa.select(*columns, sa.func.count()).where(status.name == RUN_JOB).group_by(*columns)
    with queue._sys_db.engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(select)]
