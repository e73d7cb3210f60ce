"""Finished stages of a long computation, as files: a second call goes on from what is there. No torch.

>>> cache = StageCache(None, {"generator": "sha", "seed": 1})
>>> cache.stage("effects", lambda: {"effect": np.zeros(2)})["effect"]
array([0., 0.])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from analysis.shared import array_files
from analysis.shared.arrays import Arrays
from analysis.shared.errors import GanatomyError
from analysis.shared.files import replacing
from analysis.shared.meter import Meter

# A stage's file also holds the hash of everything that decides its numbers, and what it cost.
HASH, COST = "_about", "_cost"


class OtherSettingsError(GanatomyError):
    """A finished stage was made with other settings or models."""


class StageCache:
    """Stages in a folder (None: in memory only), each written aside, flushed and renamed.

    `about` is everything that decides the numbers. `meter` counts what all stages cost, in this call or in an
    earlier one.
    """

    def __init__(self, folder: Path | None, about: Mapping[str, object], meter: Meter | None = None) -> None:
        self.folder, self.meter = folder, meter or Meter()
        text = json.dumps(dict(about), sort_keys=True, default=str)
        self.hash = hashlib.sha256(text.encode()).hexdigest()
        self._known: dict[str, Arrays] = {}

    def stage(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the stage's arrays: read if they are there, else made and written.

        `make` must not ask for another stage, or that stage's cost would be counted twice.

        Raises:
            OtherSettingsError: the file was made with other settings. A damaged file is made again.
        """
        if name not in self._known:
            path = self.folder / f"{name}.npz" if self.folder else None
            found = self._read(path) if path and path.exists() else None
            self._known[name] = self._make(path, make) if found is None else found
        return self._known[name]

    def _make(self, path: Path | None, make: Callable[[], Arrays]) -> Arrays:
        before = self.meter.values()
        arrays = make()
        if path is None:
            return arrays
        path.parent.mkdir(parents=True, exist_ok=True)
        cost = np.subtract(self.meter.values(), before)
        with replacing(path) as aside:
            array_files.write(aside, {**arrays, HASH: np.array(self.hash), COST: cost})
        return arrays

    def _read(self, path: Path) -> Arrays | None:
        """Return the arrays of a file; None if it is damaged, or if it says neither its hash nor its cost."""
        try:
            arrays = array_files.read(path)
        except (OSError, array_files.DamagedFileError):
            return None
        if HASH not in arrays or COST not in arrays:
            return None
        if str(arrays.pop(HASH)) != self.hash:
            raise OtherSettingsError(
                f"{path} was made with other settings or models; use another folder, or remove it."
            )
        self.meter.add(tuple(arrays.pop(COST)))
        return arrays
