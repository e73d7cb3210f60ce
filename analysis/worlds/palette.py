"""Colours of the churches world: what may be painted how, and the light that falls on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.worlds.canvas import Array

# Each row is one possible base colour; a scene draws one and shifts it a little.
SKIES = (  # above, at the horizon
    ((0.25, 0.48, 0.85), (0.72, 0.84, 0.95)),
    ((0.40, 0.62, 0.92), (0.85, 0.91, 0.97)),
    ((0.16, 0.33, 0.68), (0.55, 0.72, 0.90)),
    ((0.60, 0.64, 0.70), (0.80, 0.82, 0.84)),
    ((0.40, 0.40, 0.62), (0.97, 0.72, 0.50)),
    ((0.55, 0.55, 0.78), (0.98, 0.82, 0.74)),
)
GRASS = ((0.30, 0.52, 0.20), (0.38, 0.58, 0.24), (0.24, 0.44, 0.20), (0.50, 0.56, 0.26))
HILL = ((0.36, 0.46, 0.42), (0.32, 0.42, 0.50), (0.44, 0.46, 0.36), (0.40, 0.38, 0.44))
PATH = ((0.76, 0.66, 0.50), (0.66, 0.58, 0.48), (0.80, 0.76, 0.68))
LEAVES = ((0.14, 0.36, 0.14), (0.20, 0.42, 0.16), (0.10, 0.28, 0.18), (0.34, 0.40, 0.12), (0.50, 0.30, 0.10))
TRUNK = ((0.34, 0.22, 0.14),)
ROOF = ((0.62, 0.26, 0.18), (0.42, 0.24, 0.18), (0.30, 0.32, 0.38), (0.50, 0.20, 0.20))
DOME = ((0.86, 0.68, 0.24), (0.36, 0.62, 0.54), (0.24, 0.36, 0.66), (0.80, 0.74, 0.40))
DOOR = ((0.34, 0.18, 0.08), (0.44, 0.22, 0.10), (0.26, 0.12, 0.10), (0.20, 0.30, 0.18))
PANE = ((0.14, 0.18, 0.28), (0.20, 0.26, 0.36), (0.10, 0.12, 0.18))
LIT = ((0.98, 0.84, 0.42),)
WALLS = {
    "brick": ((0.66, 0.34, 0.24), (0.58, 0.28, 0.22), (0.70, 0.42, 0.28)),
    "plaster": ((0.94, 0.92, 0.86), (0.95, 0.86, 0.66), (0.93, 0.78, 0.70), (0.86, 0.90, 0.92)),
    "stone": ((0.56, 0.55, 0.52), (0.62, 0.58, 0.50), (0.48, 0.50, 0.52)),
}


@dataclass(frozen=True)
class Light:
    """Where the sun stands (-1 left, 1 right), how bright and warm it is, and the colour of the haze."""

    side: int
    tint: Array
    contrast: float
    haze: Array
    evening: bool


def choose(rng: np.random.Generator, colours: tuple[tuple[float, ...], ...], spread: float = 0.04) -> Array:
    """One of the colours, shifted a little."""
    base = np.asarray(colours[rng.integers(len(colours))], np.float32)
    shifted: Array = np.clip(base + rng.normal(0, spread, 3) + rng.normal(0, spread), 0, 1).astype(np.float32)
    return shifted


def light(rng: np.random.Generator, sky: int, haze: Array) -> Light:
    """The light that goes with a sky (index into SKIES)."""
    evening = sky >= 4
    warm = np.array([1.06, 0.95, 0.86] if evening else [1.0, 1.0, 1.0], np.float32)
    brightness = rng.uniform(0.7, 0.95) if evening or sky == 3 else rng.uniform(0.88, 1.12)
    contrast = rng.uniform(0.08, 0.16) if sky == 3 else rng.uniform(0.18, 0.36)
    return Light(
        int(rng.choice([-1, 1])), (warm * brightness).astype(np.float32), float(contrast), haze, evening
    )
