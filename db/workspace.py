"""What people write, and who wrote it when: notes, tags, ratings, saved queries, boards, models and more.

    space = workspace.open(layout)
    space.add("note", author="ada", run_id=run, layer="layer3", unit=17, text="hair, left side only")
    space.rows("note", run_id=run)

Kept in SQLite, which many programs may write at once; copied into DuckDB at each commit.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from filelock import FileLock

from db.errors import StoreError
from db.layout import Layout
from db.schema import workspace
from db.times import utc_now

PATIENCE_S = 2.0  # that a person, or a commit, waits while another program writes
UPGRADE_S = 30.0  # that a program waits while another one brings the workspace up to date
# What a row replaces: the row that has the same of these.
_NAMED = {
    "saved_view": ("name",),
    "model": ("role", "name"),
    "run_title": ("run_id",),
    "rating": ("run_id", "layer", "unit", "author"),
}


@dataclass(frozen=True)
class Workspace:
    """The workspace of one store. Every method raises StoreError when the file is damaged or read-only."""

    path: Path
    engine: sa.Engine

    def add(self, table: str, author: str, **values: Any) -> int:
        """Write a row and return its number.

        A saved view of the same name is replaced, as is a model of the same role and name, the title of the
        same run, and the author's rating of the same unit. A saved query gets the next version of its name.
        """
        kind = _kind(table, values)
        now = utc_now()
        with _speaking(self.path), self.engine.begin() as connection:
            if table in _NAMED:
                known = {**values, "author": author}
                same = [kind.c[name] == known.get(name) for name in _NAMED[table]]
                connection.execute(sa.delete(kind).where(*same))
            row = {**values, "author": author, "created_at": now, "updated_at": now}
            if table == "saved_query":  # in one statement, so that two people never get the same number
                last = sa.select(sa.func.coalesce(sa.func.max(kind.c.version), 0))
                row["version"] = last.where(kind.c.name == values.get("name")).scalar_subquery() + 1
            added = connection.execute(sa.insert(kind).values(row))
            return int(added.lastrowid)

    def change(self, table: str, number: int, **values: Any) -> None:
        """Raises StoreError when there is no such row."""
        kind = _kind(table, values)
        with _speaking(self.path), self.engine.begin() as connection:
            changed = sa.update(kind).where(kind.c.id == number).values(**values, updated_at=utc_now())
            if connection.execute(changed).rowcount == 0:
                raise StoreError(f"There is no {table} {number} any more; somebody removed it.")

    def remove(self, table: str, number: int) -> None:
        """What is gone already is no error."""
        kind = _kind(table, {})
        with _speaking(self.path), self.engine.begin() as connection:
            connection.execute(sa.delete(kind).where(kind.c.id == number))

    def rows(self, table: str, **where: Any) -> pd.DataFrame:
        """The rows whose columns have the given values (None: NULL), oldest first."""
        kind = _kind(table, where)
        found = sa.select(kind).order_by(kind.c.id)
        for name, value in where.items():
            found = found.where(kind.c[name] == value)
        with _speaking(self.path), self.engine.connect() as connection:
            result = connection.execute(found)
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))

    def rename_run(self, author: str, run_id: str, title: str) -> None:
        """Give a run a title; an empty one takes its title away."""
        for number in self.rows("run_title", run_id=run_id)["id"]:
            self.remove("run_title", int(number))
        if title:
            self.add("run_title", author, run_id=run_id, title=title)
        self.add("event", author, run_id=run_id, what="renamed", detail=title)

    def containing(self, table: str, text: str, columns: Sequence[str]) -> pd.DataFrame:
        """The rows in which one of the columns contains the text, whatever the case of letters; newest first.

        No character of the text is a wildcard.
        """
        kind = _kind(table, dict.fromkeys(columns))
        here = (sa.func.instr(sa.func.lower(kind.c[name]), text.lower()) > 0 for name in columns)
        found = sa.select(kind).where(sa.or_(*here)).order_by(kind.c.id.desc())
        with _speaking(self.path), self.engine.connect() as connection:
            result = connection.execute(found)
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))

    def damage(self) -> str:
        """What SQLite finds wrong with the file; empty when it is sound."""
        try:
            with self.engine.connect() as connection:
                found = str(connection.exec_driver_sql("PRAGMA integrity_check").scalar())
        except sa.exc.DatabaseError as error:
            return str(error.orig)
        return "" if found == "ok" else found


def open(layout: Layout) -> Workspace:
    """The store's workspace, made or brought up to date where needed."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(layout.workspace)), connect_args={"timeout": PATIENCE_S}
    )
    with _speaking(layout.workspace):
        found = _revision(engine)
        if found != workspace.REVISION:
            _upgrade(layout, engine, workspace.REVISION)
    return Workspace(layout.workspace, engine)


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(layout: Layout, engine: sa.Engine, target: str) -> None:
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with FileLock(layout.root / "workspace.lock", timeout=UPGRADE_S), engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, target)
        except CommandError as error:
            raise StoreError(
                f"The workspace {layout.workspace} was written by a newer Ganatomy; update this one."
            ) from error


def _kind(table: str, values: dict[str, Any]) -> sa.Table:
    kind = workspace.metadata.tables[table]
    unknown = sorted(set(values) - set(kind.c.keys()))
    if unknown:
        raise StoreError(f"A {table} has no {unknown[0]!r}; it has {', '.join(kind.c.keys())}.")
    return kind


@contextmanager
def _speaking(path: Path) -> Iterator[None]:
    try:
        yield
    except (sa.exc.DatabaseError, sqlite3.DatabaseError, OSError) as error:
        why = getattr(error, "orig", error)
        if "is locked" in str(why):
            raise StoreError(
                f"Another program has been writing to the workspace {path} for more than {PATIENCE_S:g} s; "
                "nothing was changed. Try again, and end that program if this stays so."
            ) from error
        raise StoreError(
            f"The workspace {path} cannot be used ({why}); check its permissions and the disk's free space, "
            "or bring it back with `ganatomy store restore`."
        ) from error
