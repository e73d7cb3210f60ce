"""`ganatomy sql "SELECT ..."`."""

from __future__ import annotations

import enum
import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.shared.errors import GanatomyError
from jobs.cli.common import Json, Store, client, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa

    from db.layout import Layout
    from db.sql import console
    from db.sql.parameters import Value
    from db.sql.questions import Parameter
    from db.sql.saved import SavedQuery


class Format(enum.StrEnum):
    """The format of an answer."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")] = "",
    question: Annotated[
        str,
        typer.Option(help="Ask a worked question, or the newest version of a saved query, by its name."),
    ] = "",
    questions: Annotated[bool, typer.Option("--questions", help="List what can be asked by name.")] = False,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE for a parameter such as :run; others get their usual value."),
    ] = None,
    format: Annotated[Format, typer.Option(help="The format of the answer.")] = Format.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer to this file.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Stop after this many rows.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop after this many seconds.")] = 20.0,
    spreadsheet: Annotated[
        bool,
        typer.Option("--spreadsheet", help="In CSV, put ' before text that a spreadsheet would calculate."),
    ] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Query the store in SQL. The statement runs in a sandbox that can only read."""
    from db.sql.questions import COMMON, QUESTIONS

    layout = client(store).layout
    if questions:
        _list(layout, json or format is Format.json)
        return
    if bool(statement) == bool(question):
        raise GanatomyError("Give one statement or one --question; --questions lists what has a name.")
    text = sys.stdin.read() if statement == "-" else statement
    known: Mapping[str, Parameter] = COMMON
    kept: Mapping[str, Value] = {}
    if question in QUESTIONS:
        text, known = QUESTIONS[question].statement, QUESTIONS[question].parameters
    elif question:
        query = _saved(layout, question)
        text, known, kept = query.sql, query.fields(), query.values()
    values = _values(layout, text, known, kept, given or [])
    _check(layout, known if question and given else {}, values)
    format = Format.json if json else format
    binary = format is Format.parquet
    result = _run(layout, text, rows=rows, seconds=seconds, binary=binary, values=values)
    try:
        _write(result.table, result.frame, format, output, spreadsheet)
    except OSError as error:
        if output is None:
            raise
        reason = error.strerror or str(error)
        sentence = f"{output} cannot be written ({reason}); give a file in a folder that exists."
        raise GanatomyError(sentence) from error
    if result.truncated:
        _say_cut(result.table.num_rows, rows)


def _say_cut(many: int, most: int) -> None:
    why = "raise --rows for more" if many >= most else "it has its 64 MB; ask for fewer columns"
    print(f"ganatomy: the answer ends after {many} rows; {why}.", file=sys.stderr)


def _run(layout: Layout, text: str, **limits: Any) -> console.ConsoleResult:
    """The answer. Raises GanatomyError with the place of a mistake."""
    from db.errors import ConsoleError
    from db.sql import console, mistakes  # pandas and DuckDB

    try:
        return console.run(layout, text, **limits)
    except ConsoleError as error:
        raise GanatomyError(mistakes.sentence(text, error)) from error


def _saved(layout: Layout, name: str) -> SavedQuery:
    """The newest version of a saved query. Raises GanatomyError for another name."""
    from db.sql import saved

    found = saved.newest(layout)
    if name not in found:
        raise GanatomyError(f"No question or saved query is called {name!r}; --questions lists them.")
    return found[name]


def _values(
    layout: Layout, text: str, known: Mapping[str, Parameter], kept: Mapping[str, Value], given: list[str]
) -> dict[str, Value]:
    """What each parameter of the statement is: what was given, else saved with it, else the usual value."""
    from db import store as stores
    from db.sql.parameters import names
    from db.sql.questions import usual

    used = names(text)
    values = dict(kept)
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or name not in used:
            told = ", ".join(used) or "none"
            raise GanatomyError(f"--set {each} is no NAME=VALUE of this statement; its parameters: {told}.")
        values[name] = value
        if name in known and not known[name].choices:
            try:
                values[name] = float(value)
            except ValueError:
                raise GanatomyError(f"--set {each}: {known[name].label} is a number.") from None
    if set(used) - set(values):
        values = usual(stores.open(layout), known, values)
    return {name: value for name, value in values.items() if name in used}


def _check(layout: Layout, known: Mapping[str, Parameter], values: Mapping[str, Value]) -> None:
    """Raise GanatomyError for a value that the store does not have, such as a concept in capitals."""
    from db import store as stores
    from db.sql.questions import choices

    for name, value in values.items():
        if name in known and known[name].choices and value is not None:
            found = choices(stores.open(layout), known[name], values)
            if value not in found:
                remedy = f"choose {', '.join(found[:12])}" if found else "it has none"
                label = known[name].label
                raise GanatomyError(f"{label} {value} is not in this store; {remedy}.")


def _list(layout: Layout, as_json: bool) -> None:
    """Print the names of worked questions and saved queries, with what they ask and their parameters."""
    from db.sql import saved
    from db.sql.parameters import names
    from db.sql.questions import QUESTIONS

    rows = [(each.name, each.question, ", ".join(each.parameters)) for each in QUESTIONS.values()]
    for query in saved.newest(layout).values():
        rows.append((query.name, query.description or "a saved query", ", ".join(names(query.sql))))
    if as_json:
        print(
            dumps([dict(zip(("name", "question", "parameters"), row, strict=True)) for row in rows], indent=2)
        )
    else:
        show_table(["name", "question", "parameters"], rows, "No questions.")


def _write(
    table: pa.Table, frame: pd.DataFrame, format: Format, output: Path | None, spreadsheet: bool
) -> None:
    """Print an answer, or write it to a file."""
    match format:
        case Format.parquet:
            if output is None and sys.stdout.isatty():
                raise GanatomyError("A terminal cannot show Parquet; give --output FILE.")
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                pq.write_table(table, output or sys.stdout.buffer)
            except pa.ArrowException as error:
                reason = str(error).splitlines()[0]
                sentence = f"Parquet cannot hold this answer ({reason}); cast it to VARCHAR."
                raise GanatomyError(sentence) from error
        case Format.csv:
            from db.spreadsheet import guarded

            shown = guarded(frame) if spreadsheet else frame
            shown.to_csv(output or sys.stdout, index=False)
        case Format.json:
            text = frame.to_json(orient="records", date_format="iso", indent=2)
            output.write_text(text) if output else print(text)
        case Format.table:
            if output is not None:
                output.write_text(frame.to_string(index=False) + "\n")
            else:
                show_table(list(map(str, frame.columns)), frame.map(_cell).to_numpy().tolist(), "No rows.")


def _cell(value: object) -> str:
    if hasattr(value, "tolist"):  # of numpy: a list, or a number of its own type
        value = value.tolist()
    if value is None or (not isinstance(value, list | dict) and value != value):
        return ""  # NaN and NaT differ from themselves
    return f"{value:.4g}" if isinstance(value, float) else str(value)
