"""The format of bundles, and how older ones are read: never rewritten, a lift works on what is read.

To change the format: raise FORMAT, and put into LIFTS, under the old number, the function that gives a table
of the next format from the tables of that one. Keep a small real bundle of the old format in tests/data.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from db.errors import StoreError
from db.store.old_names import renamed

FORMAT = 2

Read = Callable[[str], pa.Table]  # a bundle's table by name
Lift = Callable[[str, Read], pa.Table]
LIFTS: dict[int, Lift] = {1: renamed}


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a bundle. Raises StoreError when it is damaged, or newer than this program."""
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        number = int(manifest["format_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The bundle {path} is damaged (no readable manifest); {REMEDY}.") from error
    if number > FORMAT:
        raise StoreError(
            f"The bundle {path} has format {number}, and this program reads up to {FORMAT}; update Ganatomy."
        )
    return dict(manifest)


def lift(number: int, name: str, read: Read) -> pa.Table:
    """Table `name` of a bundle of format `number`, as the newest format has it; `read` gives what it has."""
    for step in range(number, FORMAT):
        read = partial(_lifted, LIFTS[step], read)
    return read(name)


def _lifted(step: Lift, read: Read, name: str) -> pa.Table:
    return step(name, read)


REMEDY = (
    "bring its folder back from a backup, or remove the run with `ganatomy store delete` and run it again"
)
