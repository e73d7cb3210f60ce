"""Versions, tags and settings of saved queries; boards."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _columns(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Integer, primary_key=True),
        *columns,
        sa.Column("author", sa.Text),
        sa.Column("created_at", sa.DateTime),
        sa.Column("updated_at", sa.DateTime),
    ]


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text) for name in names]


def upgrade() -> None:
    # SQLite cannot drop a constraint without a name, so the table is made again.
    op.rename_table("saved_query", "saved_query_before")
    op.create_table(
        "saved_query",
        *_columns(
            *_texts("name"),
            sa.Column("version", sa.BigInteger),
            *_texts("sql", "description", "tags", "address"),
            sa.Column("removed", sa.Boolean),
        ),
        sa.UniqueConstraint("name", "version"),
    )
    kept = "id, name, sql, description, author, created_at, updated_at"
    op.execute(
        f"INSERT INTO saved_query ({kept}, version, tags, address, removed) "
        f"SELECT {kept}, 1, '', '', 0 FROM saved_query_before"
    )
    op.drop_table("saved_query_before")
    op.create_table(
        "board_entry",
        *_columns(
            *_texts("board"),
            sa.Column("place", sa.BigInteger),
            *_texts("title", "text", "query"),
            sa.Column("version", sa.BigInteger),
            *_texts("address"),
        ),
    )
