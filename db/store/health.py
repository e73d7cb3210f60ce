"""Look after a store: what is wrong with it, what takes the disk, and what may go."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.schema import ddl, views
from db.store import bundles, files, identity, publication, versions
from db.store.snapshot import Snapshot, from_disk

EVICTABLE = ("labels", "renders")
_YOUNG_S = 600.0  # a file this young may still be in use by whoever wrote it


@dataclass
class Health:
    """What `check` found. Sound when there are no problems; each problem is a sentence with its remedy."""

    runs: int = 0
    bundles: int = 0
    rows: int = 0
    problems: list[str] = field(default_factory=list)


def check(layout: Layout) -> Health:
    """Read everything: every block of the published file, every byte of every bundle, the workspace."""
    health = Health()
    for examine in (_check_bundles, _check_version, _check_workspace):
        try:
            examine(layout, health)
        except StoreError as error:
            health.problems.append(str(error))
    return health


def _check_bundles(layout: Layout, health: Health) -> None:
    for run_id in bundles.run_ids(layout):
        for revision in bundles.revisions(layout, run_id):
            health.bundles += 1
            try:
                bundles.read(layout.bundles / run_id / str(revision)).verify()
            except StoreError as error:
                health.problems.append(str(error))


def _from_disk(layout: Layout) -> Snapshot:
    while True:
        version = store.open(layout).version
        try:
            return from_disk(layout, version)
        except FileNotFoundError:  # somebody published meanwhile
            continue


def _check_version(layout: Layout, health: Health) -> None:
    if versions.current(layout) is None:
        return
    snapshot = _from_disk(layout)
    published = publication.ranks(snapshot)
    health.runs = len(published)
    for table in (*ddl.metadata.sorted_tables, *views.metadata.sorted_tables):
        every: list[sa.ColumnElement[Any]] = [
            sa.func.count(),
            *(sa.func.max(sa.cast(c, sa.Text)) for c in table.c),
        ]
        health.rows += int(snapshot.read(sa.select(*every).select_from(table)).to_numpy()[0, 0])
    identity.check(layout)
    for run_id in publication.missing(layout, snapshot):
        health.problems.append(str(bundles.missing(layout, run_id)))
    if publication.waiting(layout, published):
        health.problems.append("Some bundles are not published yet; run `ganatomy store publish`.")


def _check_workspace(layout: Layout, health: Health) -> None:
    damage = workspace.open(layout).damage() if layout.workspace.exists() else ""
    if damage:
        health.problems.append(
            f"The workspace is damaged ({damage}); bring it back with `ganatomy store restore`."
        )


def usage(layout: Layout) -> dict[str, int]:
    """Bytes by kind: bundles, archive, trash, versions, labels, renders, models, logs, queue and more."""
    kinds = {folder.name: folder for folder in (*layout.folders, layout.archive, layout.trash)}
    kinds |= {"queue": layout.queue, "workspace": layout.workspace}
    return {name: files.size(path) for name, path in kinds.items() if path.exists()}


def evict(layout: Layout, kind: str, quota: int) -> int:
    """Remove label maps or renders, longest unused first, until at most `quota` bytes are left.

    Returns the bytes freed. Both can be made again on demand; whoever reads one now is not disturbed.
    """
    if kind not in EVICTABLE:
        raise StoreError(
            f"Only {' and '.join(EVICTABLE)} can be evicted, not {kind}; they can be made again."
        )
    found = sorted(_files(getattr(layout, kind)))
    left = total = sum(size for _, size, _ in found)
    for used, size, path in found:
        if left <= quota:
            break
        if time.time() - used > _YOUNG_S:
            path.unlink(missing_ok=True)
            left -= size
    return total - left


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Last use, size and path of each file."""
    for path in folder.rglob("*"):
        try:
            fact = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            yield max(fact.st_atime, fact.st_mtime), fact.st_size, path


def salvage(layout: Layout, run_id: str) -> Path:
    """Write a bundle from the rows that the published file has of a run whose bundle is missing.

    Pictures and counts are not in the file, so the new bundle has none.

    Raises:
        StoreError: the run is not published, or its bundle is there.
    """
    opened = store.open(layout)
    if run_id not in publication.missing(layout, opened):
        raise StoreError(
            f"The run {run_id!r} is not published without a bundle; there is nothing to salvage."
        )
    written = _salvage(layout, opened, run_id)
    store.publish(layout)
    return written


def salvage_all(layout: Layout) -> list[Path]:
    """Accept bundles/ as this store's own, and salvage every published run whose bundle is missing.

    Raises:
        StoreError: bundles/ has the marker of another store.
    """
    with versions.committing(layout, store.WAIT_S):
        if layout.marker.exists():
            identity.check(layout)
        identity.accept(layout)
    opened = store.open(layout)
    written = [_salvage(layout, opened, run_id) for run_id in publication.missing(layout, opened)]
    store.publish(layout)
    return written


def _salvage(layout: Layout, opened: Snapshot, run_id: str) -> Path:
    tables = {
        table.name: opened.read(table.select().where(table.c.run_id == run_id))
        for table in ddl.metadata.sorted_tables
        if "run_id" in table.c
    }
    (row,) = tables.pop("run").to_dict("records")
    known = {str(name): value for name, value in row.items() if value == value and value is not None}
    rows = {name: frame.drop(columns="run_id") for name, frame in tables.items() if len(frame)}
    return bundles.write(layout, known, rows)
