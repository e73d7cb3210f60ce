"""Label maps of earlier runs: a second run over the same images need not segment them again.

Maps are in the store's `labels` folder by what they depend on (generator, segmenter with its vocabulary,
seed, grid), one file per block of images. A map that is missing or damaged is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.shared import array_files
from db.layout import Layout
from db.store import files


@dataclass(frozen=True)
class LabelCache:
    """The label maps of one generator, segmenter and seed."""

    folder: Path

    @classmethod
    def of(
        cls,
        layout: Layout,
        generator: str,
        segmenter: str,
        concepts: Sequence[str],
        seed: int,
        image: Sequence[int],
    ) -> LabelCache:
        """The store for these weights (by hash), concepts, seed and image shape."""
        parts = [generator, segmenter, *concepts, str(seed), *map(str, image)]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        folder = layout.labels / key
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def get(self, start: int, stop: int) -> NDArray[np.unsignedinteger] | None:
        """Label maps (stop - start, maps, h, w) of images start to stop, or None when there are none."""
        try:
            labels: NDArray[np.unsignedinteger] = array_files.read(self._file(start, stop))["labels"]
        except (OSError, array_files.DamagedFileError, KeyError):
            return None
        whole = labels.ndim == 4 and len(labels) == stop - start and labels.dtype.kind == "u"
        return labels if whole else None

    def put(self, start: int, stop: int, labels: NDArray[np.integer]) -> None:
        """Write label maps, whole or not at all, in as few bytes as their values need."""
        largest = int(labels.max(initial=0))
        small = labels.astype(np.uint8 if largest < 256 else np.uint16 if largest < 65536 else np.uint32)
        with files.replacing(self._file(start, stop), durable=False) as aside:
            array_files.write(aside, {"labels": small}, compressed=True)

    def _file(self, start: int, stop: int) -> Path:
        return self.folder / f"{start:09d}-{stop:09d}.npz"
