"""Pictures of drawn worlds, drawn by other processes while a training goes on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from analysis.training.pictures import draw

CHUNK = 50


def _draw(file: Path, world: str, seed: int, start: int, stop: int) -> None:
    pictures, _labels = draw(world, seed, start, stop)
    kept = open_memmap(file, "r+")
    kept[start:stop] = pictures
    kept.flush()


class PicturePool:
    """Draws `count` pictures of each world into files of a folder; `ready` says how many are there so far."""

    def __init__(self, folder: Path, worlds: Sequence[str], count: int, seed: int, workers: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.count = count
        self._files = {world: folder / f"{world}-{seed}-{count}.npy" for world in worlds}
        self._open: dict[str, list[Future[None]]] = {world: [] for world in worlds}
        self._workers = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"))
        for file in self._files.values():
            open_memmap(file, "w+", np.uint8, (count, 64, 64, 3)).flush()
        for start in range(0, count, CHUNK):
            for world, file in self._files.items():
                stop = min(start + CHUNK, count)
                self._open[world].append(self._workers.submit(_draw, file, world, seed, start, stop))

    def ready(self, world: str) -> int:
        """How many pictures of a world, from the first on, are drawn."""
        done = 0
        for future in self._open[world]:
            if not future.done():
                break
            future.result()
            done += 1
        return min(done * CHUNK, self.count)

    def pictures(self, world: str, start: int, stop: int) -> NDArray[np.uint8]:
        drawn: NDArray[np.uint8] = np.array(np.load(self._files[world], mmap_mode="r")[start:stop])
        return drawn

    def close(self) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)
