"""Locks that the kernel frees when their holder dies, however it dies: nothing stale can stop the next
one."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Lock:
    """A held lock. A child that inherits `fd` keeps it held for as long as the child lives."""

    name: str
    fd: int

    def release(self) -> None:
        """Let go; the lock is free once every process that inherited it has let go too."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take(folder: Path, name: str) -> Lock | None:
    """Take the lock `name` in `folder`, or None at once when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return Lock(name, fd)


def first(folder: Path, names: list[str]) -> Lock | None:
    """The first of `names` that is free, taken; None when all are held."""
    return next((lock for name in names if (lock := take(folder, name))), None)
