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
