"""What people write, and who wrote it when: notes, tags, ratings, saved queries, boards, models and more.

    space = workspace.open(layout)
    space.add("note", author="ada", run_id=run, layer="layer3", unit=17, text="hair, left side only")
    space.rows("note", run_id=run)

Kept in SQLite, which many programs may write at once; copied into DuckDB at each commit. Each change is kept
in the table `audit` with who made it, in the same transaction; what a person may not do is refused, and that
is kept too.
"""

import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from filelock import FileLock

from db import permissions
from db.errors import NotAllowedError, StoreError
from db.layout import Layout
from db.permissions import Person
from db.schema import workspace
from db.times import utc_now

log = logging.getLogger(__name__)

PATIENCE_S = 2.0  # that a person, or a commit, waits while another program writes
UPGRADE_S = 30.0  # that a program waits while another one brings the workspace up to date
# What a row replaces: the row that has the same of these.
_NAMED = {
    "saved_view": ("name",),
    "model": ("role", "name"),
    "rating": ("run_id", "layer", "unit", "author"),
}
# Rows whose name belongs to who wrote it first: the same of these is changed by its owner or an admin.
_OWNED = {"saved_view": ("name",), "model": ("role", "name"), "saved_query": ("name",)}
# What names a row in the audit: the first of these that it has.
_TITLES = ("name", "board", "view", "job_id", "run_id")
_DETAILS = ("title", "text", "tag", "mark", "answer", "description", "query")
_LONGEST = 200  # characters of a detail


@dataclass(frozen=True)
class Workspace:
    """The workspace of one store, as one person uses it.

    Every method raises StoreError when the file is damaged or read-only. Those that change something raise
    NotAllowedError when this person may not do it.
    """

    path: Path
    engine: sa.Engine
    person: Person = field(default_factory=permissions.operator)

    def add(self, table: str, author: str, **values: Any) -> int:
        """Write a row and return its number.

        A saved view of the same name is replaced, as are a model of the same role and name, and the author's
        rating of the same unit. A saved query gets the next version of its name.
        """
        kind = _kind(table, values)
        now = utc_now()
        row = {**values, "author": author, "created_at": now, "updated_at": now}
        owner = self._owner_of_name(table, values)
        self.allow("write", table, _thing(row), author)
        if owner is not None:
            self.allow("change", table, _thing(row), owner)
        with self._writing() as connection:
            if table in _NAMED:
                same = [kind.c[name] == row.get(name) for name in _NAMED[table]]
                connection.execute(sa.delete(kind).where(*same))
            told = self._audit("write", table, _thing(row), owner or author, _detail(row))
            if table == "saved_query":  # in one statement, so that two people never get the same number
                last = sa.select(sa.func.coalesce(sa.func.max(kind.c.version), 0))
                row["version"] = last.where(kind.c.name == values.get("name")).scalar_subquery() + 1
            added = connection.execute(sa.insert(kind).values(row))
            if table != "event":  # which says itself who did what
                connection.execute(told)
            return int(added.lastrowid)

    def _owner_of_name(self, table: str, values: Mapping[str, Any]) -> str | None:
        """Whose the name of a row is already; None where names of the table are nobody's, or it is new."""
        if table not in _OWNED:
            return None
        found = self.rows(table, **{name: values.get(name) for name in _OWNED[table]})
        return str(found["author"].iloc[0]) if len(found) else None

    def change(self, table: str, number: int, **values: Any) -> None:
        """Raises StoreError when there is no such row."""
        self.change_all(table, {number: values})

    def change_all(self, table: str, changes: Mapping[int, Mapping[str, Any]]) -> None:
        """Change several rows, or none of them. Raises StoreError when one is not there."""
        self._change(table, changes, changes)

    def arrange(self, table: str, places: Mapping[int, int], moved: int) -> None:
        """Give rows other places. Only the one that was moved must be this person's: others make room."""
        self._change(table, {number: {"place": place} for number, place in places.items()}, (moved,))

    def _change(self, table: str, changes: Mapping[int, Mapping[str, Any]], own: Collection[int]) -> None:
        kind, found = _kind(table, {}), {number: self._row(table, number) for number in changes}
        told = []
        for number, row in found.items():
            if row is None:
                raise StoreError(f"There is no {table} {number} any more; somebody removed it.")
            if number in own:
                owner, after = str(row["author"]), _detail({**row, **changes[number]})
                self.allow("change", table, _thing(row), owner)
                told.append(self._audit("change", table, _thing(row), owner, after))
        with self._writing() as connection:
            for number, values in changes.items():
                _kind(table, dict(values))
                changed = sa.update(kind).where(kind.c.id == number)
                connection.execute(changed.values(**values, updated_at=utc_now()))
            for each in told:
                connection.execute(each)

    def remove(self, table: str, number: int) -> None:
        """What is gone already is no error."""
        kind = _kind(table, {})
        if (row := self._row(table, number)) is None:
            return
        self.allow("remove", table, _thing(row), str(row["author"]))
        with self._writing() as connection:
            connection.execute(sa.delete(kind).where(kind.c.id == number))
            connection.execute(self._audit("remove", table, _thing(row), str(row["author"]), _detail(row)))

    def _row(self, table: str, number: int) -> dict[str, Any] | None:
        found = self.rows(table, id=number).astype(object)
        return None if found.empty else dict(found.where(found.notna(), None).iloc[0])

    def rows(self, table: str, **where: Any) -> pd.DataFrame:
        """The rows whose columns have the given values (None: NULL), oldest first."""
        kind = _kind(table, where)
        found = sa.select(kind).order_by(kind.c.id)
        for name, value in where.items():
            found = found.where(kind.c[name] == value)
        return self._read(found)

    def rename_run(self, author: str, run_id: str, title: str, owner: str = "") -> None:
        """Give the owner's run a title; an empty one takes its title away."""
        self.allow("rename", "run", run_id, owner)
        now = utc_now()
        row = {"run_id": run_id, "author": author, "created_at": now, "updated_at": now}
        with self._writing() as connection:
            connection.execute(sa.delete(workspace.run_title).where(workspace.run_title.c.run_id == run_id))
            if title:
                connection.execute(sa.insert(workspace.run_title).values(**row, title=title))
            connection.execute(sa.insert(workspace.event).values(**row, what="renamed", detail=title))
            connection.execute(self._audit("rename", "run", run_id, owner, title))

    def allow(self, action: str, kind: str, thing: str, owner: str) -> None:
        """Raise NotAllowedError where this person may not do that to what is the owner's, and keep it."""
        if refused := permissions.refusal(self.person, action, kind.replace("_", " "), owner):
            self.record(action, kind, thing, owner, refused=True)
            raise NotAllowedError(refused)

    def record(
        self, action: str, kind: str, thing: str, owner: str, detail: str = "", refused: bool = False
    ) -> None:
        """Keep in the audit what this person did, or was refused."""
        with self._writing() as connection:
            connection.execute(self._audit(action, kind, thing, owner, detail, refused))

    def _audit(
        self, action: str, kind: str, thing: str, owner: str, detail: str = "", refused: bool = False
    ) -> sa.Insert:
        return sa.insert(workspace.audit).values(
            at=utc_now(),
            who=self.person.name,
            origin=self.person.origin,
            action=action,
            kind=kind,
            thing=thing,
            owner=owner,
            detail=detail[:_LONGEST],
            refused=refused,
        )

    def audit(self, since: datetime | None = None, who: str | None = None, limit: int = 1000) -> pd.DataFrame:
        """Who did what to what, newest first: after a time (UTC), by one person, at most `limit` rows."""
        table = workspace.audit
        shown = [column for column in table.c if column is not table.c.id]
        found = sa.select(*shown).order_by(table.c.id.desc()).limit(limit)
        found = found if since is None else found.where(table.c.at >= since)
        return self._read(found if who is None else found.where(table.c.who == who))

    def containing(self, table: str, text: str, columns: Sequence[str]) -> pd.DataFrame:
        """The rows in which one of the columns contains the text, whatever the case of letters; newest first.

        No character of the text is a wildcard.
        """
        kind = _kind(table, dict.fromkeys(columns))
        here = (sa.func.instr(sa.func.lower(kind.c[name]), text.lower()) > 0 for name in columns)
        return self._read(sa.select(kind).where(sa.or_(*here)).order_by(kind.c.id.desc()))

    def _read(self, found: sa.Select[Any]) -> pd.DataFrame:
        with _speaking(self.path), self.engine.connect() as connection:
            result = connection.execute(found)
            return pd.DataFrame(result.fetchall(), columns=list(result.keys()))

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _speaking(self.path), self.engine.begin() as connection:
            yield connection

    def damage(self) -> str:
        """What SQLite finds wrong with the file; empty when it is sound."""
        try:
            with self.engine.connect() as connection:
                found = str(connection.exec_driver_sql("PRAGMA integrity_check").scalar())
        except sa.exc.DatabaseError as error:
            return str(error.orig)
        return "" if found == "ok" else found


def open(layout: Layout, person: Person | None = None) -> Workspace:
    """The store's workspace, made or brought up to date where needed.

    Without a person, it is used by who runs this program.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(layout.workspace)), connect_args={"timeout": PATIENCE_S}
    )
    with _speaking(layout.workspace):
        found = _revision(engine)
        if found != workspace.REVISION:
            _upgrade(layout, engine, workspace.REVISION)
    return Workspace(layout.workspace, engine, person or permissions.operator())


def allow(layout: Layout, person: Person, action: str, kind: str, thing: str, owner: str) -> None:
    """Raise NotAllowedError where a person may not do something outside the workspace, and keep it there."""
    if permissions.refusal(person, action, kind, owner):
        open(layout, person).allow(action, kind, thing, owner)


def record(
    layout: Layout, person: Person, action: str, kind: str, thing: str, owner: str = "", detail: str = ""
) -> None:
    """Keep what a person did outside the workspace. What is done stays done where that cannot be kept."""
    try:
        open(layout, person).record(action, kind, thing, owner, detail)
    except StoreError as error:
        log.warning("The audit lacks that %s did %s %s %s: %s", person.name, action, kind, thing, error)


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


def _thing(row: Mapping[str, Any]) -> str:
    """What a row is called in the audit."""
    return next((str(row[name]) for name in _TITLES if row.get(name)), "")


def _detail(row: Mapping[str, Any]) -> str:
    """What a row says, as the audit has it."""
    return next((str(row[name]) for name in _DETAILS if row.get(name)), "")


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
