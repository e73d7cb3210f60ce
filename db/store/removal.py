"""Runs put away or removed, each as a whole and with what stands on it.

The caller asks first: `standing_on` says what would go too.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, files, identity, publication, versions


def standing_on(layout: Layout, run_id: str) -> list[str]:
    """The runs that name this one as parent, and those that name them, and so on."""
    parents = {other: _parent(layout, other) for other in bundles.run_ids(layout)}
    found: list[str] = []
    waiting = [run_id]
    while waiting:
        children = [r for r, parent in parents.items() if parent == waiting[0] and r not in found]
        found += children
        waiting = waiting[1:] + children
    return found


def delete(layout: Layout, run_id: str) -> list[str]:
    """Remove a run and what stands on it for good; returns the runs removed. Damaged ones go too."""
    hidden = _take(layout, run_id, lambda name: layout.bundles / files.unique(f"{bundles.REMOVED}{name}"))
    for folder in hidden.values():
        for revision in folder.iterdir():
            with files.writing(f"The folder {folder}"):
                bundles.discard(revision) if revision.is_dir() else revision.unlink()
        with suppress(OSError):  # a backup still reads a revision; a later sweep removes the rest
            folder.rmdir()
    return list(hidden)


def archive(layout: Layout, run_id: str) -> list[str]:
    """Put a run and what stands on it away: no longer published, its bundles kept in archive/."""
    with files.writing("The archive"):
        layout.archive.mkdir(exist_ok=True)
    return list(_take(layout, run_id, lambda name: layout.archive / name))


def unarchive(layout: Layout, run_id: str) -> None:
    """Publish an archived run again. Raises StoreError when it is not in the archive."""
    folder = layout.archive / bundles.safe(run_id)
    if not folder.is_dir():
        raise StoreError(
            f"There is no run {run_id!r} in the archive; it has {', '.join(archived(layout)) or 'none'}."
        )
    identity.check(layout)
    with versions.committing(layout, store.WAIT_S), files.writing(f"The run {run_id}"):
        os.rename(folder, layout.bundles / run_id)
    store.publish(layout)


def archived(layout: Layout) -> list[str]:
    """The runs in the archive."""
    return sorted(p.name for p in layout.archive.iterdir()) if layout.archive.is_dir() else []


def _take(layout: Layout, run_id: str, target: Callable[[str], Path]) -> dict[str, Path]:
    """Move the runs out of the published ones, each in one step, and publish without them."""
    identity.check(layout)
    if not (layout.bundles / bundles.safe(run_id)).is_dir():
        if run_id not in publication.missing(layout, store.open(layout)):
            raise StoreError(f"There is no run {run_id!r} in {layout.root}.")
        layout.removals.mkdir(exist_ok=True)
        (layout.removals / run_id).touch()
        store.publish(layout)
        return {}
    taken = {name: target(name) for name in [run_id, *standing_on(layout, run_id)]}
    with versions.committing(layout, store.WAIT_S), files.writing(f"The run {run_id}"):
        layout.removals.mkdir(exist_ok=True)
        for name in reversed(taken):  # children first: no run is ever without the run that it is based on
            (layout.removals / name).touch()  # first the record: a kill between leaves a run, not a loss
            os.rename(layout.bundles / name, taken[name])
    store.publish(layout)
    return taken


def _parent(layout: Layout, run_id: str) -> str | None:
    try:
        return bundles.latest(layout, run_id).run.get("parent_run_id")
    except StoreError:
        return None
