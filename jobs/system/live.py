"""Small JSON files about what runs now, in the store's `live` folder. Each is replaced whole, so a reader
never sees half.

They are hints for people, not truth: truth is the queue (which jobs there are) and the bundles (what they
found).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from db.layout import Layout


def path(layout: Layout, job_id: str, what: str) -> Path:
    """The file of `job_id`: 'progress' is written by the heavy process, 'watch' by the worker that watches
    it."""
    return layout.live / f"{job_id}.{what}.json"


def write(file: Path, values: dict[str, Any]) -> None:
    """Replace `file` in one step. A unique temporary name, since two processes may write at once after a
    kill."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    temporary.write_text(json.dumps(values))
    os.replace(temporary, file)


def read(file: Path) -> dict[str, Any]:
    """The file's values; empty when it is not there or not readable."""
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def forget(layout: Layout, job_id: str, *whats: str) -> None:
    """Remove the named files of a job, if they are there."""
    for what in whats:
        path(layout, job_id, what).unlink(missing_ok=True)


def me() -> dict[str, Any]:
    """What identifies this process for as long as it lives, even if its number is used again later."""
    return {"pid": os.getpid(), "born": psutil.Process().create_time()}


def alive(values: dict[str, Any]) -> bool:
    """True while the process that wrote `me()` into `values` runs on this machine."""
    try:
        process = psutil.Process(int(values["pid"]))
        return abs(process.create_time() - values["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (KeyError, TypeError, ValueError, psutil.Error):
        return False
