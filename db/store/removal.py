"""Runs put away or removed, each as a whole and with what stands on it, and brought back.

The caller asks first: `standing_on` says what would go too. `archive/` and `trash/` hold whole bundles, so
that both can be undone; only `empty` and `delete` remove anything for good.

`person` is who asks, by default who runs this program. Each run must be that person's, unless an admin asks;
else NotAllowedError is raised and nothing is moved. The workspace keeps who did it.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from db import permissions, store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
from db.store import bundles, files, identity, publication, versions

# The event of a run, by the action. What `delete` removes leaves none.
_EVENTS = {"archive": "archived", "delete": "deleted", "restore": "restored", "empty": "emptied"}


def standing_on(layout: Layout, run_id: str) -> list[str]:
    """The runs that name this one as parent, and those that name them, and so on."""
    return descendants({other: _parent(layout, other) for other in bundles.run_ids(layout)}, run_id)


def descendants(parents: Mapping[str, str | None], run_id: str) -> list[str]:
    """The runs below one of them, nearest first; `parents` has the parent of each run.

    >>> descendants({"a": None, "b": "a", "c": "b", "d": None}, "a")
    ['b', 'c']
    """
    found: list[str] = []
    waiting = [run_id]
    while waiting:
        children = [r for r, parent in parents.items() if parent == waiting[0] and r not in found]
        found += children
        waiting = waiting[1:] + children
    return found


def delete(layout: Layout, run_id: str, person: Person | None = None) -> list[str]:
    """Remove a run and what stands on it for good; returns the runs removed. Damaged ones go too."""

    def aside(name: str) -> Path:
        return layout.bundles / files.unique(f"{bundles.REMOVED}{name}")

    hidden = _take(layout, person, "erase", run_id, aside)
    for folder in hidden.values():
        for revision in folder.iterdir():
            with files.writing(f"The folder {folder}"):
                bundles.discard(revision) if revision.is_dir() else revision.unlink()
        with suppress(OSError):  # a backup still reads a revision; a later sweep removes the rest
            folder.rmdir()
    return list(hidden)


def archive(layout: Layout, run_id: str, person: Person | None = None) -> list[str]:
    """Put a run and what stands on it away: no longer published, its bundles kept in archive/."""
    return _put_away(layout, person, "archive", run_id, layout.archive)


def trash(layout: Layout, run_id: str, person: Person | None = None) -> list[str]:
    """Move a run and what stands on it to trash/, published or else archived; returns the runs moved."""
    if not (layout.bundles / bundles.safe(run_id)).is_dir() and (layout.archive / run_id).is_dir():
        owners = _allow(layout, person, "delete", [layout.archive / run_id])
        identity.check(layout)
        with versions.committing(layout, store.WAIT_S), files.writing("The trash"):
            layout.trash.mkdir(exist_ok=True)
            _make_room(layout.trash / run_id)
            os.rename(layout.archive / run_id, layout.trash / run_id)
        return _record(layout, person, "delete", owners)
    return _put_away(layout, person, "delete", run_id, layout.trash)


def unarchive(layout: Layout, *run_ids: str, person: Person | None = None) -> None:
    """Publish archived runs again. Raises StoreError when one is not in the archive."""
    _bring_back(layout, person, run_ids, layout.archive, "archive")


def restore(layout: Layout, *run_ids: str, person: Person | None = None) -> None:
    """Publish runs in the trash again. Raises StoreError when one is not there."""
    _bring_back(layout, person, run_ids, layout.trash, "trash")


def archived(layout: Layout) -> list[str]:
    """The runs in the archive."""
    return _runs_in(layout.archive)


def trashed(layout: Layout) -> list[str]:
    """The runs in the trash."""
    return _runs_in(layout.trash)


def empty(layout: Layout, person: Person | None = None) -> list[str]:
    """Remove what is in the trash for good; returns the runs removed."""
    owners = _allow(layout, person, "erase", [layout.trash / name for name in trashed(layout)])
    for name in owners:
        with files.writing("The trash"):
            shutil.rmtree(layout.trash / name)
    return _record(layout, person, "empty", owners)


def rename(layout: Layout, run_id: str, title: str, person: Person | None = None) -> None:
    """Give a run a title; an empty one takes its title away. Raises StoreError when there is no such run."""
    if run_id not in bundles.run_ids(layout):
        raise StoreError(f"There is no run {run_id!r} in {layout.root}.")
    space = workspace.open(layout, person)
    space.rename_run(space.person.name, run_id, title.strip(), bundles.owner(layout.bundles / run_id))


def _allow(layout: Layout, person: Person | None, action: str, homes: Sequence[Path]) -> dict[str, str]:
    """The owners of the runs in some folders. Raises NotAllowedError where one is not the person's."""
    owners = {home.name: bundles.owner(home) for home in homes}
    for run_id, owner in owners.items():
        workspace.allow(layout, person or permissions.operator(), action, "run", run_id, owner)
    return owners


def _record(layout: Layout, person: Person | None, action: str, owners: Mapping[str, str]) -> list[str]:
    """Keep who did what to these runs; returns the runs."""
    person = person or permissions.operator()
    for run_id, owner in owners.items():
        if action in _EVENTS:
            workspace.open(layout, person).add("event", person.name, run_id=run_id, what=_EVENTS[action])
        workspace.record(layout, person, action, "run", run_id, owner)
    return [*owners]


def _runs_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def _put_away(layout: Layout, person: Person | None, action: str, run_id: str, folder: Path) -> list[str]:
    """Move a run and what stands on it into a folder. An older copy there goes."""
    with files.writing(f"The folder {folder}"):
        folder.mkdir(exist_ok=True)
    return list(_take(layout, person, action, run_id, lambda name: folder / name))


def _make_room(place: Path) -> None:
    """Remove the bundle of a run that was put away before it was made again."""
    if place.is_dir():
        shutil.rmtree(place)


def _bring_back(
    layout: Layout, person: Person | None, run_ids: Sequence[str], folder: Path, where: str
) -> None:
    for name in run_ids:
        if not (folder / bundles.safe(name)).is_dir():
            have = ", ".join(_runs_in(folder)) or "none"
            raise StoreError(f"There is no run {name!r} in the {where}; it has {have}.")
        if (layout.bundles / name).is_dir():
            raise StoreError(f"Run {name} is published again already; the one in the {where} stays there.")
    owners = _allow(layout, person, "restore", [folder / name for name in run_ids])
    identity.check(layout)
    with versions.committing(layout, store.WAIT_S), files.writing(f"The folder {folder}"):
        for name in run_ids:
            os.rename(folder / name, layout.bundles / name)
    store.publish(layout)
    _record(layout, person, "restore", owners)


def _take(
    layout: Layout, person: Person | None, action: str, run_id: str, target: Callable[[str], Path]
) -> dict[str, Path]:
    """Move the runs out of the published ones, each in one step, and publish without them."""
    identity.check(layout)
    if not (layout.bundles / bundles.safe(run_id)).is_dir():
        if run_id not in publication.missing(layout, store.open(layout)):
            raise StoreError(f"There is no run {run_id!r} in {layout.root}.")
        owners = _allow(layout, person, action, [layout.bundles / run_id])
        layout.removals.mkdir(exist_ok=True)
        (layout.removals / run_id).touch()
        store.publish(layout)
        _record(layout, person, action, owners)
        return {}
    taken = {name: target(name) for name in [run_id, *standing_on(layout, run_id)]}
    owners = _allow(layout, person, action, [layout.bundles / name for name in taken])
    with versions.committing(layout, store.WAIT_S), files.writing(f"The run {run_id}"):
        layout.removals.mkdir(exist_ok=True)
        for name in reversed(taken):  # children first: no run is ever without the run that it is based on
            _make_room(taken[name])
            (layout.removals / name).touch()  # first the record: a kill between leaves a run, not a loss
            os.rename(layout.bundles / name, taken[name])
    store.publish(layout)
    _record(layout, person, action, owners)
    return taken


def _parent(layout: Layout, run_id: str) -> str | None:
    try:
        return bundles.latest(layout, run_id).run.get("parent_run_id")
    except StoreError:
        return None
