"""Bundles, the truth of the store: one immutable folder of Parquet, npz and JSON per run and revision.

    bundles/<run_id>/<revision>/manifest.json   format, and hash and size of every other file
                                run.json        the run's row, readable
                                tables/*.parquet, arrays/*.npz, files/*

A bundle is written under a hidden name, flushed and renamed. So a bundle that has its final name is whole,
whenever its writer or the machine may have died.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from db.errors import StoreError
from db.layout import Layout
from db.schema import metadata
from db.store import formats, frames, identity
from db.store.files import flush, sha256, unique, writing

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
REMOVED = ".removed-"  # start of the name of a folder that is being removed
_LEFTOVER_S = 86400.0  # a folder that was being written or removed this long ago was left by a killed program
_NAME_LENGTHS = 26  # where a file's header in a zip archive has the lengths of its name and extra field
Rank = tuple[bool, int]
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,150}")


@dataclass(frozen=True)
class Arrays(Mapping[str, np.ndarray]):
    """The arrays of one npz file, each read when it is asked for; nothing stays open."""

    path: Path

    def __getitem__(self, name: str) -> np.ndarray:
        with reading(self.path), np.load(self.path, allow_pickle=False) as arrays:
            if name not in arrays.files:
                raise KeyError(name)
            return np.asarray(arrays[name])

    def mapped(self) -> dict[str, np.ndarray]:
        """All arrays by name, read-only; of each only what is looked at comes from the disk into memory.

        So the checksum of an array is not compared, as reading it whole does; `ganatomy store check` does.
        """
        with reading(self.path), zipfile.ZipFile(self.path) as archive:
            return {info.filename.removesuffix(".npy"): self._mapped(info) for info in archive.infolist()}

    def _mapped(self, info: zipfile.ZipInfo) -> np.ndarray:
        name = info.filename.removesuffix(".npy")
        if info.compress_type != zipfile.ZIP_STORED:
            return self[name]
        with self.path.open("rb") as file:
            file.seek(info.header_offset + _NAME_LENGTHS)
            file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
            version = np.lib.format.read_magic(file)
            read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            shape, fortran, kind = read[version[0]](file)
            if not shape or 0 in shape or kind.hasobject:
                return self[name]
            order: Literal["C", "F"] = "F" if fortran else "C"
            return np.memmap(self.path, kind, "r", file.tell(), shape, order)

    def __iter__(self) -> Iterator[str]:
        with reading(self.path), np.load(self.path, allow_pickle=False) as arrays:
            return iter(arrays.files)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read: `.run`, `.table(name)`, `.array(name)`, `.file(name)`."""

    path: Path
    manifest: dict[str, Any] = field(repr=False)

    @property
    def run(self) -> dict[str, Any]:
        """The run's row as it was given."""
        with reading(self.path):
            return dict(json.loads((self.path / "run.json").read_bytes()))

    @property
    def run_id(self) -> str:
        return self.path.parent.name

    @property
    def revision(self) -> int:
        return int(self.path.name)

    def names(self, kind: str) -> list[str]:
        """What it holds of a kind: tables, arrays or files."""
        found = (Path(name) for name in self.manifest["files"])
        return sorted(f.name if kind == "files" else f.stem for f in found if f.parts[0] == kind)

    def arrow(self, name: str) -> pa.Table:
        """A table as today's schema has it: lifted from older formats, run_id included."""
        rows = formats.lift(self.manifest["format_version"], name, self._read)
        known = [c for c in rows.column_names if c in metadata.tables[name].c]
        return frames.conform(metadata.tables[name], rows.select(known), run_id=self.run_id)

    def _read(self, name: str) -> pa.Table:
        path = self.path / "tables" / f"{name}.parquet"
        with reading(path):
            return pq.read_table(path)

    def table(self, name: str) -> pd.DataFrame:
        return self.arrow(name).to_pandas()

    def array(self, name: str) -> Arrays:
        """The arrays written under `name`, each read when asked for. Raises KeyError where there are none."""
        if name not in self.names("arrays"):
            raise KeyError(name)
        return Arrays(self.path / "arrays" / f"{name}.npz")

    def file(self, name: str) -> bytes:
        """Raises KeyError where there is none of this name."""
        if name not in self.names("files"):
            raise KeyError(name)
        with reading(self.path):
            return (self.path / "files" / name).read_bytes()

    def verify(self, kinds: Sequence[str] = ("run.json", "tables", "arrays", "files")) -> None:
        """Raises StoreError when a file is missing or differs from what was written."""
        for name, fact in self.manifest["files"].items():
            path = self.path / name
            if Path(name).parts[0] not in kinds:
                continue
            with reading(path):
                if path.stat().st_size != fact["size"] or sha256(path) != fact["sha256"]:
                    raise damaged(path)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a damaged or missing file raises into a StoreError that names the remedy."""
    try:
        yield
    except (OSError, ValueError, EOFError, BadZipFile, pa.ArrowException) as error:
        raise damaged(path) from error


def damaged(path: Path) -> StoreError:
    return StoreError(f"The bundle file {path} is damaged or missing; {formats.REMEDY}.")


def read(path: Path) -> Bundle:
    """The bundle in a folder. Raises StoreError when its manifest is damaged or newer than this program."""
    return Bundle(path, formats.read_manifest(path))


def write(
    layout: Layout,
    run: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    arrays: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the run's next revision (or run["revision"]) and return its folder; it is not published yet.

    A revision that is there already and whole is left as it is, so a repeated step does no harm.
    """
    identity.check(layout)
    home = layout.bundles / safe(str(run["run_id"]))
    run = dict(run, revision=int(run.get("revision") or max(_revisions(home), default=0) + 1))
    final = home / str(run["revision"])
    if (final / MANIFEST).exists() and _whole(final):
        return final
    aside = home / unique(".writing")
    with writing(f"The bundle {final}"), filling(aside):
        _fill(aside, run, tables, arrays or {}, files or {})
        _place(aside, final)
    return final


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Make a folder that `sweep` leaves alone while the block runs, whatever the clock says.

    What is still there when the block ends is removed.
    """
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(
    folder: Path,
    run: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    files: Mapping[str, bytes],
) -> None:
    for kind in ("tables", "arrays", "files"):
        (folder / kind).mkdir()
    (folder / "run.json").write_text(json.dumps(run, indent=1, default=_json))
    pq.write_table(frames.row(metadata.tables["run"], run), folder / "tables" / "run.parquet")
    for name, frame in tables.items():
        if name not in metadata.tables:
            raise StoreError(f"The schema has no table {name!r}; add it to db/schema, with a comment.")
        rows = frames.conform(metadata.tables[name], frame, run_id=str(run["run_id"]))
        pq.write_table(rows, folder / "tables" / f"{name}.parquet", compression="zstd")
    for name, group in arrays.items():
        np.savez(folder / "arrays" / f"{safe(name)}.npz", allow_pickle=False, **group)
    for name, content in files.items():
        (folder / "files" / safe(name)).write_bytes(content)
    _seal(folder)


def _seal(folder: Path) -> None:
    """Flush every file, then write the manifest that vouches for them."""
    facts = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        flush(path)
        facts[path.relative_to(folder).as_posix()] = {
            "size": path.stat().st_size,
            "sha256": sha256(path),
        }
    manifest = {"format_version": formats.FORMAT, "files": facts}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for path in (folder / MANIFEST, folder / "tables", folder / "arrays", folder / "files", folder):
        flush(path)


def _place(aside: Path, final: Path) -> None:
    if final.exists():  # a damaged revision makes way; it is kept beside, out of sight
        os.rename(final, final.with_name(unique(".damaged")))
    os.rename(aside, final)
    flush(final.parent)
    flush(final.parent.parent)


def _whole(path: Path) -> bool:
    try:
        read(path).verify()
    except StoreError:
        return False
    return True


def rank(state: object, revision: int) -> Rank:
    """The order of a run's bundles: a final one is newer than any provisional one, then the revision counts.

    Hosts count revisions on their own, so a final result may have a lower number than a provisional one.
    """
    return state == "final", revision


def rank_of(folder: Path) -> Rank:
    """The rank of a bundle on disk. A damaged one counts as final, so that no older one replaces its rows."""
    try:
        return rank(read(folder).run.get("state"), int(folder.name))
    except StoreError:
        return True, int(folder.name)


def _revisions(home: Path) -> list[int]:
    if not home.is_dir():
        return []
    found = [int(p.name) for p in home.iterdir() if p.name.isdecimal() and (p / MANIFEST).exists()]
    if len(found) < 2:
        return found
    ranks = {n: rank_of(home / str(n)) for n in found}
    # One that was removed while we read it would rank as damaged.
    return sorted((n for n in found if (home / str(n) / MANIFEST).exists()), key=ranks.__getitem__)


def take(layout: Layout, source: Path) -> bool:
    """Copy a sound bundle (.../run_id/revision) from elsewhere; False when one as new is here."""
    identity.check(layout)
    run_id = safe(source.parent.name)
    here = newest(layout, run_id)
    if here is not None and rank_of(source) <= here:
        return False
    aside = layout.bundles / run_id / unique(".writing")
    with writing(f"The bundle {run_id}"), filling(aside):
        # Its age here counts, see `publication.prune`.
        shutil.copytree(source, aside, copy_function=shutil.copy, dirs_exist_ok=True)
        for path in (p for p in aside.rglob("*") if p.is_file()):
            flush(path)
        _place(aside, layout.bundles / run_id / source.name)
    return True


@contextmanager
def lease(home: Path) -> Iterator[tuple[int, Path]]:
    """Hold a run's newest bundle: until the block ends, `discard` leaves it, and renaming it does no harm.

    Yields the revision, and a path by which this process reads the folder wherever it is. The kernel ends the
    lease when its holder dies. Raises FileNotFoundError when the run has no bundle in `home`.
    """
    while found := _revisions(home):
        try:
            handle = os.open(home / str(found[-1]), os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # replaced, moved or removed since we looked
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            held = Path(f"/proc/self/fd/{handle}")
            if (held / MANIFEST).exists():  # else it was removed while we waited for the lock
                yield found[-1], held
                return
        finally:
            os.close(handle)
    raise FileNotFoundError(home)


def discard(folder: Path) -> None:
    """Remove a bundle's folder. It stays while somebody has a lease on it, or if it cannot be removed."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / MANIFEST).unlink(missing_ok=True)  # first: without it, nobody takes the rest for one
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
    except (FileNotFoundError, BlockingIOError):
        return
    except OSError as error:  # somebody else's folder, or a file system without locks: no reason to fail
        log.warning("%s is not removed: %s", folder, error)


def sweep(layout: Layout) -> None:
    """Remove what killed programs left; what is young may still be in use."""
    for pattern in (f"{REMOVED}*", "*/.writing-*", "*/.damaged-*"):
        for folder in layout.bundles.glob(pattern):
            with suppress(FileNotFoundError):
                if time.time() - folder.lstat().st_mtime > _LEFTOVER_S:
                    discard(folder)


def run_ids(layout: Layout) -> list[str]:
    """Every run that has a bundle, published or not."""
    if not layout.bundles.is_dir():
        return []
    return sorted(p.name for p in layout.bundles.iterdir() if not p.name.startswith(".") and _revisions(p))


def revisions(layout: Layout, run_id: str) -> list[int]:
    """The revisions that are there, by `rank`: the last one is the newest."""
    return _revisions(layout.bundles / run_id)


def newest(layout: Layout, run_id: str) -> Rank | None:
    """The rank of a run's newest bundle; None when it has none."""
    found = revisions(layout, run_id)
    return rank_of(layout.bundles / run_id / str(found[-1])) if found else None


def latest(layout: Layout, run_id: str) -> Bundle:
    """The newest revision of a run. Raises StoreError when the run has no bundle."""
    found = revisions(layout, run_id)
    if not found:
        raise StoreError(
            f"There is no run {run_id!r} in {layout.root}; `ganatomy jobs list` shows what there is."
        )
    return read(layout.bundles / run_id / str(found[-1]))


def owner(home: Path) -> str:
    """Who asked for the run whose revisions are in a folder; "" where none can be read."""
    found = _revisions(home)
    try:
        return str(read(home / str(found[-1])).run.get("owner") or "") if found else ""
    except StoreError:
        return ""


def missing(layout: Layout, run_id: str) -> StoreError:
    """What to say of a published run that has no bundle."""
    return StoreError(
        f"The bundle of run {run_id} is missing. Its rows are still in the file. Check that the disk "
        f"with {layout.bundles} is mounted, or bring the bundle back with `ganatomy store restore`; "
        f"`ganatomy store salvage {run_id}` writes a new one from the rows, without its pictures."
    )


def safe(name: str) -> str:
    """The name, if it can be a file's. Raises StoreError."""
    if not _SAFE_NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} cannot be a file name; use letters, digits, dots, dashes and underscores."
        )
    return name


def _json(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
