"""The versions and the revision of the program that made a run."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from jobs.queue import workers

PACKAGES = ("ganatomy", "torch", "numpy", "numba", "scipy", "duckdb", "pyarrow")


def columns() -> dict[str, Any]:
    """The columns of table `run` about the program and machine of a run."""
    return {
        "versions": json.dumps(versions()),
        "host": workers.host(),
        "git_revision": revision(),
    }


def versions() -> dict[str, str]:
    """Python's and the packages' versions that decide numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def revision() -> str | None:
    """The git revision that this program runs from, with '+' when files differ; None outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", str(folder))
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=True
    )
    return done.stdout.strip()
