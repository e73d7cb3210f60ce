"""File locks that the kernel frees when their holder dies, however it dies. So no lock can be stale."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Lock:
    """A held lock. A child that inherits `fd` holds it too, for as long as the child lives."""

    name: str
    fd: int

    def release(self) -> None:
        """Let go. The lock is free once every process that inherited it has let go too."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take(folder: Path, name: str, shared: bool = False) -> Lock | None:
    """Take the lock `name` in `folder`; None at once when another process holds it.

    With `shared`, other users of this machine can take it too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if shared and folder.stat().st_uid == os.getuid():
        folder.chmod(0o1777)
    fd = _open(folder / f"{name}.lock", 0o644 if shared else 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return Lock(name, fd)


def held(folder: Path, name: str) -> bool:
    """Whether a process holds the lock `name` in `folder`. Those who ask do not stand in each other's way."""
    try:
        fd = os.open(folder / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _open(file: Path, mode: int) -> int:
    """A descriptor of the lock file; reading is enough to lock it.

    O_CREAT comes only after a plain open has failed. In a folder with the sticky bit, which all users share,
    the kernel refuses O_CREAT for an existing file of another user (fs.protected_regular).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(file, flags)
    except FileNotFoundError:
        return os.open(file, flags | os.O_CREAT, mode)
