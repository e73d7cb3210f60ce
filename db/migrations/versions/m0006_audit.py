"""The audit: who did what to what, and when. Rows are only ever added."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    texts = ("who", "origin", "action", "kind", "thing", "owner", "detail")
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime),
        *(sa.Column(name, sa.Text) for name in texts),
        sa.Column("refused", sa.Boolean),
    )
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'rows of the audit stay as they are'); END"
        )
