"""ganatomy sql, ganatomy render"""

from __future__ import annotations

import enum
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.shared.errors import GanatomyError
from jobs.cli.common import Json, Owner, Store, client, console, show_json, show_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Format(enum.StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    format: Annotated[Format, typer.Option(help="How to print the answer.")] = Format.table,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="At most so long.")] = 20.0,
    store: Store = None,
    json: Json = False,
) -> None:
    """Ask the store in SQL: reading only, in a sandbox."""
    from db.sql import console as sql_console

    text = sys.stdin.read() if statement == "-" else statement
    result = sql_console.run(client(store).layout, text, rows=rows, seconds=seconds)
    write(result.table, result.frame, Format.json if json else format, output)
    if result.truncated:
        print(f"ganatomy: cut after {rows} rows; raise --rows for more.", file=sys.stderr)


def write(table: pa.Table, frame: pd.DataFrame, format: Format, output: Path | None) -> None:
    """Print an answer, or write it to a file."""
    match format:
        case Format.parquet:
            if output is None and sys.stdout.isatty():
                raise GanatomyError("Parquet is not for reading; give --output FILE.")
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
                show_table(list(map(str, frame.columns)), frame.map(cell).to_numpy().tolist(), "No rows.")


def cell(value: Any) -> str:
    """A value in a table for people."""
    if value is None or value != value:  # NaN and NaT differ from themselves
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def render(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    edit: Annotated[str, typer.Argument(help='An edit, such as "ablate layer3 4,17,31".')],
    seed: Annotated[int, typer.Option(min=0)] = 1,
    latents: Annotated[str, typer.Option(help="Which images: 0,1,2 or 0-3.")] = "0-3",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Copy the pictures to this folder.")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep it: rows of table render, a run of its own.")
    ] = False,
    owner: Owner = "anyone",
    store: Store = None,
    json: Json = False,
) -> None:
    """Show images before and after an edit, and where they differ."""
    jobs, chosen = client(store), numbers(latents)
    made = jobs.render(generator, edit, seed, chosen)
    run = jobs.pin(made, generator, edit, seed, chosen, author=owner) if pin else None
    parts = {"before": made.before, "after": made.after, "difference": made.difference}
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        parts = {part: tuple(copy(files, part, output)) for part, files in parts.items()}
    if json:
        kept = {"pinned": run} if run else {}
        show_json(
            {**parts, "milliseconds": made.milliseconds, "cached": made.cached, "key": made.key, **kept}
        )
        return
    for part, files in parts.items():
        console.print(f"{part}: {' '.join(files)}", highlight=False, soft_wrap=True)
    console.print(f"{made.milliseconds:.0f} ms{' (kept)' if made.cached else ''}", highlight=False)
    if run:
        console.print(f"Pinned as run {run}.", highlight=False)


def copy(files: tuple[str, ...], part: str, folder: Path) -> list[str]:
    """Copies with readable names."""
    names = [folder / f"{part}-{number}.png" for number in range(len(files))]
    for source, target in zip(files, names, strict=True):
        shutil.copyfile(source, target)
    return [str(name) for name in names]


def numbers(text: str) -> list[int]:
    """'0,2,5-7' as numbers."""
    found: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        raise GanatomyError(f"{text!r} names no latents; write 0,1,2 or 0-3.") from None
    return found
