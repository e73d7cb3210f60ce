"""Ratings of names, names and events of runs, and notes about concepts, jobs and views."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _columns(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Integer, primary_key=True),
        *columns,
        sa.Column("author", sa.Text),
        sa.Column("created_at", sa.DateTime),
        sa.Column("updated_at", sa.DateTime),
    ]


def upgrade() -> None:
    for table in ("note", "tag", "mark"):
        for name in ("concept", "job_id", "view"):
            op.add_column(table, sa.Column(name, sa.Text))
    op.create_table(
        "rating",
        *_columns(
            *(sa.Column(name, sa.Text) for name in ("run_id", "layer")),
            sa.Column("unit", sa.BigInteger),
            sa.Column("shown", sa.Text),
            sa.Column("own", sa.Boolean),
            *(sa.Column(name, sa.Text) for name in ("answer", "better")),
            sa.Column("seed", sa.BigInteger),
        ),
        sa.UniqueConstraint("run_id", "layer", "unit", "author"),
    )
    op.create_table(
        "run_title",
        *_columns(sa.Column("run_id", sa.Text), sa.Column("title", sa.Text)),
        sa.UniqueConstraint("run_id"),
    )
    op.create_table("event", *_columns(*(sa.Column(name, sa.Text) for name in ("run_id", "what", "detail"))))
