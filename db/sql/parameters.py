"""Named parameters of a statement, written `:run` or `:concept`: which there are, and how they are bound.

No value ever becomes part of the statement's text. The sandbox sets a DuckDB variable for each, and the
statement reads the variable.
"""

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass

Value = str | int | float | None

# What is no parameter: text, quoted names, comments, and the cast `::`. A slice [a:b] and a struct {'a':b}
# have a character before their colon that a parameter never has.
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|::"
    r"|(?<![\w\])}'\"]):(?P<name>[A-Za-z_]\w*)",
    re.DOTALL,
)


def names(sql: str) -> list[str]:
    """The parameters of a statement, in the order of their first use.

    >>> names("SELECT ':no', x::INT FROM unit WHERE run_id = :run AND layer = :layer OR :run IS NULL")
    ['run', 'layer']
    """
    return list(dict.fromkeys(found["name"] for found in _TOKEN.finditer(sql) if found["name"]))


@dataclass(frozen=True)
class Bound:
    """A statement that reads variables, and where its text stands in the text that somebody wrote."""

    sql: str
    _starts: tuple[int, ...] = (0,)
    _shifts: tuple[int, ...] = (0,)

    def written(self, position: int) -> int:
        """The place in the written text of a place in this one.

        >>> found = bound("SELECT :a, x", {"a"})
        >>> found.sql, found.written(found.sql.index("x"))
        ("SELECT getvariable('a'), x", 11)
        """
        return position + self._shifts[bisect_right(self._starts, position) - 1]


def bound(sql: str, known: Collection[str]) -> Bound:
    """The statement with `getvariable('run')` in the place of each known parameter `:run`."""
    parts, starts, shifts = [], [0], [0]
    end, length = 0, 0
    for found in _TOKEN.finditer(sql):
        if found["name"] in known:
            own = f"getvariable('{found['name']}')"
            length += found.start() - end
            parts += [sql[end : found.start()], own]
            length, end = length + len(own), found.end()
            starts.append(length)
            shifts.append(end - length)
    return Bound("".join([*parts, sql[end:]]), tuple(starts), tuple(shifts))
