"""Files that are there whole or not at all: written aside, flushed to the disk, then renamed."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.errors import StoreError


def unique(stem: str) -> str:
    """A name nobody used before. A killed writer's leftovers must never be taken for somebody else's file."""
    return f"{stem}-{uuid.uuid4().hex}"


def flush(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield the name of a file to write, which replaces `path` in one step when the block ends.

    A reader sees the old content or the new, never half of it. When the block fails, `path` stays as it was.
    The name is unique, because two processes may write the same file at once after one was thought dead.

    Args:
        path: The file to replace or to make.
        durable: Whether the content is on the disk before it gets its name. Without this, a power failure
            may leave an empty file under the name; that is enough for what can be made again.
    """
    aside = path.with_name(f".{unique(path.name)}.tmp")
    try:
        yield aside
        if durable:
            flush(aside)
        os.replace(aside, path)
        if durable:
            flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy the content in the kernel, sharing blocks where possible; the copy can be written."""
    with source.open("rb") as old, target.open("xb") as new:
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
                pass
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            shutil.copyfileobj(old, new, 1 << 20)


def point(link: Path, target: Path) -> None:
    """Make `link` point at `target` (both in the same store), in one step for whoever reads it."""
    aside = link.with_name(unique(link.name))
    aside.symlink_to(os.path.relpath(target, link.parent))
    os.replace(aside, link)
    flush(link.parent)


def size(path: Path) -> int:
    """Bytes of a file, or of everything in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for name in [path] if path.is_file() else path.rglob("*"):
        try:
            total += name.lstat().st_size if not name.is_dir() else 0
        except FileNotFoundError:
            continue
    return total


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn the failures that a disk has into a sentence with the remedy."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what} could not be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space (`ganatomy store usage` says what takes it) and try again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "the folder is read-only for you; change its permissions or give another --store."
    return f"{error.strerror or error}; nothing was changed."
