"""Names of the pictures that a generator's are compared with."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import StringConstraints

from analysis.artifacts.reference_names import must_have
from analysis.shared.errors import GanatomyError
from db.layout import Layout

Reference = Annotated[
    str, StringConstraints(pattern=r"^(drawn|folder|generator):[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
]


def check(layout: Layout, reference: str, count: int) -> None:
    """Raise `GanatomyError` unless the reference is there, with `count` pictures."""
    kind, _, name = reference.partition(":")
    keys(layout, reference)
    must_have(f"folder:{layout.references / name}" if kind == "folder" else reference, count)


def keys(layout: Layout, reference: str | None) -> list[str]:
    """For a folder of pictures, a hash of the names, sizes and times of its files; else nothing.

    Raises:
        GanatomyError: there is no such folder.
    """
    if not (reference or "").startswith("folder:"):
        return []
    folder = layout.references / str(reference).partition(":")[2]
    if not folder.is_dir():
        raise GanatomyError(
            f"The store has no folder references/{folder.name}; put the pictures there, or choose "
            "drawn:churches or generator:NAME."
        )
    found = ((str(f.relative_to(folder)), f.stat()) for f in folder.rglob("*") if f.is_file())
    files = sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    return [hashlib.sha256(json.dumps(files).encode()).hexdigest()]
