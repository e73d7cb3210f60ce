"""Bilinear upsampling: where each pixel row or column reads a featuremap, with align_corners=False.

The one place with these coordinates: the counting loops, those on a GPU, the ceiling and the masks on pages
all use them, so that the mask that is shown is the mask that was scored.
"""

import numpy as np
from numpy.typing import NDArray

Axis = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
F32 = np.float32


def axis(cells: int, pixels: int) -> Axis:
    """For each pixel: the two cells it lies between (one twice where exact), and the second's weight."""
    if cells == pixels:
        same = np.arange(cells)
        return same, same, np.zeros(cells, F32)
    place = F32(cells) / F32(pixels) * (np.arange(pixels, dtype=F32) + F32(0.5)) - F32(0.5)
    place = np.maximum(place, F32(0)).astype(F32)
    first = np.minimum(place.astype(np.int64), cells - 1)
    second = np.minimum(first + 1, cells - 1)
    weight = np.clip(place - first.astype(F32), F32(0), F32(1)).astype(F32)
    # A neighbour without weight is not read: 0 times infinity would be no number.
    return first, np.where(weight > 0, second, first), weight


def skipped(cells: tuple[int, int], pixels: tuple[int, int]) -> float:
    """The share of a map's cells that no pixel reads, as of a map over twice as fine as the pixels.

    >>> skipped((8, 8), (4, 4)), skipped((16, 16), (4, 4))
    (0.0, 0.75)
    """
    read = 1.0
    for many, wanted in zip(cells, pixels, strict=True):
        first, second, _weight = axis(many, wanted)
        read *= len(np.union1d(first, second)) / many
    return 1 - read
