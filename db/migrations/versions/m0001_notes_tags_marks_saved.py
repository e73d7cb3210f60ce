"""Notes, tags, marks, saved queries and saved views."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _columns(*texts: str, whole: tuple[str, ...] = ()) -> list[sa.Column[object]]:
    made: list[sa.Column[object]] = [sa.Column("id", sa.Integer, primary_key=True)]
    made += [sa.Column(name, sa.Text) for name in texts]
    made += [sa.Column(name, sa.BigInteger) for name in whole]
    made += [sa.Column("author", sa.Text)]
    made += [sa.Column(name, sa.DateTime) for name in ("created_at", "updated_at")]
    return made


def upgrade() -> None:
    op.create_table("note", *_columns("run_id", "layer", "text", whole=("unit",)))
    op.create_table("tag", *_columns("run_id", "layer", "tag", whole=("unit",)))
    op.create_table("mark", *_columns("run_id", "layer", "mark", whole=("unit", "latent")))
    op.create_table("saved_query", *_columns("name", "sql", "description"), sa.UniqueConstraint("name"))
    op.create_table("saved_view", *_columns("name", "page", "address"), sa.UniqueConstraint("name"))
