"""`ganatomy sql "SELECT ..."`."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.shared.errors import GanatomyError
from jobs.cli.common import Json, Store, client, show_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Format(enum.StrEnum):
    """The format of an answer."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    format: Annotated[Format, typer.Option(help="The format of the answer.")] = Format.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer to this file.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Stop after this many rows.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop after this many seconds.")] = 20.0,
    store: Store = None,
    json: Json = False,
) -> None:
    """Query the store in SQL. The statement runs in a sandbox that can only read."""
    from db.sql import console  # pandas and DuckDB

    text = sys.stdin.read() if statement == "-" else statement
    result = console.run(client(store).layout, text, rows=rows, seconds=seconds)
    _write(result.table, result.frame, Format.json if json else format, output)
    if result.truncated:
        print(f"ganatomy: the answer ends after {rows} rows; raise --rows for more.", file=sys.stderr)


def _write(table: pa.Table, frame: pd.DataFrame, format: Format, output: Path | None) -> None:
    """Print an answer, or write it to a file."""
    match format:
        case Format.parquet:
            if output is None and sys.stdout.isatty():
                raise GanatomyError("A terminal cannot show Parquet; give --output FILE.")
            import pyarrow.parquet as pq

            pq.write_table(table, output or sys.stdout.buffer)
        case Format.csv:
            frame.to_csv(output or sys.stdout, index=False)
        case Format.json:
            text = frame.to_json(orient="records", date_format="iso", indent=2)
            output.write_text(text) if output else print(text)
        case Format.table:
            if output is not None:
                output.write_text(frame.to_string(index=False) + "\n")
            else:
                show_table(list(map(str, frame.columns)), frame.map(_cell).to_numpy().tolist(), "No rows.")


def _cell(value: object) -> str:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
