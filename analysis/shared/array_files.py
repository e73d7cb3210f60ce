"""Files of named arrays that notice any damage: npz archives with a checksum of their own. No torch.

A file is an ordinary npz archive whose zip comment is the SHA-256 of every byte before it. NumPy reads it
like any other. Zip's own checks cover the arrays' bytes, but not all of the bytes that say which arrays there
are. A file without the comment, as an earlier version of Ganatomy wrote it, is checked by these alone.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "counts.npz"
>>> write(path, {"counts": np.arange(3)})
>>> read(path)["counts"]
array([0, 1, 2])
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from analysis.shared.arrays import Array, Arrays
from analysis.shared.errors import GanatomyError

MARK = b"sha256:"
DIGITS = 64  # of a SHA-256 in hexadecimal
PIECE = 1 << 20  # bytes that are hashed at once


class DamagedFileError(GanatomyError):
    """A file is not what was written: cut short, empty, changed, or of another kind."""


def write(path: Path | str, arrays: Mapping[str, Array], *, compressed: bool = False) -> None:
    """Write the arrays as one npz file with a checksum."""
    save = np.savez_compressed if compressed else np.savez
    with open(path, "w+b") as file:
        save(file, allow_pickle=False, **arrays)
        with zipfile.ZipFile(file, "a") as archive:
            archive.comment = MARK + b"0" * DIGITS
        end = file.seek(-DIGITS, os.SEEK_END)
        digest = _sha256(file, end)
        file.seek(end)
        file.write(digest)


def read(path: Path | str) -> Arrays:
    """Read the arrays of an npz file.

    Raises:
        DamagedFileError: the file is not whole, or holds something else.
        OSError: there is no such file, or the disk fails.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - DIGITS - len(MARK)))
        comment = file.read()
        checked = comment.startswith(MARK)
        if checked and _sha256(file, size - DIGITS) != comment[len(MARK) :]:
            raise DamagedFileError(f"{path} is damaged.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:
            # Damage gives nearly every kind of error, because any number of a header may be wrong:
            # BadZipFile, zlib.error, EOFError, ValueError, MemoryError and more.
            if checked and isinstance(error, MemoryError):
                raise
            raise DamagedFileError(f"{path} is damaged.") from error


def _sha256(file: IO[bytes], size: int) -> bytes:
    """Return the hash of the first `size` bytes."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (piece := file.read(min(PIECE, size))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest().encode()
