"""The drawn pictures a model is trained on, drawn once and kept beside the training state."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.shared.files import replacing
from analysis.worlds.churches import draw

Pictures = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def pictures(folder: Path, seed: int, count: int, workers: int = 2, chunk: int = 250) -> Pictures:
    """Images (count, 64, 64, 3) and labels (count, 3, 64, 64) of a seed, from the folder's file if there."""
    file = folder / f"pictures-{seed}-{count}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        starts = range(0, count, chunk)
        stops = [min(start + chunk, count) for start in starts]
        with ProcessPoolExecutor(workers) as pool:
            parts = list(pool.map(draw, repeat(seed), starts, stops))
        with replacing(file) as aside:
            np.savez_compressed(
                aside,
                images=np.concatenate([p for p, _ in parts]),
                labels=np.concatenate([q for _, q in parts]),
            )
    with np.load(file) as kept:
        return kept["images"], kept["labels"]
