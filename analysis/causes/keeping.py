"""Finished stages as files, so that a call that was cut off goes on where it stood. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from analysis.causes.meter import Meter
from analysis.shared.errors import GanatomyError

Arrays = dict[str, NDArray[Any]]


class Keep:
    """Stages of one task in a folder (None: kept nowhere). `about` is all that decides the numbers."""

    def __init__(self, folder: Path | None, about: Mapping[str, Any], meter: Meter) -> None:
        self._folder, self._meter = folder, meter
        text = json.dumps(dict(about), sort_keys=True, default=str)
        self._hash = hashlib.sha256(text.encode()).hexdigest()
        self._known: dict[str, Arrays] = {}  # so that a stage that is asked for twice is counted once
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a stage: as kept, or made now and kept. Passes and seconds are those
        of its making. What a stage stands on is to be there before, or it would be counted twice.

        Raises:
            GanatomyError: the folder holds this stage of another task.
        """
        if name not in self._known:
            self._known[name] = make() if self._folder is None else self._stage(self._folder, name, make)
        return self._known[name]

    def _stage(self, folder: Path, name: str, make: Callable[[], Arrays]) -> Arrays:
        path = folder / f"{name}.npz"
        found = self._read(path)
        if found is not None:
            return found
        before = self._meter.values()
        arrays = make()
        spent = np.subtract(self._meter.values(), before)
        aside = path.with_name(f".{name}-{uuid4().hex}")
        with open(aside, "wb") as file:
            kept = arrays | {"_hash": np.array(self._hash), "_spent": spent}
            np.savez(file, **kept)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        return arrays

    def _read(self, path: Path) -> Arrays | None:
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            kept, spent = str(arrays.pop("_hash")), arrays.pop("_spent")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise GanatomyError(f"{path} is damaged; remove it, and it is made again.") from error
        if kept != self._hash:
            raise GanatomyError(f"{path} belongs to other parameters; use another folder or remove it.")
        self._meter.add(tuple(spent))
        return arrays
