"""Sky, clouds, hills, grass, paths and trees of the churches world."""

from __future__ import annotations

import numpy as np

from analysis.worlds import palette
from analysis.worlds.canvas import SIZE, Array, Canvas, X, Y, box, ellipse, noise, trapezoid
from analysis.worlds.vocabulary import CLOUD, GRASS, HILL, PATH, SKY, TREE

ALL = (slice(None), slice(None))


def sky(canvas: Canvas, rng: np.random.Generator, horizon: float) -> palette.Light:
    kind = int(rng.choice(len(palette.SKIES), p=[0.25, 0.2, 0.15, 0.16, 0.12, 0.12]))
    above, below = (np.asarray(c, np.float32) + rng.normal(0, 0.03) for c in palette.SKIES[kind])
    t = np.clip(Y / horizon, 0, 1)[:, :, None]
    canvas.paint(ALL, np.ones_like(X + Y, bool), ((1 - t) * above + t * below).astype(np.float32), scene=SKY)
    return palette.light(rng, kind, np.clip(below, 0, 1).astype(np.float32))


def clouds(canvas: Canvas, rng: np.random.Generator, horizon: float, light: palette.Light) -> None:
    for _ in range(int(rng.choice(5, p=[0.22, 0.26, 0.26, 0.16, 0.10]))):
        width, cx = rng.uniform(8, 24), rng.uniform(0, SIZE)
        height = width * rng.uniform(0.22, 0.4)
        cy = rng.uniform(height, max(horizon - height - 3, height + 1))
        where = canvas.window(cx - width, cy - height * 2, cx + width, cy + height * 2)
        x, y = X[:, where[1]], Y[where[0]]
        mask = ellipse(x, y, cx, cy, width / 2, height / 2)
        for _ in range(int(rng.integers(2, 5))):
            radius = height * rng.uniform(0.5, 0.9)
            mask |= ellipse(
                x, y, cx + rng.uniform(-0.35, 0.35) * width, cy - radius * 0.45, radius * 1.2, radius
            )
        mask &= y < cy + height * 0.42
        base = (0.94 + rng.uniform(-0.08, 0.06)) * np.minimum(light.tint, 1.02)
        shade = 1 - 0.16 * np.clip((y - cy + height) / (1.6 * height), 0, 1)
        canvas.paint(where, mask, (shade[:, :, None] * base).astype(np.float32), scene=CLOUD)


def hills(canvas: Canvas, rng: np.random.Generator, horizon: float, light: palette.Light) -> None:
    for ridge in range(int(rng.choice(3, p=[0.25, 0.45, 0.30]))):
        height, length = rng.uniform(3, 13) * (1 - 0.35 * ridge), rng.uniform(18, 60)
        phase = rng.uniform(0, 2 * np.pi, 2)
        wave = 0.6 * np.sin(2 * np.pi * X / length + phase[0]) + 0.25 * np.sin(
            5.3 * np.pi * X / length + phase[1]
        )
        top = horizon - height * np.clip(wave + rng.uniform(0.2, 0.6), 0, None)
        haze = rng.uniform(0.25, 0.6) * (1 - 0.5 * ridge)
        base = palette.choose(rng, palette.HILL) * light.tint * (1 - haze) + light.haze * haze
        shade = 1 + 0.10 * np.clip((Y - top) / height, 0, 1) - 0.05
        canvas.paint(
            ALL, (top <= Y) & (horizon > Y), (shade[:, :, None] * base).astype(np.float32), scene=HILL
        )


def grass(canvas: Canvas, rng: np.random.Generator, horizon: float, light: palette.Light) -> None:
    near = palette.choose(rng, palette.GRASS) * light.tint
    far = near * 0.8 + light.haze * 0.2
    t = np.clip((Y - horizon) / (SIZE - horizon), 0, 1)[:, :, None]
    rough = 1 + 0.05 * noise(rng, 9)[:, :, None] + 0.04 * noise(rng, 40)[:, :, None]
    colour = ((1 - t) * far + t * near) * rough
    canvas.paint(ALL, np.broadcast_to(horizon <= Y, (Y + X).shape), colour.astype(np.float32), scene=GRASS)


def path(
    canvas: Canvas, rng: np.random.Generator, start: tuple[float, float, float], light: palette.Light
) -> None:
    """A path from `start` (x, y, width) to the picture's lower edge, widening as it comes near."""
    x0, y0, width = start
    end, near, bend = x0 + rng.uniform(-26, 26), width + rng.uniform(4, 10), rng.uniform(-6, 6)
    t = np.clip((Y - y0) / max(SIZE - y0, 1), 0, 1)
    middle = x0 + (end - x0) * t + bend * np.sin(np.pi * t)
    mask = (np.abs(X - middle) <= (width + (near - width) * t) / 2) & (y0 <= Y)
    base = palette.choose(rng, palette.PATH) * light.tint
    colour = base * (1 + 0.05 * noise(rng, 30))[:, :, None]
    canvas.paint(ALL, mask, colour.astype(np.float32), scene=PATH)


def tree(
    canvas: Canvas, rng: np.random.Generator, foot: tuple[float, float], size: float, light: palette.Light
) -> None:
    """A tree of `size` pixels whose trunk stands at `foot`; round or pointed, lit from the light's side."""
    cx, base = foot
    where = canvas.window(cx - size, base - size * 1.2, cx + size, base)
    x, y = X[:, where[1]], Y[where[0]]
    trunk = box(x, y, cx - size * 0.06 - 0.3, base - size * 0.35, cx + size * 0.06 + 0.3, base)
    canvas.paint(
        where, trunk, palette.choose(rng, palette.TRUNK) * light.tint, scene=TREE, part=0, material=0
    )
    width, top = size * rng.uniform(0.26, 0.42), base - size
    if rng.random() < 0.35:
        crown = trapezoid(x, y, (cx, cx, top), (cx - width * 0.8, cx + width * 0.8, base - size * 0.15))
    else:
        crown = ellipse(x, y, cx, base - size * 0.6, width, size * 0.4)
        for _ in range(3):
            r = width * rng.uniform(0.5, 0.8)
            crown |= ellipse(
                x, y, cx + rng.uniform(-0.6, 0.6) * width, base - size * rng.uniform(0.45, 0.75), r, r
            )
    lit = 1 + light.contrast * light.side * np.clip((x - cx) / width, -1, 1)
    colour: Array = (palette.choose(rng, palette.LEAVES) * light.tint)[None, None] * lit[:, :, None]
    canvas.paint(where, crown, colour.astype(np.float32), scene=TREE, part=0, material=0)
