"""People's own SQL, in a child process that can read the published version and nothing else.

The child (`db.sql.sandbox`) limits its memory, time and files, and the kernel ends it when its time is up: an
interrupt within the process is not enough, because a single function call can run on for many seconds.
"""

import ctypes
import json
import logging
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from db import store
from db.errors import ConsoleError, StoreError
from db.layout import Layout
from db.sql import parameters, sandbox

log = logging.getLogger(__name__)

_START_S = 60.0  # what the child may take to start, on a busy machine; not counted as the statement's time
AT_ONCE = 3  # statements of one process, each of which may take its memory and 2 GiB of address space
MAX_SECONDS = 86_400.0
MAX_ROWS = 10_000_000
_TICK_S = 0.2  # how often somebody who waits is asked whether to go on
_LARGE = 4 << 20  # bytes of an answer after which memory is given back
_LIBC = ctypes.CDLL(None)
_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class ConsoleResult:
    """The answer to one statement."""

    table: pa.Table
    truncated: bool
    elapsed: float  # seconds that the statement took

    @property
    def frame(self) -> pd.DataFrame:
        """As a data frame; columns of one name are numbered apart."""
        names: list[str] = []
        for column in self.table.column_names:
            name, number = column, 1
            while name in names:
                number += 1
                name = f"{column}_{number}"
            names.append(name)
        table = self.table.rename_columns(names)
        try:
            return table.to_pandas()
        except (pa.ArrowException, ValueError, TypeError, OverflowError):  # a type that pandas does not have
            return pd.DataFrame({name: _series(table[name]) for name in names})


def _series(column: pa.ChunkedArray) -> "pd.Series[Any]":
    """A column for a data frame, as text where pandas does not have its type."""
    try:
        return column.to_pandas()
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pd.Series([_text(value) for value in column], dtype=object)


def _text(value: pa.Scalar) -> str | None:
    """A value as text, also where Python has no such value."""
    try:
        found = value.as_py()
    except (ValueError, OverflowError):
        return str(value)
    return None if found is None else str(found)


def run(
    layout: Layout,
    sql: str,
    rows: int = 10_000,
    seconds: float = 20.0,
    memory_mb: int = 1024,
    snapshot: store.Snapshot | None = None,
    binary: bool = False,
    values: Mapping[str, parameters.Value] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> ConsoleResult:
    """Run one reading statement on what is published (or on `snapshot`); at most `rows` rows come back.

    `values` has the value of each parameter that the statement names, such as `:run`; others are ignored.
    Values that a table cannot show (intervals, far dates, blobs) come back as DuckDB writes them; with
    `binary`, blobs stay bytes. One process runs `AT_ONCE` statements at a time, and others wait their turn.
    `tick` is called five times a second meanwhile; what it raises ends the statement at once.

    Raises ConsoleError, one sentence, when the statement is refused, fails, or takes too much time or memory.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_SECONDS):
        raise ConsoleError(f"A statement may take up to {MAX_SECONDS:,.0f} seconds, not {seconds:g}.")
    if not 0 < rows <= MAX_ROWS:
        raise ConsoleError(f"An answer may have 1 to {MAX_ROWS:,} rows, not {rows}; give another number.")
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise ConsoleError("The statement is not UTF-8 text; write it again.") from None
    needed = parameters.names(sql)
    given = {name: value for name, value in (values or {}).items() if name in needed}
    if missing := [f":{name}" for name in needed if name not in given]:
        raise ConsoleError(f"The statement needs a value for {', '.join(missing)}; give one.")
    _await_slot(seconds, tick)
    try:
        limits = {"rows": rows, "seconds": seconds, "memory_mb": memory_mb}
        found = _run(layout, {"sql": sql, "values": given, "binary": binary, **limits}, snapshot, tick)
    finally:
        _slots.release()
    if found.table.nbytes > _LARGE:
        give_back_memory()
    return found


def give_back_memory() -> None:
    """Let the C library hand free memory to the system.

    A large answer comes in thousands of pieces. glibc keeps what they took for each thread apart, and every
    page is drawn in a thread of its own.
    """
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def _await_slot(seconds: float, tick: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while not _slots.acquire(timeout=max(min(_TICK_S, until - time.monotonic()), 0)):
        if time.monotonic() >= until:
            raise ConsoleError(f"{AT_ONCE} other statements are running; try again when they have ended.")
        tick()


def _run(
    layout: Layout, request: dict[str, Any], snapshot: store.Snapshot | None, tick: Callable[[], None]
) -> ConsoleResult:
    version = (snapshot or store.open(layout)).version
    for _ in range(5):
        try:
            return _ask(version, request, tick)
        except ConsoleError:
            if version.exists():
                raise
            try:  # a newer one took its place before the child opened it
                version = store.open(layout, make=False).version
            except StoreError as error:
                raise ConsoleError(str(error)) from error
    raise ConsoleError(f"The version {version.name} is missing; load the page again.")


def _ask(version: Path, request: dict[str, Any], tick: Callable[[], None]) -> ConsoleResult:
    seconds = request["seconds"]
    until = time.monotonic() + seconds + _START_S
    asked: bytes | None = json.dumps({"path": str(version.absolute()), **request}).encode()
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "db.sql.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
    )
    try:
        while True:
            try:
                output, complaint = child.communicate(asked, timeout=_TICK_S)
                break
            except subprocess.TimeoutExpired:  # nothing of the output is lost
                asked = None
            if time.monotonic() > until:
                raise ConsoleError(_too_long(seconds))
            tick()
    finally:
        child.kill()
        child.wait()
    return _result(child.returncode, output, complaint, seconds)


def _too_long(seconds: float) -> str:
    return f"The statement took longer than {seconds:g} s and was stopped."


def _result(status: int, output: bytes, complaint: bytes, seconds: float) -> ConsoleResult:
    if status in (sandbox.REFUSED, sandbox.FAILED):
        sentence, _, place = complaint.decode(errors="replace").partition("\n")
        raise ConsoleError(sentence, int(place) if place.isdigit() else None)
    if status in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        raise ConsoleError(_too_long(seconds))
    if status == 1 and b"MemoryError" not in complaint:
        log.error("The sandbox failed: %s", complaint.decode(errors="replace")[-2000:])
        raise ConsoleError("The statement was not run, by a mistake in Ganatomy; the log has the details.")
    if status != 0:
        raise ConsoleError(
            "The statement needed more memory than it may have, or broke DuckDB; it was stopped."
        )
    table = pa.ipc.open_stream(output).read_all()
    facts = table.schema.metadata
    return ConsoleResult(
        table.replace_schema_metadata(None), facts[b"truncated"] == b"1", float(facts[b"elapsed"])
    )
