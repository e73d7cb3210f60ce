"""Everything that cannot be made again, in one tar file.

It holds the newest bundle of each run, the archive, the workspace, models, references, watches and schedules.
Label maps, renders, published versions and jobs are left out.
"""

import hashlib
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, files, formats, identity, publication, removal

_HIDDEN = "."


@dataclass(frozen=True)
class Backup:
    """What a backup has written, and a sentence for each thing in the store that is damaged or missing."""

    path: Path
    runs: int
    problems: list[str]


class _Hashing:
    """A file that notes the hash of what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.hash = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        part = self.file.read(size)
        self.hash.update(part)
        return part


@dataclass
class _Writer:
    tar: tarfile.TarFile
    sums: dict[str, str] = field(default_factory=dict)  # SHA-256 of each file by its name in the tar

    def add(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._add(self.tar.gettarinfo(arcname=name, fileobj=file), file)

    def add_content(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self._add(info, BytesIO(content))

    def add_folder(self, name: str, folder: Path) -> None:
        """Hidden files are half-written ones; what is removed meanwhile is no part of the backup."""
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(_HIDDEN) for part in inside.parts):
                try:
                    self.add(f"{name}/{inside.as_posix()}", path)
                except FileNotFoundError:
                    continue

    def _add(self, info: tarfile.TarInfo, file: IO[bytes]) -> None:
        reader = _Hashing(file)
        self.tar.addfile(info, reader)  # it needs only `read`
        self.sums[info.name] = reader.hash.hexdigest()


def backup(
    layout: Layout, target: Path, models: bool = True, extra: Mapping[str, bytes] | None = None
) -> Backup:
    """Write the store to `target` (.tar), while jobs go on. There is a whole file of that name, or none.

    Every run that is there at the start is in it, unless somebody deletes the run meanwhile. The file is read
    back before it gets its name. A damaged bundle goes in as it is, and is named in the problems.

    Args:
        layout: The store.
        target: The file to write.
        models: Whether to include the models' weights.
        extra: Files that the caller adds, by their names at the store's root.
    """
    identity.check(layout)
    target = Path(target).absolute()
    with files.writing(f"The backup {target}"), files.replacing(target) as aside:
        with tarfile.open(aside, "w", dereference=True) as tar:
            writer = _Writer(tar)
            runs, problems = _add_runs(layout, writer)
            _add_workspace(layout, writer)
            for folder in (layout.models, layout.references) if models else (layout.references,):
                writer.add_folder(folder.name, folder)
            for path in (layout.watches, layout.collected, layout.identity, layout.marker):
                if path.exists():
                    writer.add(path.relative_to(layout.root).as_posix(), path)
            for name, content in (extra or {}).items():
                writer.add_content(name, content)
        _read_back(aside, target, writer.sums)
    return Backup(target, runs, problems)


def _add_runs(layout: Layout, writer: _Writer) -> tuple[int, list[str]]:
    """Add the newest bundle of every run, as it is when the run's turn comes."""
    runs, problems = 0, []
    for run_id in sorted({*bundles.run_ids(layout), *removal.archived(layout)}):
        # Somebody may archive or unarchive a run meanwhile. One that is in neither folder was deleted.
        for folder in (layout.bundles, layout.archive, layout.bundles):
            try:
                problems += _add_bundle(writer, folder / run_id)
                runs += 1
                break
            except FileNotFoundError:
                continue
    try:
        lost = publication.missing(layout, store.open(layout))
        problems += [str(bundles.missing(layout, run_id)) for run_id in lost]
    except StoreError as error:
        problems.append(str(error))
    return runs, problems


def _add_bundle(writer: _Writer, home: Path) -> list[str]:
    """Add a run's newest bundle; a sentence if it is damaged. FileNotFoundError when there is none here."""
    with bundles.lease(home) as (revision, held):
        name = f"{home.parent.name}/{home.name}/{revision}"
        writer.add_folder(name, held)
        try:
            facts = formats.read_manifest(held)["files"]
        except StoreError:
            facts = {bundles.MANIFEST: {"sha256": None}}
    damaged = [each for each, fact in facts.items() if writer.sums.get(f"{name}/{each}") != fact["sha256"]]
    return [f"{bundles.damaged(home / str(revision) / each)}" for each in damaged]


def _add_workspace(layout: Layout, writer: _Writer) -> None:
    if not layout.workspace.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / layout.workspace.name
        source, goal = sqlite3.connect(layout.workspace), sqlite3.connect(copy)
        with source, goal:
            source.backup(goal)
        source.close()
        goal.close()
        writer.add(layout.workspace.name, copy)


def _read_back(aside: Path, target: Path, sums: Mapping[str, str]) -> None:
    found = {}
    with suppress(tarfile.TarError, EOFError), tarfile.open(aside) as tar:
        for member in tar:
            reader = _Hashing(tar.extractfile(member) or BytesIO())
            while reader.read(1 << 20):
                pass
            found[member.name] = reader.hash.hexdigest()
    if found != sums:
        raise StoreError(f"The backup {target} does not read back as it was written; use another disk.")


def restore(source: Path, root: Path) -> Layout:
    """Make a store from a backup in an empty folder, and publish what is in it.

    Raises StoreError when the folder holds anything, or the file is not a whole backup.
    """
    layout = Layout(root)
    if layout.root.exists() and any(layout.root.iterdir()):
        raise StoreError(f"{layout.root} is not empty; restore into a new folder and give it as --store.")
    Layout.create(root)
    with files.writing(f"The store {layout.root}"):
        try:
            with tarfile.open(source) as tar:
                tar.extractall(layout.root, members=_known(layout, tar), filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise StoreError(f"{source} is not a whole backup ({error}); take another one.") from error
    store.publish(layout)
    return layout


def _known(layout: Layout, tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    folders = (layout.bundles, layout.archive, layout.models, layout.references)
    names = {
        path.name for path in (*folders, layout.workspace, layout.watches, layout.schedules, layout.identity)
    }
    wanted = [member for member in tar.getmembers() if member.name.split("/")[0] in names]
    if not wanted:
        raise tarfile.ReadError("it holds no store")
    return wanted
