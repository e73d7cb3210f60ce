"""The drawn pictures a model is trained on, drawn once and kept beside the training state."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.shared.files import replacing

Pictures = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def draw(world: str, seed: int, start: int, stop: int) -> Pictures:
    """Pictures `start` to `stop` of a drawn world and their labels."""
    drawn: Pictures = import_module(f"analysis.worlds.{world}").draw(seed, start, stop)
    return drawn


def pictures(
    folder: Path, seed: int, count: int, world: str = "churches", workers: int = 2, chunk: int = 250
) -> Pictures:
    """Images (count, 64, 64, 3) and labels (count, maps, 64, 64) of a seed.

    They are drawn once and kept in a file of the folder.
    """
    file = folder / f"{world}-{seed}-{count}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        starts = range(0, count, chunk)
        stops = [min(start + chunk, count) for start in starts]
        with ProcessPoolExecutor(workers) as pool:
            parts = list(pool.map(draw, repeat(world), repeat(seed), starts, stops))
        with replacing(file) as aside:
            np.savez_compressed(
                aside,
                images=np.concatenate([p for p, _ in parts]),
                labels=np.concatenate([q for _, q in parts]),
            )
    with np.load(file) as kept:
        return kept["images"], kept["labels"]
