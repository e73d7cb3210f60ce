"""The child process of `db.sql.console`: one statement, read-only, with nothing else in reach.

Request: JSON on standard input. Answer: Arrow on standard output, or one sentence on standard error, with the
place of a mistake in a second line, and a status of `REFUSED` or `FAILED`. Started with an empty environment;
it limits itself before it looks at the statement.
"""

import ctypes
import json
import os
import re
import resource
import signal
import sys
import time
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from db.sql import parameters

REFUSED, FAILED = 3, 4
MAX_BYTES = 64 << 20  # of the answer; the rows beyond are cut off
_OWN_MEMORY = 2 << 30  # address space that Python, Arrow and DuckDB reserve before any query
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_PR_SET_PDEATHSIG = 1
# What says where the store is, who runs this, and how. By name, anywhere in the text: what comes out of them
# could be spelt in a hundred ways (hex, reversed, in a list), a name in only one, and no name can be made up
# while a statement runs, but for `_DYNAMIC`.
_TELLING = re.compile(
    r"(duckdb_(?:databases|settings|secrets|secret_types|extensions|extension_repositories)"
    r"|pragma_database_list|database_list|pg_settings|current_setting|which_secret)"
)
_DYNAMIC = re.compile(r'\bquery(?:_table)?"?(?:\s|--[^\n]*\n|/\*.*?\*/)*\(', re.DOTALL)


def main() -> None:
    request = json.load(sys.stdin)
    confine(request["memory_mb"] << 20, request["seconds"])
    connection = connect(request["path"], request["memory_mb"], request["values"])
    bound = parameters.bound(request["sql"], request["values"])
    try:
        statement = one_statement(connection, bound.sql)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])  # nobody handles it: the kernel ends us
        answer(connection, statement, request)
    except (MemoryError, duckdb.OutOfMemoryException):
        stop(
            FAILED,
            f"The statement needs more than {request['memory_mb']} MB of memory; ask for less at once.",
        )
    except (duckdb.Error, pa.ArrowException) as error:
        message, position = mistake(connection, bound.sql, error)
        place = None if position is None else bound.written(position)
        stop(FAILED, without_folder(sentence(message), request["path"]), place)


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


def connect(path: str, memory_mb: int, values: dict[str, parameters.Value]) -> duckdb.DuckDBPyConnection:
    """A read-only connection that can reach nothing but the one file, and whose settings are locked.

    Each of `values` becomes a variable of the connection.
    """
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
        for name, value in values.items():
            connection.execute(f'SET VARIABLE "{name}" = $1', [value])
        connection.execute("SET errors_as_json = true")
        connection.execute("SET lock_configuration = true")
        return connection
    except duckdb.Error as error:
        stop(FAILED, f"The store cannot be read ({sentence(str(error))}); `ganatomy store check` says more.")


def one_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement in the text, by DuckDB's own parser, if it is of a kind that only reads."""
    if said := _TELLING.search(sql.lower()):
        stop(REFUSED, f"{said[1]} tells about this machine, not about results; it does not run here.")
    if _DYNAMIC.search(sql.lower()):
        stop(REFUSED, "query() and query_table() do not run here; write the statement itself.")
    statements = connection.extract_statements(sql)
    if not statements:
        stop(REFUSED, "There is no statement in this text; write one, such as SELECT * FROM run.")
    if len(statements) > 1:
        stop(REFUSED, f"One statement at a time runs here; this text has {len(statements)}.")
    kind = statements[0].type
    if kind == duckdb.StatementType.MULTI:
        stop(REFUSED, "PIVOT runs here only with its values listed: PIVOT ... ON column IN ('a', 'b') ...")
    if kind not in _ALLOWED:
        stop(REFUSED, f"Only SELECT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE run here, not {kind.name}.")
    return statements[0]


def answer(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, request: dict[str, Any]
) -> None:
    start, rows = time.perf_counter(), request["rows"]
    relation = connection.sql(statement)  # read as a stream: a billion rows stop at the cap
    if relation is None:
        stop(REFUSED, "The statement has no result to show.")
    names = relation.columns
    kinds = [str(kind) for kind in relation.types]
    as_text = [needs_text(kind, request["binary"]) for kind in kinds]
    if any(as_text):
        columns = [
            f'CAST(#{n} AS VARCHAR) AS "{n}"' if text else f'#{n} AS "{n}"'
            for n, text in enumerate(as_text, start=1)
        ]
        relation = relation.project(", ".join(columns))
    reader = relation.to_arrow_reader(2048)
    batches, count, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if count > rows or size > MAX_BYTES:
            break
    table = pa.Table.from_batches(batches, reader.schema).slice(0, rows)
    columns = [readable(connection, column) for column in table.columns]
    facts = {
        "truncated": str(int(count > rows or size > MAX_BYTES)),
        "elapsed": str(time.perf_counter() - start),
    }
    table = pa.Table.from_arrays(columns, names=names).replace_schema_metadata(facts)
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
        stream.write_table(table)


# Types whose values Arrow, pandas or JSON cannot hold: they come back as DuckDB's own text.
_TEXT = ("INTERVAL", "TIME", "BIT", "BIGNUM", "VARINT", "UHUGEINT", "UNION", "VARIANT", "GEOMETRY")


def needs_text(kind: str, binary: bool) -> bool:
    """Whether a DuckDB type, or a part of a nested one, comes back as text. `binary` leaves BLOB as it is."""
    words = set(re.findall(r"[A-Z_]+", re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", kind)))
    words -= {"TIMESTAMP"}
    if "TIMESTAMP WITH TIME ZONE" in kind and "TIME WITH" not in kind.replace("TIMESTAMP WITH TIME ZONE", ""):
        words -= {"TIME"}
    text = set(_TEXT) | (set() if binary else {"BLOB"}) | ({"HUGEINT"} if kind != "HUGEINT" else set())
    return bool(words & text)


def readable(connection: duckdb.DuckDBPyConnection, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column that Python can hold: days outside the years 1 to 9999 become text, whole numbers 64 bits.

    Decimals become floating-point numbers, which can be drawn and sorted, where those have all their digits.
    """
    kind = column.type
    if kind == pa.decimal128(38, 0):  # a HUGEINT, the type of every sum of integers
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            return pa.chunked_array([pa.array([v and f"{v:f}" for v in column.to_pylist()], pa.string())])
    if pa.types.is_decimal(kind):
        ends = pc.min_max(column).as_py().values()
        exact = all(end is None or abs(end.scaleb(kind.scale)) < 10**_EXACT for end in ends)
        # Through text: Arrow's own cast makes 3.3000000000000003 of 3.3.
        return column.cast(pa.string()).cast(pa.float64()) if exact else column
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        ends = pc.min_max(column.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())).as_py()
        each = _PER_DAY.get(getattr(kind, "unit", "day"), 1)
        outside = any(end is not None and not _FIRST <= end // each <= _LAST for end in ends.values())
        return text(connection, column) if outside else column
    if pa.types.is_nested(kind):
        try:
            column.to_pylist()
        except (OverflowError, ValueError):
            return text(connection, column)
    return column


_EXACT = 15  # decimal digits that every floating-point number of 64 bits keeps
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_FIRST, _LAST = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days since 1970


def text(connection: duckdb.DuckDBPyConnection, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as DuckDB writes its values."""
    return connection.from_arrow(pa.table({"it": column})).project("CAST(it AS VARCHAR)").to_arrow_table()[0]


def without_folder(message: str, path: str) -> str:
    return message.replace(os.path.dirname(path) + "/", "")


def mistake(connection: duckdb.DuckDBPyConnection, sql: str, error: Exception) -> tuple[str, int | None]:
    """What DuckDB says about an error, and the character of the statement that it is about, if it says so."""
    found, skipped = _details(error), 0
    if found is None:  # a relation's error has no place; EXPLAIN meets the same error, and tells it
        skipped = len("EXPLAIN ")
        try:
            connection.execute(f"EXPLAIN {sql}")
        except duckdb.Error as again:
            found = _details(again)
        if found is None or found["exception_message"] not in str(error):
            return str(error), None
    message = f"{found['exception_type']} Error: {found['exception_message']}"
    if not str(found.get("position", "")).isdigit():
        return message, None
    before = sql.encode()[: max(int(found["position"]) - skipped, 0)]  # DuckDB counts bytes
    return message, len(before.decode(errors="ignore"))


def _details(error: Exception) -> dict[str, str] | None:
    """The fields of an error that DuckDB wrote as JSON."""
    try:
        found = json.loads(str(error).partition(": ")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) and "exception_message" in found else None


def sentence(message: str) -> str:
    """DuckDB's message up to its first empty line, on one line: what is wrong, and what may be meant."""
    first = message.split("\n\n")[0].split("\nLINE ")[0]
    return " ".join(first.split())[:600]


def stop(status: int, message: str, position: int | None = None) -> NoReturn:
    sys.stderr.write(message if position is None else f"{message}\n{position}")
    sys.exit(status)


if __name__ == "__main__":
    main()
