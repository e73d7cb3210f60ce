"""A generator and a segmenter may have the same name."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TEXTS = (
    "name",
    "role",
    "family",
    "title",
    "weights_file",
    "weights_sha256",
    "settings",
    "licence",
    "author",
)


def upgrade() -> None:
    # SQLite cannot drop a constraint without a name, so the table is made again.
    op.rename_table("model", "model_before")
    op.create_table(
        "model",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text) for name in _TEXTS),
        sa.Column("created_at", sa.DateTime),
        sa.Column("updated_at", sa.DateTime),
        sa.UniqueConstraint("role", "name"),
    )
    columns = ", ".join(("id", *_TEXTS, "created_at", "updated_at"))
    op.execute(f"INSERT INTO model ({columns}) SELECT {columns} FROM model_before")
    op.drop_table("model_before")
