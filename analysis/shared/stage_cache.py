"""Finished stages of a long computation, as files: a second call goes on from what is there.

kept = Kept(folder, {"generator": sha, "seed": 1})
rows = kept.stage("effects-0", lambda: {"effect": compute()})
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.shared.errors import GanatomyError

Arrays = dict[str, NDArray]
ABOUT = "about"  # the name under which a file carries the hash of all that decided its numbers
SECONDS = "seconds"  # and what it took


class Kept:
    """Stages in a folder (None: nothing is kept), each written aside and renamed.

    `seconds` is what all stages took, in this attempt or an earlier one.
    """

    def __init__(self, folder: Path | None, about: Mapping[str, object]) -> None:
        self.folder, self.seconds = folder, 0.0
        text = json.dumps(about, sort_keys=True, default=str)
        self.hash = hashlib.sha256(text.encode()).hexdigest()

    def stage(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The stage's arrays: read where they are there, else made and kept.

        Raises:
            GanatomyError: the file was made with other parameters.
        """
        path = self.folder / f"{name}.npz" if self.folder else None
        if path and path.exists():
            return self._read(path)
        begun = time.monotonic()
        arrays = make()
        took = time.monotonic() - begun
        self.seconds += took
        if path:
            self._write(path, arrays, took)
        return arrays

    def _write(self, path: Path, arrays: Arrays, took: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.part")
        about = {ABOUT: np.array(self.hash), SECONDS: np.array(took)}
        with aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays, **about)
        aside.replace(path)

    def _read(self, path: Path) -> Arrays:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        if str(arrays.pop(ABOUT, "")) != self.hash:
            raise GanatomyError(
                f"'{path.name}' was made with other settings or models; choose another folder, or remove it."
            )
        self.seconds += float(arrays.pop(SECONDS))
        return arrays
