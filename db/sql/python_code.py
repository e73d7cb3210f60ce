"""A statement as a Python program that gives the same rows."""

from collections.abc import Mapping

from db.sql import parameters
from db.sql.arrangement import Arrangement


def program(
    sql: str,
    values: Mapping[str, parameters.Value],
    rows: int,
    arrangement: Arrangement,
) -> str:
    """A program for a notebook beside the store: it gives the table that a page shows, at most `rows` rows.

    >>> print(program("SELECT * FROM unit WHERE run_id = :run", {"run": "run-1"}, 10, Arrangement(("unit",))))
    from db import open_store
    <BLANKLINE>
    statement = 'SELECT * FROM unit WHERE run_id = :run'
    frame = open_store("store").sql(statement, rows=10, values={'run': 'run-1'})
    frame = frame[['unit']]
    """
    lines = sql.split("\n")
    text = repr(sql) if len(lines) == 1 else "(\n" + "".join(f"    {line!r}\n" for line in _ends(lines)) + ")"
    used = {name: values[name] for name in parameters.names(sql) if name in values}
    given = f", values={used!r}" if used else ""
    return "\n".join(
        [
            "from db import open_store\n",
            f"statement = {text}",
            f'frame = open_store("store").sql(statement, rows={rows}{given})',
            *arrangement.code(),
        ]
    )


def _ends(lines: list[str]) -> list[str]:
    """The lines, each but the last with its end."""
    return [*(f"{line}\n" for line in lines[:-1]), lines[-1]]
