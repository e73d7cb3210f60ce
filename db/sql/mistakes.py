"""Where a statement is wrong, and which table or column was probably wanted."""

import difflib
import re
from dataclasses import dataclass

from db.errors import ConsoleError
from db.schema import dictionary

MOST_NAMES = 3
_MISSING_TABLE = re.compile(r"(?:Table with name|Referenced table) \"?([^\"\s!]+)\"?")
_MISSING_COLUMN = re.compile(r"[Cc]olumn \"([^\"]+)\" not found|does not have a column named \"([^\"]+)\"")


@dataclass(frozen=True)
class Mistake:
    """A place in a statement, both from 1, and the names that are near to the wrong one, nearest first."""

    line: int
    column: int
    nearest: tuple[str, ...]


def find(sql: str, error: ConsoleError) -> Mistake | None:
    """The place that an error is about; None where DuckDB names none."""
    if error.position is None:
        return None
    before = sql[: error.position]
    line = before.count("\n") + 1
    column = error.position - (before.rfind("\n") + 1) + 1
    return Mistake(line, column, nearest(str(error)))


def sentence(sql: str, error: ConsoleError) -> str:
    """The error with its place, for who has no editor that underlines it."""
    found = find(sql, error)
    return f"Line {found.line}, column {found.column}. {error}" if found else str(error)


def nearest(message: str) -> tuple[str, ...]:
    """The names of the store that are near to the unknown one in DuckDB's message.

    >>> nearest('Binder Error: Referenced column "conept" not found in FROM clause!')[0]
    'concept'
    >>> nearest("Catalog Error: Table with name unit_lable does not exist!")[0]
    'unit_label'
    """
    tables = dictionary.tables()
    if found := _MISSING_TABLE.search(message):
        return _near(found[1], list(tables))
    if found := _MISSING_COLUMN.search(message):
        columns = {column.name for table in tables.values() for column in table.columns}
        return _near(found[1] or found[2], sorted(columns))
    return ()


def _near(name: str, known: list[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name.lower(), known, MOST_NAMES, 0.6))
