"""The child process of `db.sql.console`: one statement, read-only, with nothing else in reach.

Request: JSON on standard input. Answer: Arrow on standard output, or one sentence on standard error and a
status of `REFUSED` or `FAILED`. Started with an empty environment; it limits itself before it looks at the
statement.
"""

import ctypes
import json
import resource
import signal
import sys
import time
from typing import Any, NoReturn

import duckdb
import pyarrow as pa

REFUSED, FAILED = 3, 4
MAX_BYTES = 64 << 20  # of the answer; the rows beyond are cut off
_OWN_MEMORY = 2 << 30  # address space that Python, Arrow and DuckDB reserve before any query
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_PR_SET_PDEATHSIG = 1


def main() -> None:
    request = json.load(sys.stdin)
    confine(request["memory_mb"] << 20, request["seconds"])
    connection = connect(request["path"], request["memory_mb"])
    try:
        statement = one_statement(connection, request["sql"])
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])  # nobody handles it: the kernel ends us
        answer(connection, statement, request["rows"])
    except (MemoryError, duckdb.OutOfMemoryException):
        stop(
            FAILED,
            f"The statement needs more than {request['memory_mb']} MB of memory; ask for less at once.",
        )
    except (duckdb.Error, pa.ArrowException) as error:
        stop(FAILED, sentence(str(error)))


def confine(memory: int, seconds: float) -> None:
    """No more memory, time or files than allowed, and no life without the parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    cpu = int(seconds) + 2
    for limit, value in (
        (resource.RLIMIT_AS, memory + _OWN_MEMORY),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))


def connect(path: str, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """A read-only connection that can reach nothing but the one file, and whose settings are locked."""
    settings: dict[str, Any] = {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": "",
        "threads": "1",
    }
    try:
        connection = duckdb.connect(path, read_only=True, config=settings)
        connection.execute("SET lock_configuration = true")
        return connection
    except duckdb.Error as error:
        stop(FAILED, f"The store cannot be read ({sentence(str(error))}); `ganatomy store check` says more.")


def one_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement in the text, by DuckDB's own parser, if it is of a kind that only reads."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        stop(REFUSED, f"One statement at a time runs here; this text has {len(statements)}.")
    kind = statements[0].type
    if kind == duckdb.StatementType.MULTI:
        stop(REFUSED, "PIVOT runs here only with its values listed: PIVOT ... ON column IN ('a', 'b') ...")
    if kind not in _ALLOWED:
        stop(REFUSED, f"Only SELECT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE run here, not {kind.name}.")
    return statements[0]


def answer(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, rows: int) -> None:
    start = time.perf_counter()
    relation = connection.sql(statement)  # read as a stream: a billion rows stop at the cap
    if relation is None:
        stop(REFUSED, "The statement has no result to show.")
    reader = relation.to_arrow_reader(2048)
    batches, count, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if count > rows or size > MAX_BYTES:
            break
    table = pa.Table.from_batches(batches, reader.schema).slice(0, rows)
    facts = {
        "truncated": str(int(count > rows or size > MAX_BYTES)),
        "elapsed": str(time.perf_counter() - start),
    }
    table = table.replace_schema_metadata(facts)
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
        stream.write_table(table)


def sentence(message: str) -> str:
    """DuckDB's message up to its first empty line, on one line: what is wrong, and what may be meant."""
    first = message.split("\n\n")[0].split("\nLINE ")[0]
    return " ".join(first.split())[:600]


def stop(status: int, message: str) -> NoReturn:
    sys.stderr.write(message)
    sys.exit(status)


if __name__ == "__main__":
    main()
