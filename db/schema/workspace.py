"""What people write: tables in workspace.sqlite, copied into DuckDB at each commit so that SQL can join them.

Changed by Alembic (db/migrations), because unlike results it cannot be made again.
"""

from typing import Any

import sqlalchemy as sa

from db.schema.base import moment, text, whole

metadata = sa.MetaData()
joined = sa.MetaData()  # the same tables as DuckDB has them: no keys

REVISION = "0002"  # the newest migration


def _table(name: str, comment: str, *columns: sa.Column[Any]) -> sa.Table:
    number: sa.types.TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    own = (
        sa.Column("id", number, primary_key=True, comment="Number of the row."),
        *columns,
        text("author", "Who wrote it."),
        moment("created_at", "When it was written, UTC."),
        moment("updated_at", "When it was last changed, UTC."),
    )
    plain = [sa.Column(c.name, sa.BigInteger() if c.name == "id" else c.type, comment=c.comment) for c in own]
    sa.Table(name, joined, *plain, comment=comment)
    return sa.Table(name, metadata, *own, comment=comment)


def _subject() -> tuple[sa.Column[Any], ...]:
    return (
        text("run_id", "The run that it is about; NULL: about none."),
        text("layer", "The layer that it is about; NULL: the whole run."),
        whole("unit", "The unit that it is about; NULL: the whole layer."),
    )


note = _table("note", "Notes on runs, layers and units.", *_subject(), text("text", "The note."))
tag = _table("tag", "Tags on runs, layers and units.", *_subject(), text("tag", "The tag."))
mark = _table(
    "mark",
    "Units and images that somebody marked.",
    *_subject(),
    whole("latent", "The image's latent, where an image is marked."),
    text("mark", "What it is marked as: artifact, wrong name, interesting, ..."),
)
saved_query = _table(
    "saved_query",
    "SQL that somebody keeps.",
    text("name", "Its name; unique."),
    text("sql", "The statement."),
    text("description", "What it answers."),
)
saved_view = _table(
    "saved_view",
    "Pages as somebody keeps them.",
    text("name", "Its name; unique."),
    text("page", "The page."),
    text("address", "The page's state: the part of its address after the question mark."),
)
model = _table(
    "model",
    "Generators and segmenters that somebody registered.",
    text("name", "Its name; unique."),
    text("role", "generator or segmenter."),
    text("family", "The architecture's family, which knows how to build it."),
    text("title", "Its name for people."),
    text("weights_file", "Its file in models/."),
    text("weights_sha256", "SHA-256 of the weights."),
    text("settings", "What the family needs to know to build it, as JSON."),
    text("licence", "Licence of the weights."),
)
