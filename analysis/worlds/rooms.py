"""The rooms world: drawn interiors of 64x64 pixels with exact maps of objects and materials.

A room is a box in one-point perspective. Windows, doors and paintings hang on its walls, doors from the floor
up; carpets lie on the floor; furniture stands on it, the near before the far. Sizes, colours, light and
places vary, and each thing is missing from many rooms.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.worlds import furniture, interiors
from analysis.worlds.canvas import SIZE, Canvas

__all__ = ["SIZE", "draw", "scene"]

Make = Callable[[Canvas, np.random.Generator, interiors.Room, float, float], object]
Thing = tuple[float, Make, float]  # how far it stands, what draws it, and its x
OBJECT_AND_MATERIAL = [0, 2]  # of a canvas' three maps; things in rooms have no parts


def _on_walls(canvas: Canvas, rng: np.random.Generator, space: interiors.Room) -> None:
    taken: list[interiors.Place] = []
    if rng.random() < 0.55:
        size = (rng.uniform(0.8, 1.1), rng.uniform(1.9, 2.15))
        if place := interiors.free(rng, space, taken, size, 0.0):
            interiors.door(canvas, rng, space, place)
    for _ in range(int(rng.choice(3, p=[0.25, 0.55, 0.2]))):
        size = (rng.uniform(0.8, 1.7), rng.uniform(0.9, 1.4))
        if place := interiors.free(rng, space, taken, size, rng.uniform(0.7, 1.05)):
            interiors.window(canvas, rng, space, place)
    for _ in range(int(rng.choice(3, p=[0.3, 0.45, 0.25]))):
        size = (rng.uniform(0.5, 1.2), rng.uniform(0.5, 0.9))
        if place := interiors.free(rng, space, taken, size, rng.uniform(1.2, 1.6)):
            interiors.painting(canvas, rng, space, place)


def _furnish(canvas: Canvas, rng: np.random.Generator, space: interiors.Room) -> None:
    """Carpet and bed, then the other furniture from far to near."""
    if rng.random() < 0.5:
        interiors.carpet(canvas, rng, space)
    if rng.random() < 0.45:
        furniture.bed(canvas, rng, space)
    things = _dining(rng, space) + _standing(rng, space)
    for z, make, x in sorted(things, key=lambda thing: -thing[0]):
        make(canvas, rng, space, z, x)


def _dining(rng: np.random.Generator, space: interiors.Room) -> list[Thing]:
    """Perhaps a table, with a lamp on it or a chair beside it."""
    if rng.random() >= 0.5:
        return []
    z, x = rng.uniform(2.0, space.depth - 0.8), rng.uniform(0.5, space.width - 0.5)
    things: list[Thing] = [(z, _table_with_lamp if rng.random() < 0.35 else furniture.table, x)]
    if rng.random() < 0.5:
        near = z + float(rng.choice([-0.5, 0.9]))
        if 1.7 < near < space.depth - 0.6:
            things.append((near, furniture.chair, x + rng.uniform(-0.4, 0.4)))
    return things


STANDING: tuple[tuple[Make, tuple[float, ...], float, float], ...] = (
    (furniture.chair, (0.65, 0.35), 1.9, 0.6),
    (furniture.floor_lamp, (0.68, 0.32), 1.9, 0.3),
    (furniture.hanging_lamp, (0.70, 0.30), 2.2, 1.0),
    (furniture.plant, (0.55, 0.35, 0.10), 1.9, 0.3),
)  # chances of 0, 1, ... of them; how near they stand, and how far from the back wall


def _standing(rng: np.random.Generator, space: interiors.Room) -> list[Thing]:
    things: list[Thing] = []
    for make, chances, near, back in STANDING:
        for _ in range(int(rng.choice(len(chances), p=chances))):
            things.append((rng.uniform(near, space.depth - back), make, rng.uniform(0.3, space.width - 0.3)))
    return things


def _table_with_lamp(
    canvas: Canvas, rng: np.random.Generator, space: interiors.Room, z: float, x: float
) -> None:
    furniture.table_lamp(canvas, rng, space, furniture.table(canvas, rng, space, z, x))


def scene(seed: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The `index`-th picture (64, 64, 3) of a seed and its labels (2, 64, 64), both uint8.

    Labels: 0 is nothing, i+1 is `room_vocabulary.CONCEPTS[i]`; the maps are objects and materials.
    """
    rng = np.random.default_rng((seed, index))
    canvas = Canvas()
    space = interiors.room(rng)
    interiors.shell(canvas, rng, space)
    _on_walls(canvas, rng, space)
    _furnish(canvas, rng, space)
    picture, labels = canvas.finish()
    return picture, labels[OBJECT_AND_MATERIAL]


def draw(seed: int, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (N, 64, 64, 3) and labels (N, 2, 64, 64), uint8; each follows from (seed, i) alone."""
    drawn = [scene(seed, index) for index in range(start, stop)]
    return np.stack([picture for picture, _ in drawn]), np.stack([labels for _, labels in drawn])
