"""The statements that make an empty version: tables, views, and a comment for each of their columns."""

import hashlib
from functools import cache
from typing import Any

import duckdb
import sqlalchemy as sa
from duckdb_sqlalchemy import Dialect
from sqlalchemy.schema import CreateTable, CreateView

from db.schema import metadata, views, workspace


@cache
def statements() -> tuple[str, ...]:
    """Every statement, in order."""
    tables = (*metadata.sorted_tables, *workspace.joined.sorted_tables)
    made = [s for table in tables for s in (_compiled(CreateTable(table)), *_comments(table))]
    for name, select in views.definitions.items():
        made += [_compiled(CreateView(select, name)), *_comments(views.metadata.tables[name], "VIEW")]
    return tuple(made)


@cache
def fingerprint() -> str:
    """Changes whenever the schema does: a version with another fingerprint is made again from the bundles."""
    return hashlib.sha256("\n".join(statements()).encode()).hexdigest()[:16]


def create(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in statements():
        connection.execute(statement)
    connection.execute("INSERT INTO store_info VALUES (?, NULL)", [fingerprint()])


def _compiled(element: Any) -> str:
    return str(element.compile(dialect=Dialect())).strip()


def _comments(table: sa.Table, kind: str = "TABLE") -> list[str]:
    about = [f"COMMENT ON {kind} {table.name} IS {_quoted(table.comment)}"]
    return about + [f"COMMENT ON COLUMN {table.name}.{c.name} IS {_quoted(c.comment)}" for c in table.columns]


def _quoted(text: str | None) -> str:
    return "'" + (text or "").replace("'", "''") + "'"
