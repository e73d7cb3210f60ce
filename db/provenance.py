"""What a run's row says about how it was made."""

import datetime
import getpass
import platform
import socket
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("ganatomy", "torch", "torchvision", "numpy", "scipy", "numba", "pandas", "pyarrow", "duckdb")


def provenance(started_at: datetime.datetime | None = None) -> dict[str, Any]:
    """Columns of `run` that every job fills alike: versions, host, git_revision, owner, and the times.

    `started_at` is aware or naive UTC; with it duration_s is given too.
    """
    now = utc_now()
    known: dict[str, Any] = {"versions": versions(), "host": socket.gethostname(), "owner": owner()}
    known |= {"git_revision": git_revision(), "finished_at": now}
    if started_at is None:
        return known
    start = started_at.astimezone(datetime.UTC).replace(tzinfo=None) if started_at.tzinfo else started_at
    return known | {"started_at": start, "duration_s": (now - start).total_seconds()}


def utc_now() -> datetime.datetime:
    """Now, naive UTC: what the store's time columns hold."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def owner() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user that has no name
        return None


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_revision() -> str | None:
    """The checkout's revision, `+` behind it where files were changed; None for an installed program."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        revision = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return revision + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
