"""Small JSON files in the store's `live` folder about what runs now. A reader never sees half a file.

They are hints for people. The truth is in the queue (which jobs there are) and the bundles (their results).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil

from db.layout import Layout
from db.store import files

JsonObject = dict[str, Any]


def path(layout: Layout, job_id: str, what: str) -> Path:
    """A file of `job_id`. The job process writes 'progress' and 'error', its worker writes 'watch'."""
    return layout.live / f"{job_id}.{what}.json"


def write(file: Path, values: JsonObject) -> None:
    """Replace `file` in one step. No fsync: after a power failure nothing of this is true any more."""
    with files.replacing(file, durable=False) as aside:
        aside.write_text(json.dumps(values))


def read(file: Path) -> JsonObject:
    """The file's values; empty when it is missing or not readable."""
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def forget(layout: Layout, job_id: str, *whats: str) -> None:
    """Remove the named files of a job if they exist."""
    for what in whats:
        path(layout, job_id, what).unlink(missing_ok=True)


def identity() -> JsonObject:
    """What identifies this process. The time of birth tells it from a later process of the same id."""
    return {"pid": os.getpid(), "born": psutil.Process().create_time()}


def alive(values: JsonObject) -> bool:
    """Whether the process that wrote its `identity()` into `values` runs on this machine."""
    try:
        process = psutil.Process(int(values["pid"]))
        return abs(process.create_time() - values["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (KeyError, TypeError, ValueError, psutil.Error):
        return False
