"""Bundles on any fsspec address (s3://, gs://, sftp://, a shared folder): the first step past one host.

Hosts push their bundles to the address; the one committer pulls what it does not have and publishes. The
DuckDB file stays local: it is a cache that anyone can make again from the bundles.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, files, identity
from db.store.bundles import Rank

Stamp = tuple[int, int]  # a file's size, and the time of its last change in nanoseconds


@dataclass
class Copied:
    """The bundles that were copied, as run_id/revision, and a sentence for each that could not be."""

    keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def push(layout: Layout, address: str, **options: Any) -> Copied:
    """Copy every bundle that is newer than what the address has of its run. Damaged ones are left out.

    Raises StoreError when there is nothing at the address, or it does not answer.
    """
    identity.check(layout)
    copied = Copied()
    with _answering(address):
        system, base = _system(address, options)
        there = _newest(system, base)
        for run_id in bundles.run_ids(layout):
            with suppress(FileNotFoundError), bundles.lease(layout.bundles / run_id) as (revision, _held):
                key, folder = f"{run_id}/{revision}", layout.bundles / run_id / str(revision)
                try:
                    bundle = bundles.read(folder)
                    rank = bundles.rank(bundle.run.get("state"), revision)
                    if run_id in there and rank <= there[run_id]:
                        continue
                    bundle.verify()
                except StoreError as error:
                    copied.problems.append(str(error))
                    continue
                _put(system, f"{base}/{key}", bundle)
                copied.keys.append(key)
    return copied


def _put(system: Any, target: str, bundle: bundles.Bundle) -> None:
    """The manifest goes last, and that of a provisional bundle of the same number goes first: it vouches."""
    manifest = f"{target}/{bundles.MANIFEST}"
    if system.exists(manifest):
        system.rm_file(manifest)
    for name in (*bundle.manifest["files"], bundles.MANIFEST):
        system.makedirs(str(PurePosixPath(target, name).parent), exist_ok=True)
        system.put_file(str(bundle.path / name), f"{target}/{name}")


def pull(layout: Layout, address: str, **options: Any) -> Copied:
    """Fetch the newest bundle of every run that has none as new here, and publish. Damaged ones are left out.

    Raises StoreError when there is nothing at the address, or it does not answer.
    """
    identity.check(layout)
    copied = Copied()
    try:
        with _answering(address):
            system, base = _system(address, options)
            for run_id, rank in sorted(_newest(system, base).items()):
                here = bundles.newest(layout, run_id)
                if here is not None and rank <= here:
                    continue
                key = f"{run_id}/{rank[1]}"
                try:
                    _fetch(layout, system, address, f"{base}/{key}")
                    copied.keys.append(key)
                except StoreError as error:
                    copied.problems.append(str(error))
                except FileNotFoundError:
                    copied.problems.append(f"{key} was replaced at {_shown(address)} meanwhile; pull again.")
    finally:  # what has come is published, whatever else went wrong
        store.publish(layout, [key.split("/")[0] for key in copied.keys])
    return copied


def send(layout: Layout, address: str, run_id: str, key: str) -> None:
    """Copy the newest bundle of a run to `address`/`run_id`/`key`.

    Raises StoreError when the run has none, or the address does not answer.
    """
    bundle = bundles.latest(layout, run_id)
    with _answering(address):
        system, base = _system(address, {})
        _put(system, f"{base}/{bundles.safe(run_id)}/{bundles.safe(key)}", bundle)


def discard(address: str, run_id: str, key: str) -> None:
    """Remove what was sent as `run_id`/`key`, the manifest first: without it, nobody takes the rest for one.

    Raises StoreError when the address does not answer.
    """
    folder = f"{bundles.safe(run_id)}/{bundles.safe(key)}"
    for part in (f"{folder}/{bundles.MANIFEST}", folder):
        remove_tree(address, part)


def send_files(address: str, folder: str, paths: Sequence[Path]) -> None:
    """Copy files into a folder at the address, the last one last; nothing if that is there already.

    Raises StoreError when the address does not answer.
    """
    with _answering(address):
        system, base = _system(address, {})
        if system.exists(f"{base}/{folder}/{paths[-1].name}"):
            return
        system.makedirs(f"{base}/{folder}", exist_ok=True)
        for path in paths:
            system.put_file(str(path), f"{base}/{folder}/{path.name}")


def send_tree(address: str, folder: str, source: Path, known: Mapping[str, Stamp]) -> dict[str, Stamp]:
    """Make a folder at the address like one here, which changes meanwhile; the files that it has then.

    Files that are as in `known`, from the call before, are there already. Hidden ones are half-written.
    Raises StoreError when the address does not answer.
    """
    present: dict[str, Stamp] = {}
    with _answering(address):
        system, base = _system(address, {})
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if any(part.startswith(".") for part in path.relative_to(source).parts):
                continue
            with suppress(FileNotFoundError):  # a newer file has taken its place
                if not path.is_file():
                    continue
                about = path.stat()
                stamp = (about.st_size, about.st_mtime_ns)
                if known.get(name) != stamp:
                    target = f"{base}/{folder}/{name}"
                    system.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
                    system.put_file(str(path), target)
                present[name] = stamp
        for name in known.keys() - present.keys():
            with suppress(FileNotFoundError):
                system.rm_file(f"{base}/{folder}/{name}")
    return present


def receive_tree(address: str, folder: str, target: Path) -> None:
    """Copy a folder at the address into a new one here; an empty one if it is not there.

    Raises StoreError when the address does not answer.
    """
    with _answering(address):
        system, base = _system(address, {})
        target.mkdir(parents=True)
        source = f"{base}/{folder}"
        for path in system.find(source):
            _copy_here(system, address, path, source, target)


def remove_tree(address: str, folder: str) -> None:
    """Remove a folder at the address, if it is there.

    Raises StoreError when the address does not answer.
    """
    with _answering(address):
        system, base = _system(address, {})
        with suppress(FileNotFoundError):
            system.rm(f"{base}/{folder}", recursive=True)


def _copy_here(system: Any, address: str, path: str, source: str, target: Path) -> None:
    """Copy an object below `source` to its place below `target`, and to no other place."""
    name = PurePosixPath("/" + path.lstrip("/")).relative_to("/" + source.lstrip("/"))
    if ".." in name.parts:
        what = f"an object with an impossible name: {path[-80:]!a}"
        raise StoreError(f"{_shown(address)} has {what}; remove it there.")
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    system.get_file(path, str(target / name))


def receive(layout: Layout, address: str, run_id: str, key: str) -> None:
    """Fetch what was sent as `run_id`/`key`, as the run's next revision here. It is not published yet.

    A final bundle that is here is not replaced by a provisional one.
    Raises StoreError when it is damaged or not there, or the address does not answer.
    """
    revision = max(bundles.revisions(layout, run_id), default=0) + 1
    with _answering(address):
        system, base = _system(address, {})
        _fetch(layout, system, address, f"{base}/{bundles.safe(run_id)}/{bundles.safe(key)}", revision)


def _fetch(layout: Layout, system: Any, address: str, source: str, revision: int | None = None) -> None:
    """Copy a bundle here, under its own revision or another."""
    key = PurePosixPath(source)
    folder = layout.bundles / files.unique(f"{bundles.REMOVED}pull")
    aside = folder / bundles.safe(key.parent.name) / str(revision or key.name)
    try:
        with bundles.filling(folder):
            for path in system.find(source):
                _copy_here(system, address, path, source, aside)
            bundles.read(aside).verify()
            bundles.take(layout, aside)
    except StoreError as error:
        there = f"{_shown(address).rstrip('/')}/{key.parent.name}/{key.name}"
        raise StoreError(str(error).replace(str(aside), there)) from error


def _shown(address: str) -> str:
    """An address without the user and password that it may have.

    >>> _shown("sftp://ada:secret@host/runs"), _shown("s3://bucket/runs")
    ('sftp://host/runs', 's3://bucket/runs')
    """
    return re.sub(r"(://)[^/]*@", r"\1", address)


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Turn what an address may raise into a sentence: every file system of fsspec has errors of its own."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(
            f"{_shown(address)} cannot be used ({_shown(reason)}); check the address, the network and your "
            "access rights."
        ) from error


def _system(address: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system and the path behind an address. Raises StoreError when there is nothing."""
    try:
        system, base = fsspec.core.url_to_fs(address, **options)
    except (ImportError, ValueError) as error:
        raise StoreError(f"Bundles cannot be kept at {_shown(address)} ({error}).") from error
    system.invalidate_cache()  # else what others have pushed since this process last looked is not seen
    base = base.rstrip("/")
    # An object store knows no empty folders: there, the bucket has to exist.
    place = base if isinstance(system, LocalFileSystem) else base.lstrip("/").split("/")[0]
    try:
        system.info(place)
    except FileNotFoundError as error:
        sentence = f"There is no folder or bucket at {_shown(address)}; create it, or correct the address."
        raise StoreError(sentence) from error
    return system, base


def _newest(system: Any, base: str) -> dict[str, Rank]:
    """The rank of the newest whole bundle of each run at the address."""
    found = [PurePosixPath(path).parent for path in system.glob(f"{base}/*/*/{bundles.MANIFEST}")]
    found = [folder for folder in found if folder.name.isdecimal()]
    rows = system.cat([f"{folder}/run.json" for folder in found], on_error="return") if found else {}
    newest: dict[str, Rank] = {}
    for folder in found:
        rank = bundles.rank(_state(rows[f"{folder}/run.json"]), int(folder.name))
        newest[folder.parent.name] = max(rank, newest.get(folder.parent.name, rank))
    return newest


def _state(row: object) -> object:
    """The state in a run.json; None where that is damaged or missing, so that a push replaces it."""
    if isinstance(row, Exception) and not isinstance(row, FileNotFoundError):
        raise row
    try:
        return dict(json.loads(row)).get("state")  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
