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
        table = views.metadata.tables[name]
        if name in views.kept:
            made += [_compiled(CreateTable(table)), *_comments(table)]
        else:
            made += [_compiled(CreateView(select, name)), *_comments(table, "VIEW")]
    return tuple(made)


@cache
def kept_view_inserts() -> dict[str, str]:
    """The statement that fills each kept view for one run, its only parameter."""
    return {
        name: f"INSERT INTO {name} BY NAME {_compiled(_of_one_run(name, rows))}"
        for name, rows in views.kept.items()
    }


def _of_one_run(name: str, rows: sa.Table) -> sa.Select[Any]:
    return views.definitions[name].where(rows.c.run_id == sa.literal_column("?"))


@cache
def fingerprint() -> str:
    """Changes whenever the schema does: a version with another fingerprint is made again from the bundles."""
    said = (*statements(), *kept_view_inserts().values())
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


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
