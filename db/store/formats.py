"""The format of bundles, and how older ones are read: never rewritten, a lift works on what is read.

To change the format: raise FORMAT, and put into LIFTS, under the old number, the function that turns a table
of that format into one of the next. Keep a small real bundle of the old format in tests/data.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from db.errors import StoreError

FORMAT = 1

Lift = Callable[[str, pa.Table], pa.Table]
LIFTS: dict[int, Lift] = {}


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


def lift(number: int, name: str, rows: pa.Table) -> pa.Table:
    """Rows of table `name` as they were written in format `number`, as the newest format has them."""
    for step in range(number, FORMAT):
        rows = LIFTS[step](name, rows)
    return rows


REMEDY = (
    "bring its folder back from a backup, or remove the run with `ganatomy store delete` and run it again"
)
