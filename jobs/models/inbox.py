"""Checkpoints in the store's folder `incoming`: a page can name these, and nothing outside that folder.

People put files and folders there on the server. What is uploaded in a browser goes to `incoming/uploaded`,
and is removed once it was added, or after a day.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from analysis.shared.errors import GanatomyError
from db.layout import Layout

UPLOADED = "uploaded"
CHUNK = 1 << 20
LASTS_S = 86_400.0


@dataclass(frozen=True)
class Incoming:
    """A file or folder: its name as pages show it, its size, and when it last changed (Unix time)."""

    name: str
    bytes: int
    folder: bool
    changed: float

    @property
    def uploaded(self) -> bool:
        """Whether it came from a browser."""
        return self.name.startswith(f"{UPLOADED}/")


def listed(layout: Layout) -> list[Incoming]:
    """What can be added, by name."""
    places = [("", layout.incoming), (f"{UPLOADED}/", layout.incoming / UPLOADED)]
    found = []
    for prefix, folder in places:
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = prefix + each.name
            if name == UPLOADED or each.name.startswith("."):
                continue
            try:
                file = path(layout, name)
                facts = file.stat()
                found.append(Incoming(name, _bytes(file), file.is_dir(), facts.st_mtime))
            except (GanatomyError, OSError):  # a link to elsewhere, or gone meanwhile
                continue
    return found


def path(layout: Layout, name: str) -> Path:
    """Where a file or folder of that name lies.

    Raises:
        GanatomyError: there is none, it lies outside the folder, or a link in it leads out of it.
    """
    known = re.fullmatch(rf"(?:{UPLOADED}/)?[^/\\\0]+", name) and not name.rpartition("/")[2].startswith(".")
    root = layout.incoming.resolve()
    file = (root / name).resolve() if known else root
    if file == root or not file.is_relative_to(root) or not file.exists():
        raise GanatomyError(
            f"There is no file '{name[:120]}' in the store's folder incoming; upload it, or put it there."
        )
    if (link := _outward(file)) is not None:
        raise GanatomyError(
            f"'{name[:120]}' holds a link, {link.name[:120]}, that leads out of this folder; copy the file "
            "itself there."
        )
    return file


def _outward(folder: Path) -> Path | None:
    """A link in a folder, at any depth, that leads out of it or nowhere; None where there is none."""
    for place, folders, files in os.walk(folder):
        for each in (Path(place, name) for name in (*folders, *files)):
            if each.is_symlink() and not (each.exists() and each.resolve().is_relative_to(folder)):
                return each
    return None


def keep(layout: Layout, name: str, content: BinaryIO) -> str:
    """Write what a browser uploaded; returns its name. The same content under the same name is kept once.

    Raises:
        GanatomyError: the disk is full or cannot be written.
    """
    evict(layout)
    digest = hashlib.sha256()
    while part := content.read(CHUNK):
        digest.update(part)
    content.seek(0)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[-80:].lstrip(".-") or "upload"
    kept = f"{UPLOADED}/{digest.hexdigest()[:8]}-{stem}"
    file, aside = layout.incoming / kept, layout.incoming / UPLOADED / f".{os.urandom(8).hex()}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as target:
            shutil.copyfileobj(content, target, CHUNK)
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise GanatomyError(
            f"'{stem}' could not be kept ({error.strerror}); check that the disk has room."
        ) from error
    return kept


def discard(layout: Layout, name: str) -> None:
    """Remove what was uploaded; a file that somebody put there on the server stays."""
    if name.startswith(f"{UPLOADED}/"):
        path(layout, name).unlink(missing_ok=True)


def evict(layout: Layout) -> None:
    """Remove uploads that nobody added within a day, and parts of broken ones."""
    folder = layout.incoming / UPLOADED
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.is_file() and time.time() - file.stat().st_mtime > LASTS_S:
            file.unlink(missing_ok=True)


def fingerprint(file: Path) -> list[object]:
    """What changes when the file or folder does: names, sizes and times."""
    files = sorted(each for each in file.iterdir() if each.is_file()) if file.is_dir() else [file]
    facts = [(each.name, each.stat()) for each in files]
    return [[name, fact.st_size, fact.st_mtime_ns] for name, fact in facts]


def _bytes(file: Path) -> int:
    files = file.iterdir() if file.is_dir() else [file]
    return sum(each.stat().st_size for each in files if each.is_file())
