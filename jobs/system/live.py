"""Small JSON files in the store's `live` folder about what runs now. A reader never sees half a file.

They are hints for people. The truth is in the queue (which jobs there are) and the bundles (their results).
"""

from __future__ import annotations

import json
import os
import socket
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from db.layout import Layout
from db.store import files

JsonObject = dict[str, Any]
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # another at each boot; all containers share it
# The keys of a checked file. Nothing else in these files has a name that begins with a line.
VALUES, CRC = "_values", "_crc32"


def path(layout: Layout, job_id: str, what: str) -> Path:
    """A file of `job_id`. The job process writes 'progress' and 'error', its worker writes 'watch'."""
    return layout.live / f"{job_id}.{what}.json"


def write(file: Path, values: JsonObject) -> None:
    """Replace `file` in one step. No fsync: after a power failure nothing of this is true any more."""
    with files.replacing(file, durable=False) as aside:
        aside.write_text(json.dumps(values))


def write_checked(file: Path, values: JsonObject) -> None:
    """Replace `file` in one step, with a checksum: `read` finds nothing in a damaged file.

    For numbers that a later process takes over. A changed digit is still JSON.
    """
    write(file, {VALUES: values, CRC: _crc(values)})


def read(file: Path) -> JsonObject:
    """The file's values; empty when it is missing, not readable, or not what its checksum says."""
    try:
        values = json.loads(file.read_text())
        if isinstance(values, dict) and (VALUES in values or CRC in values):  # one key may be damaged
            values = values[VALUES] if _crc(values[VALUES]) == values[CRC] else {}
    except (OSError, ValueError, KeyError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _crc(values: object) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def forget(layout: Layout, job_id: str, *whats: str) -> None:
    """Remove the named files of a job if they exist."""
    for what in whats:
        path(layout, job_id, what).unlink(missing_ok=True)


def identity() -> JsonObject:
    """What identifies this process. The time of birth tells it from a later process of the same id."""
    return {"pid": os.getpid(), "born": _born(os.getpid()), "machine": machine()}


def alive(values: JsonObject) -> bool:
    """Whether the process that wrote its `identity()` into `values` runs on this machine."""
    try:
        return values.get("machine", machine()) == machine() and _born(int(values["pid"])) == values["born"]
    except (KeyError, TypeError, ValueError):
        return False


@cache
def machine() -> str:
    """What two processes share if they see each other's process ids: the boot and the pid namespace.

    The host name would not do. Containers on one machine may have the same, and it can change.
    """
    try:
        return f"{BOOT_ID.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _born(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None when it has ended.

    The kernel counts these ticks. A time of day would change with the wall clock.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
