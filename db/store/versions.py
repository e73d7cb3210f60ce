"""The published versions of the DuckDB file, and the one link that says which is current.

No file is written while anyone can read it: a version is built under a name nobody used before, sealed
(checkpointed, flushed, read-only), given its final name, and only then does the link point at it.
"""

import errno
import fcntl
import logging
import os
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from db.errors import StoreError
from db.layout import Layout
from db.store import files

log = logging.getLogger(__name__)

LEFTOVER_S = 600.0  # a reader's private copy this old belongs to a killed program
COPY = "reading"  # a reader's private copy of a version
_NUMBER = re.compile(r"v(\d+)-")

_DAMAGE = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
_FULL = ("No space left", "File too large", "Disk quota", "exceeds max_temp_directory_size")

Fill = Callable[[duckdb.DuckDBPyConnection], None]


@contextmanager
def committing(layout: Layout, wait: float) -> Iterator[None]:
    """Be the one committer. The kernel frees the lock when its holder dies, however it dies."""
    with files.writing(f"The store {layout.root}"):
        try:
            with FileLock(layout.commit_lock, timeout=wait, thread_local=False):
                yield
        except Timeout as error:
            raise StoreError(
                f"Another program has been publishing to {layout.root} for {wait:.0f} s; "
                "wait for it to end, or stop it, and try again."
            ) from error


def current(layout: Layout) -> Path | None:
    """The version that the link points at now; None in a store that published nothing yet.

    Raises StoreError when the link points at nothing.
    """
    try:
        target = layout.current.parent / os.readlink(layout.current)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise damaged(layout, "current.duckdb is not a link to a version") from error
    if not target.exists():
        raise damaged(layout, f"the version {target.name} is missing")
    return target


def damaged(layout: Layout, why: str) -> StoreError:
    return StoreError(
        f"The store {layout.root} cannot be read ({why}); run `ganatomy store rebuild`, which makes it again "
        "from the bundles."
    )


def is_damage(error: BaseException | None) -> bool:
    """Whether DuckDB says that the file is not as it wrote it. A failed checksum has the bare class."""
    return isinstance(error, _DAMAGE) or type(error) is duckdb.Error or "Corrupt database" in str(error)


def build(layout: Layout, source: Path | None, fill: Fill) -> Path:
    """Make the next version from a copy of `source` (or from nothing) and point the link at it."""
    number = 1 + max((_number(p) for p in layout.versions.iterdir()), default=0)
    building = layout.versions / f"{files.unique('building')}.duckdb"
    final = layout.versions / f"{files.unique(f'v{number:08d}')}.duckdb"
    with files.writing(f"The next version of {layout.root}"):
        try:
            if source is not None:
                files.copy(source, building)
            _fill(layout, building, fill)
            files.flush(building)
            building.chmod(0o444)
            os.rename(building, final)
            files.flush(layout.versions)
            files.point(layout.current, final)
        finally:
            _discard(building)
    return final


def _fill(layout: Layout, path: Path, fill: Fill) -> None:
    """One transaction, then everything into the file itself: no .wal stays beside a version."""
    try:
        with duckdb.connect(str(path), config={"threads": 2, "checkpoint_threshold": "0b"}) as connection:
            connection.begin()
            fill(connection)
            connection.commit()
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        if any(sign in str(error) for sign in _FULL):
            raise OSError(errno.ENOSPC, str(error)) from error
        if is_damage(error):
            raise damaged(layout, "its file is damaged") from error
        raise
    if path.with_name(path.name + ".wal").exists():
        raise StoreError(f"DuckDB left {path.name}.wal behind; nothing was published, try again.")


def retire(layout: Layout) -> None:
    """Remove versions that nobody reads, and what killed programs left. For the committer only.

    A reader who resolved the link and finds the version gone resolves it again.
    """
    linked = current(layout)
    for path in layout.versions.glob("*.duckdb"):
        if path == linked:
            continue
        try:
            young = time.time() - path.stat().st_mtime < LEFTOVER_S
            if path.name.startswith(f"{COPY}-") and young:
                continue
            if path.name.startswith("building-") or not is_read(path):
                _discard(path)
        except FileNotFoundError:  # a reader has removed its copy
            continue
    for leftover in (*layout.root.glob("current.duckdb-*"), *layout.root.glob("current.duckdb.wal")):
        leftover.unlink(missing_ok=True)


def _number(path: Path) -> int:
    found = _NUMBER.match(path.name)
    return int(found.group(1)) if found else 0


def is_read(path: Path) -> bool:
    """Whether another process has the version open: DuckDB holds a shared lock on what it reads.

    This process's own locks do not show; what it has open it keeps, even after the name is gone.
    """
    query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    handle = os.open(path, os.O_RDONLY)
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, query)
    except OSError:
        return True
    finally:
        os.close(handle)
    return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK


def _discard(path: Path) -> None:
    for name in (path, path.with_name(path.name + ".wal")):
        name.unlink(missing_ok=True)
