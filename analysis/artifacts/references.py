"""Pictures to compare a generator's with: a drawn world, a folder, or another generator.

for images in reference("drawn:churches", count=1000): ...          # (n, 3, H, W) in [-1, 1]
reference("folder:/data/churches", count=1000, size=(64, 64))
reference("generator:faces", count=1000, models=store / "models")
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from analysis.artifacts.reference_names import WORLDS, must_have, pictures_in
from analysis.shared.latent_ranges import OTHER

FRESH = 3  # the seed of drawn pictures that no training saw
BATCH = 50


def reference(
    name: str, count: int = 1000, *, size: tuple[int, int] | None = None, models: Path | None = None
) -> Iterator[Tensor]:
    """Yield batches of `count` reference pictures, resized to (height, width) where a size is given.

    Raises:
        GanatomyError: the name is of no known kind, or there are fewer pictures.
    """
    kind, _, what = name.partition(":")
    makers = {"drawn": _drawn, "folder": _folder, "generator": _generator}
    must_have(name, count)
    for images in makers[kind](what, count, models, size):
        yield images if size is None or images.shape[-2:] == size else _resized(images, size)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.nn.functional.interpolate(
        images, size=size, mode="bilinear", align_corners=False, antialias=True
    )


def _as_images(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _ranges(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, BATCH):
        yield start, min(start + BATCH, count)


def _drawn(world: str, count: int, _models: Path | None, _size: object) -> Iterator[Tensor]:
    draw = import_module(WORLDS[world]).draw
    for start, stop in _ranges(count):
        yield _as_images(draw(FRESH, start, stop)[0])


def _folder(path: str, count: int, _models: Path | None, size: tuple[int, int] | None) -> Iterator[Tensor]:
    files = pictures_in(Path(path))[:count]
    for start, stop in _ranges(count):
        read = []
        for file in files[start:stop]:
            with Image.open(file) as picture:
                wanted = picture if size is None else picture.resize(size[::-1], Image.Resampling.BICUBIC)
                read.append(np.asarray(wanted.convert("RGB")))
        yield _as_images(np.stack(read))


def _generator(name: str, count: int, models: Path | None, _size: object) -> Iterator[Tensor]:
    from analysis.models import generators
    from analysis.shared.latents import latents

    generator = generators.load(name, models)
    for start, stop in _ranges(count):
        yield generator.images(latents(0, OTHER + start, OTHER + stop, generator.latent_shape))
