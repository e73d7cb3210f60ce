"""What a queue on a Postgres server has beside DBOS's tables: its workers, attempts at jobs, and reports.

Hosts that share such a queue share nothing else: no folder, no clock, no process ids. So a worker's lease is
a row that it renews, by the database's clock. What pages show of a running job is a row too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.exc import DBAPIError

from analysis.shared.errors import GanatomyError
from jobs.system.settings import Settings

T = TypeVar("T")
SCHEMA = "ganatomy"
# A cable that is pulled breaks no connection by itself. These let libpq notice within about 15 seconds, and
# under `options` the server, which else holds a dead host's locks for two hours.
NETWORK = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "options": "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=15000",
}
OUTAGE_S = 600.0  # that a job waits for a server that does not answer

metadata = sa.MetaData(schema=SCHEMA)
Moment = sa.DateTime(timezone=True)
now = sa.func.clock_timestamp()

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="as DBOS names the executor: host/random"),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("devices", JSONB, comment="names of its slots; null until it is ready"),
    sa.Column("started_at", Moment, nullable=False, server_default=now),
    sa.Column("seen_at", Moment, nullable=False, server_default=now),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, comment="of the newest attempt; only it may publish"),
    sa.Column("worker", sa.Text, nullable=False),
)

result = sa.Table(
    "result",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, comment="of the bundle that is shown, below the run's folder"),
    sa.Column("final", sa.Boolean, nullable=False),
    sa.Column("published_at", Moment, nullable=False, server_default=now),
)

save = sa.Table(
    "save",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False, comment="whose copy of the run's saves there is"),
    sa.Column("copied_at", Moment, nullable=False, server_default=now),
)

model = sa.Table(
    "model",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, comment="of its files, below the folder models"),
)

report = sa.Table(
    "report",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False, comment="that says so; an older one is not heard"),
    sa.Column("progress", JSONB, nullable=False),
    sa.Column("watch", JSONB, nullable=False),
    sa.Column("log", sa.LargeBinary, nullable=False, comment="its end"),
    sa.Column("log_bytes", sa.BigInteger, nullable=False, comment="length of the whole log"),
    sa.Column("written_at", Moment, nullable=False, server_default=now),
)


def address() -> sa.URL | None:
    """The server's address from the settings; None where the queue is a file of the store.

    Raises:
        GanatomyError: it is not the address of a Postgres database.
    """
    given = Settings().queue
    if not given:
        return None
    try:
        url = sa.make_url(given)
    except (sa.exc.ArgumentError, ValueError):
        url = sa.URL.create("none")
    # A sign of the password that is not encoded would be taken for the host, and shown.
    host = url.host or ""
    if url.drivername not in ("postgresql", "postgres") or not url.database or "@" in host:
        raise GanatomyError(
            "GANATOMY_QUEUE is not the address of a Postgres database; give one such as "
            "postgresql://user:password@host/ganatomy, with signs like @ : / of the password "
            "percent-encoded, or nothing for a queue in the store's folder."
        ) from None
    return url.set(drivername="postgresql", query=NETWORK | dict(url.query))


def name(url: sa.URL) -> str:
    """The address as people may see it."""
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def unreachable(url: sa.URL, error: BaseException) -> GanatomyError:
    """The sentence for a server that does not answer."""
    reason = " ".join(str(getattr(error, "orig", error)).split())
    return GanatomyError(
        f"The queue's server {name(url)} cannot be used ({reason}); check that it runs, and GANATOMY_QUEUE. "
        "Jobs and results are as they were."
    )


@cache
def prepared(url: sa.URL) -> sa.Engine:
    """The server's engine, once DBOS's tables and ours are there.

    Raises:
        GanatomyError: it does not answer, or refuses.
    """
    from dbos import DBOS  # 20 MB, which a job process without a server does not need

    logging.getLogger("dbos").setLevel(logging.ERROR)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), pool_size=2, pool_pre_ping=True)
    try:
        DBOS.migrate(url.render_as_string(hide_password=False))
        with engine.begin() as connection:
            # Two programs that start at once would both create the schema, and one of them would fail.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('ganatomy.create'))"))
            connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
            metadata.create_all(connection)
    except Exception as error:  # DBOS has errors of its own for a server that refuses
        engine.dispose()
        raise unreachable(url, error) from error
    return engine


@contextmanager
def transaction() -> Iterator[sa.Connection]:
    """A transaction on the server.

    Raises:
        GanatomyError: it does not answer.
    """
    url = address()
    if url is None:
        raise GanatomyError("The queue is a file, not a server; set GANATOMY_QUEUE.")
    try:
        with prepared(url).begin() as connection:
            yield connection
    except DBAPIError as error:
        import psycopg

        # What happens inside may use DuckDB, whose errors have the same classes.
        if isinstance(error.orig, psycopg.OperationalError) or error.connection_invalidated:
            raise unreachable(url, error) from error
        raise


def patiently(
    call: Callable[[], T],
    stopped: Callable[[], bool] = lambda: False,
    waiting: Callable[[], None] = lambda: None,
) -> T:
    """What `call` returns. It is tried again while the server does not answer, for `OUTAGE_S`.

    `waiting` is called before each further try: a process that says nothing would count as stuck.

    Raises:
        GanatomyError: the server did not answer for so long, or `stopped` says that nobody waits any more.
    """
    deadline = time.monotonic() + OUTAGE_S
    while True:
        try:
            return call()
        except GanatomyError as error:
            outage = isinstance(error.__cause__, DBAPIError)
            if not outage or stopped() or time.monotonic() > deadline:
                raise
        waiting()
        time.sleep(1.0)


def upsert(table: sa.Table, where: sa.ColumnElement[bool] | None = None, **values: object) -> Insert:
    """A statement that inserts a row, or sets its values where its key is there and `where` holds."""
    keys = [column.name for column in table.primary_key]
    others = {key: value for key, value in values.items() if key not in keys}
    return insert(table).values(**values).on_conflict_do_update(index_elements=keys, set_=others, where=where)
