"""A painter's canvas: 64x64 pictures drawn three times as large, with label maps painted by the same strokes.

Coordinates are pixels of the small picture, x to the right and y down. A pixel's label is that of its centre;
its colour is the mean of its nine samples, which is what makes edges smooth.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIZE = 64
OVER = 3  # odd, so that one sample lies at each pixel's centre
FINE = SIZE * OVER

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

_centres = ((np.arange(FINE) + 0.5) / OVER).astype(np.float32)
X: Array = _centres[None, :]
Y: Array = _centres[:, None]


@lru_cache(maxsize=64)
def _weights(cells: int) -> Array:
    """(FINE, cells) bilinear weights from a coarse grid to the canvas."""
    at = np.linspace(0, cells - 1, FINE)
    return np.clip(1 - np.abs(at[:, None] - np.arange(cells)[None, :]), 0, 1).astype(np.float32)


def noise(rng: np.random.Generator, cells: int) -> Array:
    """Smooth noise in [-1, 1] over the whole canvas, `cells` knots a side."""
    knots = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(_weights(cells) @ knots @ _weights(cells).T, np.float32)


class Canvas:
    """Colour (FINE, FINE, 3) in [0, 1] and three label maps (FINE, FINE): object, part, material."""

    def __init__(self) -> None:
        self.colour = np.zeros((FINE, FINE, 3), np.float32)
        self.labels = np.zeros((3, FINE, FINE), np.uint8)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """The canvas' rows and columns around a box, so that a small shape costs little."""
        rows = slice(max(0, int(top * OVER) - 1), min(FINE, max(0, int(bottom * OVER) + 2)))
        columns = slice(max(0, int(left * OVER) - 1), min(FINE, max(0, int(right * OVER) + 2)))
        return rows, columns

    def paint(
        self,
        where: tuple[slice, slice],
        mask: Mask,
        colour: Array,
        scene: int | None = None,
        part: int | None = None,
        material: int | None = None,
    ) -> None:
        """Paint `colour` ((3,) or as large as the window) where `mask`; None leaves a label map as it is."""
        view = self.colour[where]
        view[mask] = colour if colour.ndim == 1 else np.broadcast_to(colour, view.shape)[mask]
        for label, value in zip(self.labels, (scene, part, material), strict=True):
            if value is not None:
                label[where][mask] = value

    def finish(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The picture (SIZE, SIZE, 3) uint8 and its labels (3, SIZE, SIZE) uint8."""
        small = self.colour.reshape(SIZE, OVER, SIZE, OVER, 3).mean((1, 3))
        picture = np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture, self.labels[:, OVER // 2 :: OVER, OVER // 2 :: OVER].copy()


def box(x: Array, y: Array, left: float, top: float, right: float, bottom: float) -> Mask:
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def ellipse(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Mask:
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


def trapezoid(
    x: Array, y: Array, top: tuple[float, float, float], bottom: tuple[float, float, float]
) -> Mask:
    """Between two horizontal edges, each (left, right, y); a triangle where the top edge has no length."""
    t = (y - top[2]) / max(bottom[2] - top[2], 1e-3)
    left, right = top[0] + t * (bottom[0] - top[0]), top[1] + t * (bottom[1] - top[1])
    return (t >= 0) & (t < 1) & (x >= left) & (x < right)


def arch(x: Array, y: Array, left: float, top: float, right: float, bottom: float) -> Mask:
    """A box whose upper end is a half circle."""
    half = (right - left) / 2
    spring = min(top + half, bottom)
    return box(x, y, left, spring, right, bottom) | (
        ellipse(x, y, left + half, spring, half, max(spring - top, 1e-3)) & (y < spring)
    )
