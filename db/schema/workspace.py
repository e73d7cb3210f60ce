"""What people write: tables in workspace.sqlite, copied into DuckDB at each commit so that SQL can join them.

Changed by Alembic (db/migrations), because unlike results it cannot be made again.
"""

from typing import Any

import sqlalchemy as sa

from db.permissions import ORIGINS
from db.schema.base import moment, text, truth, whole

metadata = sa.MetaData()
joined = sa.MetaData()  # the same tables as DuckDB has them: no keys

REVISION = "0006"  # the newest migration


ANSWERS = ("no", "partly", "yes")  # from the worst to the best
EVENTS = ("archived", "deleted", "restored", "renamed", "emptied")


def _number() -> sa.Column[int]:
    kind: sa.types.TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, comment="Number of the row.")


def _table(name: str, comment: str, *columns: sa.Column[Any]) -> sa.Table:
    own = (
        _number(),
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
        text("concept", "The concept that it is about; NULL: none in particular."),
        text("job_id", "The job that it is about; NULL: none."),
        text("view", "The page that it is about, as page?address; NULL: none in particular."),
    )


note = _table(
    "note", "Notes on runs and what is in them, jobs and views.", *_subject(), text("text", "The note.")
)
tag = _table("tag", "Tags on runs and what is in them, jobs and views.", *_subject(), text("tag", "The tag."))
mark = _table(
    "mark",
    "Units and images that somebody marked, and stars on anything.",
    *_subject(),
    whole("latent", "The image's latent, where an image is marked."),
    text("mark", "What it is marked as: artifact, wrong name, interesting, ..."),
)
rating = _table(
    "rating",
    "What people say of a unit's name, or of a random one, without knowing which they saw.",
    text("run_id", "The dissection that named the unit."),
    text("layer", "The unit's layer."),
    whole("unit", "The unit."),
    text("shown", "The name that was shown."),
    truth("own", "Whether that is the unit's own name; else it is a random one."),
    text("answer", "Whether the name fits.", values=ANSWERS),
    text("better", "The name that the rater would give; NULL for none."),
    whole("seed", "The seed that chose the units with a random name."),
)
run_title = _table(
    "run_title",
    "Titles that people gave to runs.",
    text("run_id", "The run; unique."),
    text("title", "Its title."),
)
event = _table(
    "event",
    "Who archived, deleted, brought back or renamed a run, and when.",
    text("run_id", "The run."),
    text("what", "What was done.", values=EVENTS),
    text("detail", "The new title of a renamed run."),
)
saved_query = _table(
    "saved_query",
    "SQL that somebody keeps: each change is a version, and none replaces another.",
    text("name", "Its name."),
    whole("version", "1 is the first; unique among those of a name."),
    text("sql", "The statement."),
    text("description", "What it answers."),
    text("tags", "Its tags, with commas between them."),
    text("address", "How the SQL page shows it (values of parameters, chart), as in an address."),
    truth("removed", "Whether this version takes the query off the lists."),
)
board_entry = _table(
    "board_entry",
    "What stands on boards: results of saved queries, and notes.",
    text("board", "The board's name."),
    whole("place", "Its place on the board, from the top."),
    text("title", "Its title."),
    text("text", "The note; NULL for a result."),
    text("query", "The saved query whose result it is; NULL for a note."),
    whole("version", "That query's version; NULL for a note."),
    text("address", "How the result is shown, as in saved_query; NULL for a note."),
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
    text("name", "Its name; unique among those of its role."),
    text("role", "generator or segmenter."),
    text("family", "The architecture's family, which knows how to build it."),
    text("title", "Its name for people."),
    text("weights_file", "Its file in models/."),
    text("weights_sha256", "SHA-256 of the weights."),
    text("settings", "How it was added, as JSON: its key in the file, if one was named."),
    text("licence", "Licence of the weights."),
)
# Not joined: SQL is for everybody, and this is for admins. Triggers keep its rows as they are.
audit = sa.Table(
    "audit",
    metadata,
    _number(),
    moment("at", "When, UTC."),
    text("who", "Who did it, or was refused."),
    text("origin", "Where that name comes from.", values=ORIGINS),
    text("action", "What was done: submit, cancel, retry, write, change, remove, ..."),
    text("kind", "What it was done to: job, schedule, run, note, ..."),
    text("thing", "Its id or name."),
    text("owner", "Whose it was."),
    text("detail", "What it was or became, in a few words."),
    truth("refused", "Whether it was refused, so that nothing was done."),
    comment="Who did what to what, and when.",
)
