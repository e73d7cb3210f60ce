"""Removing a model and restoring it: its files are kept aside for a week. No torch."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from analysis.models.catalogue import check_name
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256
from db.layout import Layout
from db.permissions import Person
from jobs.models import changes
from jobs.models.shelf import REGISTRIES

LASTS_S = 7 * 86_400.0
OWNER = "owner.txt"  # whose the model was, in its folder
SUFFIXES = (".safetensors", ".png", ".json")  # JSON last: a model is there once its JSON is


@dataclass(frozen=True)
class Removed:
    """A model that was removed, and when (Unix time). Copies of one name differ by the hash in `folder`."""

    role: str
    name: str
    at: float
    folder: Path


def remove(layout: Layout, role: str, name: str, person: Person) -> None:
    """Take a model that was added out of the store; its files stay aside. Results of its runs stay.

    Raises:
        GanatomyError: there is none of that name, or it comes with Ganatomy.
        NotAllowedError: it is somebody else's.
    """
    whose = changes.allow(layout, person, "remove", role, name)
    evict(layout)
    files = [layout.models / f"{role}s" / f"{check_name(name)}{suffix}" for suffix in SUFFIXES]
    folder = None
    try:
        if files[-1].is_file():
            # Its JSON holds the hash of the weights, so a name that was used twice keeps both models.
            folder = layout.removed_models / f"{role}s" / f"{name}.{file_sha256(files[-1])[:12]}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file in files:
                if file.is_file():
                    os.link(file, folder / file.name)
            (folder / OWNER).write_text(whose)
        REGISTRIES[role].remove(name, layout.models)
    except OSError as error:
        raise GanatomyError(f"{name} could not be removed ({error.strerror}); check the store.") from error
    except GanatomyError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    changes.forget(layout, role, name, person)


def removed(layout: Layout) -> list[Removed]:
    """What can be restored, newest first."""
    found = []
    for role in REGISTRIES:
        for folder in (layout.removed_models / f"{role}s").glob("*"):
            name, at = folder.name.partition(".")[0], folder.stat().st_mtime
            if (folder / f"{name}.json").is_file() and time.time() - at < LASTS_S:
                found.append(Removed(role, name, at, folder))
    return sorted(found, key=lambda each: -each.at)


def restore(layout: Layout, role: str, name: str, person: Person, folder: Path | None = None) -> None:
    """Put a removed model back: the one that was kept in a folder, or the newest of that name.

    Raises:
        GanatomyError: it is not there any more, or its name has been taken.
        NotAllowedError: it was somebody else's.
    """
    kept = [each.folder for each in removed(layout) if (each.role, each.name) == (role, check_name(name))]
    if not kept or (folder is not None and folder not in kept):
        raise GanatomyError(f"The removed {role} {name} is not kept any more; add it again.")
    chosen, place = folder or kept[0], layout.models / f"{role}s"
    if (place / f"{name}.json").exists():
        raise GanatomyError(f"There is a {role} '{name}' already; rename it, then restore the other.")
    whose = (chosen / OWNER).read_text() if (chosen / OWNER).is_file() else ""
    changes.require(layout, person, "restore", role, name, whose)
    try:
        for suffix in SUFFIXES:
            if (chosen / f"{name}{suffix}").is_file():
                os.replace(chosen / f"{name}{suffix}", place / f"{name}{suffix}")
    except OSError as error:
        raise GanatomyError(f"{name} could not be restored ({error.strerror}); check the store.") from error
    shutil.rmtree(chosen, ignore_errors=True)
    if name not in REGISTRIES[role].damaged(layout.models):
        changes.register(layout, REGISTRIES[role].describe(name, layout.models), person, whose=whose)


def evict(layout: Layout) -> None:
    """Remove for good what was removed a week ago."""
    for folder in layout.removed_models.glob("*/*"):
        if time.time() - folder.stat().st_mtime > LASTS_S:
            shutil.rmtree(folder, ignore_errors=True)
