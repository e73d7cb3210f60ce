"""Compiling the counting loops, and keeping what was compiled only as long as no loop changes.

numba's own cache looks at the file of the function that is called, not at those of the functions it calls, so
a changed inner loop would go on running in its old form. Here the folder is named by a hash of all the loops.
"""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit

HERE = Path(__file__).parent
READY = "ready"  # a file beside the compiled loops, once all of them are there
# Never a folder that others can write to: numba reads what is kept as code.
PLACES = (
    HERE / "__pycache__",
    Path("~/.cache/ganatomy").expanduser(),
)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A loop as machine code, free of the interpreter's lock, kept on disk where that can be written."""
    folder = _folder()
    if folder is None or getattr(config, "BOUNDSCHECK", None):
        return njit(nogil=True)(function)
    before = getattr(config, "CACHE_DIR", "")
    config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    try:
        return njit(nogil=True, cache=True)(function)
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


def cold() -> bool:
    """True when the loops are still to be compiled on this machine, which takes some seconds."""
    folder = _folder()
    return folder is not None and not (folder / READY).exists()


def note_ready() -> None:
    """From now on the loops are not `cold`."""
    folder = _folder()
    if folder is not None:
        (folder / READY).touch()


@cache
def _folder() -> Path | None:
    digest = hashlib.sha256()
    for file in sorted(HERE.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    name = f"loops-{digest.hexdigest()[:16]}"
    return next((place / name for place in PLACES if _writable(place)), None)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
