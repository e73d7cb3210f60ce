"""The data dictionary: every table, view and column with its description.

`python -m db.schema` prints docs/schema.md; a test keeps that file up to date.
"""

import pandas as pd
import sqlalchemy as sa

from db.schema import metadata, views, workspace

_TYPES = {
    sa.Text: "text",
    sa.BigInteger: "integer",
    sa.Double: "real",
    sa.Boolean: "boolean",
    sa.DateTime: "time",
}
_HEAD = """# Tables and views of the store

Generated from the modules of `db/schema/` by `python -m db.schema > docs/schema.md`.
All tables and views are in `current.duckdb`. Times are UTC without a zone.
"""


def kinds() -> dict[str, dict[str, sa.Table]]:
    """Every table by its kind: results, views, workspace."""
    return {
        "results": dict(metadata.tables),
        "views": dict(views.metadata.tables),
        "workspace": dict(workspace.joined.tables),
    }


def tables() -> dict[str, sa.Table]:
    """Every table and view by its name."""
    return {name: table for kind in kinds().values() for name, table in kind.items()}


_KEYS = ("run_id", "layer", "unit", "concept")


def joins(name: str) -> dict[tuple[str, ...], list[str]]:
    """The tables that a table is joined with, by the columns that both have, most columns first.

    >>> "unit" in joins("layer")["run_id", "layer"]
    True
    """
    own = tables()[name].columns
    found: dict[tuple[str, ...], list[str]] = {}
    for other, table in tables().items():
        shared = tuple(key for key in _KEYS if key in own and key in table.columns)
        if other != name and "run_id" in shared:
            found.setdefault(shared, []).append(other)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


# The tables that have one row for each run, layer, concept and unit, by which columns.
_OWNERS = {
    "run": {"run_id"},
    "layer": {"run_id", "layer"},
    "concept": {"run_id", "concept"},
    "unit": {"run_id", "layer", "unit"},
}


def references(name: str) -> dict[str, tuple[str, ...]]:
    """The tables to which a table's rows point, and by which columns; not those that others of them point to.

    >>> references("unit_concept")
    {'concept': ('run_id', 'concept'), 'unit': ('run_id', 'layer', 'unit')}
    >>> references("saved_query")
    {}
    """
    own = set(tables()[name].columns.keys())
    reach = {other: keys for other, keys in _OWNERS.items() if other != name and keys <= own}
    nearest = {
        other for other, keys in reach.items() if not any(keys < further for further in reach.values())
    }
    return {other: tuple(key for key in _KEYS if key in _OWNERS[other]) for other in sorted(nearest)}


def pointing(name: str) -> list[str]:
    """The tables whose rows point to a table.

    >>> "unit_image" in pointing("unit"), "unit_image" in pointing("layer")
    (True, False)
    """
    return [other for other in tables() if name in references(other)]


def describe() -> pd.DataFrame:
    """One row per column: kind, table, column, type, description, table_description."""
    rows = [
        (kind, table.name, c.name, type_name(c), c.comment, table.comment)
        for kind, tables in kinds().items()
        for table in tables.values()
        for c in table.columns
    ]
    return pd.DataFrame(rows, columns=["kind", "table", "column", "type", "description", "table_description"])


def type_name(column: "sa.Column[object]") -> str:
    return next(name for kind, name in _TYPES.items() if isinstance(column.type, kind))


def markdown() -> str:
    """The text of docs/schema.md."""
    parts = [_HEAD]
    for kind, tables in kinds().items():
        parts.append(f"\n## {kind.capitalize()}\n")
        parts += [_section(table) for table in tables.values()]
    return "".join(parts)


def _section(table: sa.Table) -> str:
    rows = "".join(f"| {c.name} | {type_name(c)} | {c.comment} |\n" for c in table.columns)
    head = "| column | type | what it holds |\n| --- | --- | --- |\n"
    return f"\n### {table.name}\n{table.comment}\n\n{head}{rows}"
