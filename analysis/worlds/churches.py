"""The churches world: drawn scenes of 64x64 pixels with exact maps of objects, parts and materials.

Rules of place: clouds are in the sky, trees stand on grass, doors at a wall's foot, windows on walls, and a
path leads from a door to the viewer. Light, colours, sizes and places vary, and one scene in five has no
building, so that position alone does not give a concept away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.worlds import buildings, land, palette
from analysis.worlds.canvas import OVER, SIZE, Canvas
from analysis.worlds.vocabulary import GRASS

__all__ = ["SIZE", "draw", "scene"]


def _plan(rng: np.random.Generator, horizon: float) -> list[tuple[float, str, float]]:
    """What stands in the scene, far to near: (foot's y, kind, x)."""
    plan: list[tuple[float, str, float]] = []
    count = int(rng.choice(3, p=[0.2, 0.6, 0.2]))
    for number in range(count):
        near = rng.uniform(0.12, 0.8) if number == 0 else rng.uniform(0.02, 0.3)
        kind = "church" if number == 0 and rng.random() < 0.8 else "house"
        plan.append((horizon + 1 + near * (SIZE - horizon), kind, rng.uniform(8, SIZE - 8)))
    for _ in range(int(rng.choice(6, p=[0.14, 0.2, 0.24, 0.2, 0.14, 0.08]))):
        near = rng.uniform(0.03, 0.9) ** 1.3
        plan.append((horizon + 1 + near * (SIZE - horizon), "tree", rng.uniform(-2, SIZE + 2)))
    return sorted(plan)


def _scale(foot: float, horizon: float) -> float:
    """How large a thing is drawn whose foot stands at this height of the picture."""
    return 0.62 + 0.95 * (foot - horizon) / (SIZE - horizon)


def _on_grass(canvas: Canvas, x: float, y: float) -> bool:
    column, row = int(np.clip(x, 0, SIZE - 0.01) * OVER), int(min(y, SIZE - 0.5) * OVER)
    return bool(canvas.labels[0, row, column] == GRASS)


def _build(
    canvas: Canvas,
    rng: np.random.Generator,
    kind: str,
    at: tuple[float, float],
    scale: float,
    light: palette.Light,
) -> None:
    look = buildings.style(rng, at[1], scale, light)
    make = buildings.church if kind == "church" else buildings.house
    left, right = make(canvas, rng, at[0], at[1], look)
    if right > left and rng.random() < 0.75:
        land.path(canvas, rng, ((left + right) / 2, at[1], right - left), light)


def scene(seed: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The `index`-th picture (64, 64, 3) of a seed and its labels (3, 64, 64), both uint8.

    Labels: 0 is nothing, i+1 is `vocabulary.CONCEPTS[i]`; the maps are objects, parts and materials.
    """
    rng = np.random.default_rng((seed, index))
    canvas = Canvas()
    horizon = rng.uniform(24, 44)
    light = land.sky(canvas, rng, horizon)
    land.clouds(canvas, rng, horizon, light)
    land.hills(canvas, rng, horizon, light)
    land.grass(canvas, rng, horizon, light)
    plan = _plan(rng, horizon)
    if all(kind == "tree" for _, kind, _ in plan) and rng.random() < 0.5:
        land.path(canvas, rng, (rng.uniform(10, SIZE - 10), horizon, rng.uniform(0.6, 1.6)), light)
    for foot, kind, x in plan:
        scale = _scale(foot, horizon) * rng.uniform(0.9, 1.15)
        if kind != "tree":
            _build(canvas, rng, kind, (x, foot), scale, light)
        elif _on_grass(canvas, x, foot):
            land.tree(canvas, rng, (x, foot), rng.uniform(12, 21) * scale, light)
    return canvas.finish()


def draw(seed: int, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (N, 64, 64, 3) and labels (N, 3, 64, 64), uint8; each follows from (seed, i) alone."""
    drawn = [scene(seed, index) for index in range(start, stop)]
    return np.stack([picture for picture, _ in drawn]), np.stack([labels for _, labels in drawn])
