"""Everything that cannot be made again, in one tar file: bundles, archive, workspace, models."""

import sqlite3
import tarfile
import tempfile
from pathlib import Path

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import files

_FOLDERS = ("bundles", "archive", "models")
_HIDDEN = "."


def backup(layout: Layout, target: Path, models: bool = True) -> Path:
    """Write the store to `target` (.tar), while jobs go on. There is a whole file of that name, or none.

    Label maps, renders, published versions and the queue are left out: they can be made again.
    """
    target = Path(target).absolute()
    folders = [name for name in _FOLDERS if models or name != "models"]
    with (
        files.writing(f"The backup {target}"),
        files.replacing(target) as aside,
        tarfile.open(aside, "w") as tar,
    ):
        for name in folders:
            _add(tar, layout.root / name, name)
        _add_workspace(tar, layout)
    return target


def _add(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    """A bundle that is still being written, or was removed meanwhile, is no part of the backup."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(_HIDDEN) for part in inside.parts):
            try:
                tar.add(path, f"{name}/{inside.as_posix()}", recursive=False)
            except FileNotFoundError:
                continue


def _add_workspace(tar: tarfile.TarFile, layout: Layout) -> None:
    if not layout.workspace.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace.sqlite"
        source, goal = sqlite3.connect(layout.workspace), sqlite3.connect(copy)
        with source, goal:
            source.backup(goal)
        source.close()
        goal.close()
        tar.add(copy, "workspace.sqlite")


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
                tar.extractall(layout.root, members=_known(tar), filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise StoreError(f"{source} is not a whole backup ({error}); take another one.") from error
    store.publish(layout)
    return layout


def _known(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    wanted = [m for m in tar.getmembers() if m.name.split("/")[0] in (*_FOLDERS, "workspace.sqlite")]
    if not wanted:
        raise tarfile.ReadError("it holds no store")
    return wanted
