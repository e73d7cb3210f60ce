"""People's own SQL, in a child process that can read the published version and nothing else.

The child (`db.sql.sandbox`) limits its memory, time and files, and the kernel ends it when its time is up: an
interrupt within the process is not enough, because a single function call can run on for many seconds.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from db import store
from db.errors import ConsoleError, StoreError
from db.layout import Layout
from db.sql import sandbox

_START_S = 60.0  # what the child may take to start, on a busy machine; not counted as the statement's time


@dataclass(frozen=True)
class ConsoleResult:
    """The answer to one statement."""

    table: pa.Table
    truncated: bool
    elapsed: float  # seconds that the statement took

    @property
    def frame(self) -> pd.DataFrame:
        """As a data frame; columns of one name are numbered apart."""
        seen: dict[str, int] = {}
        names = []
        for name in self.table.column_names:
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        table = self.table.rename_columns(names)
        try:
            return table.to_pandas()
        except (pa.ArrowException, ValueError, TypeError):  # a type that pandas does not have
            return pd.DataFrame({n: [str(v) for v in table[n].to_pylist()] for n in names})


def run(
    layout: Layout,
    sql: str,
    rows: int = 10_000,
    seconds: float = 20.0,
    memory_mb: int = 1024,
    snapshot: store.Snapshot | None = None,
) -> ConsoleResult:
    """Run one reading statement on what is published (or on `snapshot`); at most `rows` rows come back.

    Raises ConsoleError, one sentence, when the statement is refused, fails, or takes too much time or memory.
    """
    version = (snapshot or store.open(layout)).version
    for _ in range(5):
        try:
            return _ask(version, sql, rows, seconds, memory_mb)
        except ConsoleError:
            if version.exists():
                raise
            try:  # a newer one took its place before the child opened it
                version = store.open(layout, make=False).version
            except StoreError as error:
                raise ConsoleError(str(error)) from error
    raise ConsoleError(f"The version {version.name} is missing; load the page again.")


def _ask(version: Path, sql: str, rows: int, seconds: float, memory_mb: int) -> ConsoleResult:
    request = {"path": str(version), "sql": sql, "rows": rows, "seconds": seconds, "memory_mb": memory_mb}
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "db.sql.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
    )
    try:
        output, complaint = child.communicate(json.dumps(request).encode(), timeout=seconds + _START_S)
    except subprocess.TimeoutExpired as error:
        raise ConsoleError(f"The statement took longer than {seconds:g} s and was stopped.") from error
    finally:
        child.kill()
        child.wait()
    return _result(child.returncode, output, complaint, seconds)


def _result(status: int, output: bytes, complaint: bytes, seconds: float) -> ConsoleResult:
    if status in (sandbox.REFUSED, sandbox.FAILED):
        raise ConsoleError(complaint.decode(errors="replace"))
    if status in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        raise ConsoleError(f"The statement took longer than {seconds:g} s and was stopped.")
    if status != 0:
        raise ConsoleError(
            "The statement needed more memory than it may have, or broke DuckDB; it was stopped."
        )
    table = pa.ipc.open_stream(output).read_all()
    facts = table.schema.metadata
    return ConsoleResult(
        table.replace_schema_metadata(None), facts[b"truncated"] == b"1", float(facts[b"elapsed"])
    )
