"""Publish bundles into the DuckDB file, and read it.

publish(layout)              every waiting bundle, in one commit
open(layout).read(select)    a data frame of what is published now
"""

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from db import workspace
from db.errors import StoreError
from db.layout import Layout
from db.schema import ddl, metadata
from db.schema import workspace as workspace_schema
from db.store import bundles, files, identity, snapshot, versions
from db.store.bundles import Bundle, Rank
from db.store.frames import conform
from db.store.old_names import renamed
from db.store.snapshot import Snapshot as Snapshot
from db.times import utc_now

log = logging.getLogger(__name__)

WAIT_S = 600.0  # a commit takes about a second; who waits this long waits for something else
# A page that resolved the older version may still read its pictures. It has no lease, because it reads one
# file now and another when somebody scrolls.
REVISION_GRACE_S = 120.0


@dataclass
class Plan:
    """What a commit has to do so that the file says what the bundles say."""

    source: Path | None
    insert: list[Bundle] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    problems: dict[str, StoreError] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)  # runs that the file must still hold afterwards
    carry: list[str] = field(default_factory=list)  # runs whose rows come from `previous`, not from a bundle
    previous: Path | None = None

    @property
    def idle(self) -> bool:
        return self.source is not None and not self.insert and not self.delete


def open(layout: Layout, make: bool = True) -> Snapshot:
    """What is published now. Resolve once per page run or question, then read all from the one snapshot.

    A file that another version of the program published is first made again from the bundles.

    Raises:
        StoreError: the published file is missing or damaged, or could not be made again. Without `make`, also
            where it would have to be made.
    """
    for _ in range(5):
        try:
            version = versions.current(layout) or _made(layout, make)
            opened = Snapshot(layout, version, snapshot.engine(layout, version))
        except FileNotFoundError:  # retired between resolving the link and opening: resolve again
            continue
        if opened.fingerprint == ddl.fingerprint():
            return opened
        log.warning(
            "Another version of Ganatomy published %s; it is made again from the bundles", layout.root
        )
        _made(layout, make)
    raise versions.damaged(layout, "its version is missing, or another version of Ganatomy publishes to it")


def _made(layout: Layout, make: bool) -> Path:
    _must_exist(layout)
    if not make:
        raise StoreError(
            f"The store {layout.root} has no published file of this version of Ganatomy; where it can be "
            "written, `ganatomy store publish` makes one."
        )
    return publish(layout)


def publish(layout: Layout, run_ids: Sequence[str] | None = None, wait: float = WAIT_S) -> Path:
    """Publish every waiting bundle in one commit and return the version; nothing waiting, nothing written.

    A damaged bundle is left out, and what was published of its run stays. Raises StoreError when that happens
    to one of `run_ids`, and when the store cannot be written.
    """
    _must_exist(layout)
    with versions.committing(layout, wait):
        plan = _plan(layout)
        _own(layout, plan)
        version = plan.source if plan.idle and plan.source else _commit(layout, plan)
    _report(plan, run_ids or ())
    return version


def rebuild(layout: Layout, wait: float = WAIT_S) -> Path:
    """Make the DuckDB file again from the bundles, whatever state it is in.

    Runs whose bundle is missing or damaged keep the rows that the present file still has of them.
    """
    _must_exist(layout)
    with versions.committing(layout, wait):
        plan = _whole_plan(layout, _readable(layout))
        _own(layout, plan)
        version = _commit(layout, plan)
    _report(plan)
    return version


def _own(layout: Layout, plan: Plan) -> None:
    """Give a store its id. One that an older program made needs a bundle of a published run to be there."""
    if identity.known(layout):
        return
    if plan.keep and not plan.keep & set(bundles.run_ids(layout)):
        raise StoreError(
            f"{layout.bundles} holds no bundle of any published run. Is its disk mounted? Nothing was "
            "written. If the bundles are lost, run `ganatomy store salvage --all`, which writes new ones."
        )
    identity.accept(layout)


def _report(plan: Plan, wanted: Sequence[str] = ()) -> None:
    for run_id, problem in plan.problems.items():
        if run_id in wanted:
            raise problem
        log.warning("%s is not published: %s", run_id, problem)


def _must_exist(layout: Layout) -> None:
    identity.check(layout)
    if not layout.versions.is_dir() or not layout.bundles.is_dir():
        raise StoreError(
            f"There is no store at {layout.root}; give its folder with --store, or `ganatomy demo` makes one."
        )


def _commit(layout: Layout, plan: Plan) -> Path:
    began = time.monotonic()
    try:
        version = versions.build(layout, plan.source, lambda connection: _apply(layout, connection, plan))
    finally:
        layout.rebuilding.unlink(missing_ok=True)
    _tell(layout.last_commit, {"seconds": time.monotonic() - began, "bytes": version.stat().st_size})
    for record in removals(layout):  # their rows are gone now, and a run of the same name may come back
        (layout.removals / record).unlink(missing_ok=True)
    versions.retire(layout)
    prune(layout, plan.problems)
    return version


def _tell(file: Path, values: dict[str, float]) -> None:
    """Write what others may want to know; a commit does not fail for it."""
    with suppress(OSError), files.replacing(file, durable=False) as aside:
        aside.write_text(json.dumps(values))


def _apply(layout: Layout, connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    if plan.source is None:
        ddl.create(connection)
    for run_id, name in product(plan.delete, (*_run_tables(), *ddl.kept_view_inserts())):
        connection.execute(f'DELETE FROM "{name}" WHERE run_id = ?', [run_id])
    for number, bundle in enumerate(plan.insert):
        if plan.source is None:  # the whole file is made, and people wait for it
            _tell(layout.rebuilding, {"done": number, "total": len(plan.insert)})
        _insert(connection, bundle)
    if plan.carry and plan.previous is not None:
        _carry(connection, plan.previous, plan.carry)
    brought = [*(bundle.run_id for bundle in plan.insert), *plan.carry]
    for statement, run_id in product(ddl.kept_view_inserts().values(), brought):
        connection.execute(statement, [run_id])
    held = {run_id for (run_id,) in connection.execute("SELECT run_id FROM run").fetchall()}
    if lost := sorted(plan.keep - held):
        raise StoreError(
            f"This commit would drop {', '.join(lost)}, which nobody deleted or archived; nothing was "
            "published. Bring their bundles back from a backup, or remove them with `ganatomy store delete`."
        )
    _join_workspace(layout, connection)
    connection.execute("UPDATE store_info SET published_at = ?", [utc_now()])


def _insert(connection: duckdb.DuckDBPyConnection, bundle: Bundle) -> None:
    for name in (n for n in bundle.names("tables") if n in metadata.tables):
        _load(connection, name, bundle.arrow(name))


def _carry(connection: duckdb.DuckDBPyConnection, previous: Path, run_ids: Sequence[str]) -> None:
    """Copy the rows of some runs from an earlier version, column by column where both schemas have it.

    Where that version is older than names by lift, they are named as a bundle of format 1 is.
    """
    with duckdb.connect(str(previous), read_only=True) as old:
        there = {name for (name,) in old.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        columns = old.execute("SELECT column_name FROM (DESCRIBE unit_concept)").fetchall()
        by_lift = ("calibration_lift",) in columns

        def read(run_id: str, name: str) -> Any:
            return old.execute(f'SELECT * FROM "{name}" WHERE run_id = ?', [run_id]).to_arrow_table()

        for run_id, name in product(run_ids, (n for n in _run_tables() if n in there)):
            try:
                table = read(run_id, name) if by_lift else renamed(name, partial(read, run_id))
            except duckdb.Error as error:  # a damaged block must not keep the sound rows from being published
                log.warning("Rows of table %s could not be read from %s: %s", name, previous.name, error)
                continue
            known = [c for c in table.column_names if c in metadata.tables[name].c]
            _load(connection, name, table.select(known))


def _join_workspace(layout: Layout, connection: duckdb.DuckDBPyConnection) -> None:
    """Copy what people wrote. A workspace that cannot be read keeps no result back: its last copy stays."""
    if not layout.workspace.exists():
        return
    try:
        space = workspace.open(layout)
        rows = {name: conform(t, space.rows(name)) for name, t in workspace_schema.joined.tables.items()}
    except StoreError as error:
        log.warning("The workspace is not joined: %s", error)
        return
    for name, table in rows.items():
        connection.execute(f'DELETE FROM "{name}"')
        _load(connection, name, table)


def _load(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("incoming", rows)
    connection.execute(f'INSERT INTO "{name}" BY NAME SELECT * FROM incoming')
    connection.unregister("incoming")


def _run_tables() -> list[str]:
    return [t.name for t in metadata.sorted_tables if "run_id" in t.c]


def _plan(layout: Layout) -> Plan:
    source = versions.current(layout)
    published = None if source is None else _published(layout, source)
    if published is None:
        return _whole_plan(layout, source)
    plan = Plan(source)
    for run_id in waiting(layout, published):
        _admit(layout, run_id, plan)
    changed = [b.run_id for b in plan.insert if b.run_id in published]
    # A bundle that is missing is no removal: its folder may be on a disk that is not mounted. Only a run that
    # somebody deleted or archived loses its rows.
    gone = (set(published) - set(bundles.run_ids(layout))) & set(removals(layout))
    plan.delete, plan.keep = changed + sorted(gone), set(published) - gone
    return plan


def waiting(layout: Layout, published: Mapping[str, Rank]) -> list[str]:
    """Runs whose newest bundle is not what the file shows. A provisional one replaces no final rows."""
    found = []
    for run_id in bundles.run_ids(layout):
        shown, newest = published.get(run_id), bundles.revisions(layout, run_id)[-1]
        if shown == (True, newest):
            continue
        rank = bundles.rank_of(layout.bundles / run_id / str(newest))
        if rank != shown and not (shown and shown[0] > rank[0]):
            found.append(run_id)
    return found


def _whole_plan(layout: Layout, previous: Path | None) -> Plan:
    plan = Plan(None, previous=previous)
    for run_id in bundles.run_ids(layout):
        _admit(layout, run_id, plan)
    if previous is not None:
        published = snapshot.from_disk(layout, previous).read(sa.text("SELECT run_id FROM run")).run_id
        admitted = {bundle.run_id for bundle in plan.insert}
        plan.keep = set(published) - set(removals(layout))
        plan.carry = sorted(plan.keep - admitted)
    return plan


def _readable(layout: Layout) -> Path | None:
    """The present version, or None when it cannot be read."""
    try:
        version = versions.current(layout)
        if version is not None:
            snapshot.from_disk(layout, version).read(sa.text("SELECT run_id FROM run"))
        return version
    except (StoreError, duckdb.Error, sa.exc.DBAPIError):
        return None


def removals(layout: Layout) -> list[str]:
    """Runs that somebody deleted or archived and whose rows no commit has taken out yet."""
    return sorted(p.name for p in layout.removals.iterdir()) if layout.removals.is_dir() else []


def missing(layout: Layout, opened: Snapshot) -> list[str]:
    """Published runs whose bundle is not there: their rows are still in the file, and only there."""
    published = opened.read(metadata.tables["run"].select()).run_id
    return sorted(set(published) - set(bundles.run_ids(layout)) - set(removals(layout)))


def _admit(layout: Layout, run_id: str, plan: Plan) -> None:
    """Take the run's newest bundle into the plan if it is sound."""
    try:
        bundle = bundles.latest(layout, run_id)
        bundle.verify(("run.json", "tables"))
        plan.insert.append(bundle)
    except StoreError as error:
        plan.problems[run_id] = error


def _published(layout: Layout, source: Path) -> dict[str, Rank] | None:
    """Run and rank of what the version holds; None when its schema is another one."""
    opened = Snapshot(layout, source, snapshot.engine(layout, source))
    return ranks(opened) if opened.fingerprint == ddl.fingerprint() else None


def ranks(opened: Snapshot) -> dict[str, Rank]:
    """The rank of the rows of each published run."""
    rows = opened.read(metadata.tables["run"].select())
    columns = zip(rows.run_id, rows.state, rows.revision, strict=True)
    return {str(run_id): bundles.rank(state, int(revision)) for run_id, state, revision in columns}


def prune(layout: Layout, unpublished: Collection[str] = ()) -> None:
    """Remove leftovers of killed programs, and replaced revisions that no page can still be reading.

    The newest bundle of a run in `unpublished` is damaged, so its older ones stay.
    """
    bundles.sweep(layout)
    for run_id in set(bundles.run_ids(layout)) - set(unpublished):
        for old in bundles.revisions(layout, run_id)[:-1]:
            folder = layout.bundles / run_id / str(old)
            newer = layout.bundles / run_id / str(bundles.revisions(layout, run_id)[-1])
            if time.time() - (newer / bundles.MANIFEST).stat().st_mtime > REVISION_GRACE_S:
                bundles.discard(folder)
