"""An empty room in one-point perspective: walls, floor and ceiling, and what lies flat on them.

Lengths are metres. The camera looks along z from (eye.x, eye.height, 0); x runs to the right from the left
wall, y up from the floor. Each sample of the canvas knows the surface that its ray meets and where.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.worlds.canvas import FINE, SIZE, Array, Canvas, Mask, X, Y, noise
from analysis.worlds.palette import choose
from analysis.worlds.room_vocabulary import (
    CARPET,
    CEILING,
    DOOR,
    FABRIC,
    FLOOR,
    GLASS,
    PAINTING,
    TILE,
    WALL,
    WINDOW,
    WOOD,
)

ALL = (slice(None), slice(None))
BACK, LEFT, RIGHT, BELOW, ABOVE = range(5)  # surfaces

PAINTS = (
    (0.93, 0.91, 0.86), (0.80, 0.86, 0.90), (0.92, 0.84, 0.68), (0.78, 0.86, 0.74), (0.90, 0.74, 0.68),
    (0.70, 0.72, 0.78), (0.56, 0.66, 0.72), (0.84, 0.78, 0.88),
)  # fmt: skip
CEILINGS = ((0.96, 0.96, 0.95), (0.94, 0.92, 0.87))
BOARDS = ((0.62, 0.42, 0.24), (0.74, 0.56, 0.36), (0.46, 0.29, 0.17), (0.56, 0.40, 0.28))
TILES = ((0.86, 0.87, 0.86), (0.62, 0.68, 0.70), (0.80, 0.66, 0.54), (0.46, 0.56, 0.60))
TIMBER = ((0.54, 0.34, 0.18), (0.68, 0.48, 0.28), (0.36, 0.22, 0.13), (0.80, 0.66, 0.46))
CLOTH = (
    (0.72, 0.20, 0.22), (0.22, 0.36, 0.62), (0.26, 0.50, 0.40), (0.86, 0.72, 0.40), (0.52, 0.32, 0.52),
    (0.84, 0.82, 0.78), (0.34, 0.36, 0.42), (0.86, 0.50, 0.34),
)  # fmt: skip
FRAMES = ((0.30, 0.20, 0.12), (0.80, 0.64, 0.26), (0.14, 0.14, 0.15), (0.92, 0.90, 0.86))
DAY, NIGHT = ((0.66, 0.82, 0.96), (0.80, 0.90, 0.98), (0.56, 0.74, 0.92)), ((0.08, 0.10, 0.22),)


@dataclass(frozen=True)
class Light:
    """The side that is lit (-1 left, 1 right), its contrast, its tint, and whether it is night."""

    side: int
    contrast: float
    tint: Array
    night: bool


@dataclass(frozen=True)
class Room:
    """A room seen by a camera: its sizes, the camera, the light, and each sample's surface and place."""

    width: float
    height: float
    depth: float
    eye: tuple[float, float]  # x and height of the camera
    focal: float  # pixels
    horizon: float  # the eye's height in the picture, in pixels
    light: Light
    surface: np.ndarray  # (FINE, FINE), which surface a sample's ray meets
    x: Array
    y: Array
    z: Array

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Where a point is in the picture, in pixels."""
        scale = self.focal / z
        return SIZE / 2 + (x - self.eye[0]) * scale, self.horizon + (self.eye[1] - y) * scale


def light(rng: np.random.Generator) -> Light:
    night = bool(rng.random() < 0.25)
    tint = np.array([1.04, 0.93, 0.80] if night else [1.0, 1.0, 1.0], np.float32)
    bright = rng.uniform(0.6, 0.8) if night else rng.uniform(0.8, 1.0)
    return Light(
        int(rng.choice([-1, 1])), float(rng.uniform(0.1, 0.26)), (tint * bright).astype(np.float32), night
    )


def room(rng: np.random.Generator) -> Room:
    width, height, depth = rng.uniform(3.2, 5.4), rng.uniform(2.4, 3.1), rng.uniform(3.4, 5.8)
    eye = (width * rng.uniform(0.25, 0.75), rng.uniform(1.3, 1.75))
    focal, horizon = rng.uniform(46, 62), rng.uniform(22, 32)
    across, up = (X - SIZE / 2) / focal + 0 * Y, (horizon - Y) / focal + 0 * X
    far = np.float32(1e6)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.stack(
            [
                np.full((FINE, FINE), depth, np.float32),
                np.where(across < 0, -eye[0] / across, far),
                np.where(across > 0, (width - eye[0]) / across, far),
                np.where(up < 0, -eye[1] / up, far),
                np.where(up > 0, (height - eye[1]) / up, far),
            ]
        )
    surface = reach.argmin(0)
    z = np.take_along_axis(reach, surface[None], 0)[0].astype(np.float32)
    x, y = (eye[0] + across * z).astype(np.float32), (eye[1] + up * z).astype(np.float32)
    return Room(width, height, depth, eye, focal, horizon, light(rng), surface, x, y, z)


def _boards(a: Array, b: Array, table: Array, wide: float = 0.16, long: float = 1.3) -> Array:
    """How light wooden boards are that run along b."""
    row = np.floor(a / wide)
    along = b / long + 0.37 * row
    seam = (a / wide % 1 > 0.88) | (along % 1 > 0.97)
    tone = table[row.astype(int) % 32, np.floor(along).astype(int) % 32]
    return (1 + 0.10 * tone - 0.22 * seam).astype(np.float32)


def _tiles(a: Array, b: Array, table: Array, side: float, checked: float) -> Array:
    """How light square tiles with joints are; `checked` darkens every other one."""
    u, v = np.floor(a / side), np.floor(b / side)
    joint = (a / side % 1 > 0.9) | (b / side % 1 > 0.9)
    tone = table[u.astype(int) % 32, v.astype(int) % 32]
    return (1 + 0.04 * tone - checked * ((u + v) % 2) - 0.18 * joint).astype(np.float32)


def shell(canvas: Canvas, rng: np.random.Generator, space: Room) -> None:
    """Walls, ceiling and floor, shaded by the side that the light comes from and by depth."""
    table = rng.uniform(-1, 1, (32, 32)).astype(np.float32)
    shade = np.array(
        [
            1.0,
            1 - space.light.contrast * space.light.side * -1,
            1 - space.light.contrast * space.light.side,
            0.98,
            1.0,
        ],
        np.float32,
    )
    lit = np.clip(shade, 0.7, 1.12)[space.surface] * (1.06 - 0.10 * (space.z / space.depth))
    side_wall = (space.surface == LEFT) | (space.surface == RIGHT)
    back = space.surface == BACK
    corner = np.minimum(
        np.minimum(space.x, space.width - space.x) + 9 * side_wall, space.depth - space.z + 9 * back
    )
    lit = lit * (1 - 0.10 * np.exp(-6 * np.maximum(corner, 0)))
    lit = (lit[:, :, None] * space.light.tint).astype(np.float32)

    walls = back | side_wall
    canvas.paint(ALL, walls, choose(rng, PAINTS, 0.03) * lit, scene=WALL, material=0)
    along = np.where(side_wall, space.z, space.x)
    _cover(canvas, rng, space, walls, along, lit, table)
    skirting = walls & (space.y < 0.10)
    if rng.random() < 0.5:
        canvas.paint(ALL, skirting, np.float32(0.9) * lit, scene=WALL, material=0)
    canvas.paint(ALL, space.surface == ABOVE, choose(rng, CEILINGS, 0.02) * lit, scene=CEILING, material=0)

    floor = space.surface == BELOW
    if rng.random() < 0.6:
        a, b = (space.x, space.z) if rng.random() < 0.6 else (space.z, space.x)
        canvas.paint(
            ALL,
            floor,
            choose(rng, BOARDS) * (lit * _boards(a, b, table)[:, :, None]),
            scene=FLOOR,
            material=WOOD,
        )
    else:
        tone = _tiles(space.x, space.z, table, rng.uniform(0.35, 0.6), float(rng.choice([0.0, 0.25, 0.4])))
        canvas.paint(ALL, floor, choose(rng, TILES) * (lit * tone[:, :, None]), scene=FLOOR, material=TILE)


def _cover(
    canvas: Canvas, rng: np.random.Generator, space: Room, walls: Mask, along: Array, lit: Array, table: Array
) -> None:
    """What some walls carry over their paint: stripes, tiles or wooden panels below, or nothing."""
    kind = rng.random()
    if kind < 0.22:
        stripe = (along / rng.uniform(0.2, 0.4)) % 1 < 0.5
        view = canvas.colour
        view[walls & stripe] *= np.float32(rng.uniform(0.84, 0.93))
    elif kind < 0.50:
        below = walls & (space.y < rng.uniform(0.8, 1.5))
        if kind < 0.36:
            tone = _tiles(along, space.y, table, rng.uniform(0.18, 0.3), 0.0)
            canvas.paint(ALL, below, choose(rng, TILES) * (lit * tone[:, :, None]), scene=WALL, material=TILE)
        else:
            tone = _boards(along, space.y, table, 0.22, 9.0)
            canvas.paint(
                ALL, below, choose(rng, TIMBER) * (lit * tone[:, :, None]), scene=WALL, material=WOOD
            )


def shade_of(space: Room, surface: int) -> Array:
    """The light on a surface, as a colour."""
    turned = {LEFT: 1, RIGHT: -1}.get(surface, 0) * space.light.side
    return (space.light.tint * (1 + 0.7 * space.light.contrast * turned)).astype(np.float32)


@dataclass(frozen=True)
class Place:
    """A rectangle on a wall: its surface, and its edges along the wall and in height."""

    surface: int
    start: float
    end: float
    bottom: float
    top: float

    def inside(self, space: Room, margin: float = 0.0) -> Mask:
        along = space.x if self.surface == BACK else space.z
        mask: Mask = (
            (space.surface == self.surface)
            & (along >= self.start + margin)
            & (along < self.end - margin)
            & (space.y >= self.bottom + (margin if self.bottom > 0 else 0))
            & (space.y < self.top - margin)
        )
        return mask

    def meets(self, other: Place) -> bool:
        return (
            self.surface == other.surface and self.start < other.end + 0.15 and other.start < self.end + 0.15
        )


def free(
    rng: np.random.Generator, space: Room, taken: list[Place], size: tuple[float, float], bottom: float
) -> Place | None:
    """A free place of (width, height) on some wall; None where a few tries found none."""
    for _ in range(6):
        surface = int(rng.choice([BACK, LEFT, RIGHT], p=[0.6, 0.2, 0.2]))
        low, high = (0.2, space.width - 0.2) if surface == BACK else (1.6, space.depth - 0.2)
        if high - low <= size[0]:
            continue
        start = rng.uniform(low, high - size[0])
        place = Place(surface, start, start + size[0], bottom, min(bottom + size[1], space.height - 0.12))
        if not any(place.meets(other) for other in taken):
            taken.append(place)
            return place
    return None


def window(canvas: Canvas, rng: np.random.Generator, space: Room, place: Place) -> None:
    """A window: a frame, bars, and panes that show the sky, brighter above."""
    lit = shade_of(space, place.surface)
    wooden = rng.random() < 0.4
    frame = (choose(rng, TIMBER) if wooden else np.full(3, 0.95, np.float32)) * lit
    canvas.paint(ALL, place.inside(space), frame, scene=WINDOW, material=WOOD if wooden else 0)
    along = (space.x if place.surface == BACK else space.z) - place.start
    width, height = place.end - place.start, place.top - place.bottom
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    panes = place.inside(space, 0.07)
    panes &= np.abs(along / width * columns - np.round(along / width * columns)) > 0.03 * columns / width
    up = (space.y - place.bottom) / height
    panes &= np.abs(up * rows - np.round(up * rows)) > 0.03 * rows / height
    sky = choose(rng, NIGHT if space.light.night else DAY, 0.03)
    glow = (0.82 + 0.3 * np.clip(up, 0, 1))[:, :, None] * sky
    if not space.light.night and rng.random() < 0.5:  # a hedge or a hill outside
        glow = np.where(
            (up < rng.uniform(0.15, 0.4))[:, :, None], np.array([0.36, 0.52, 0.30], np.float32), glow
        )
    canvas.paint(ALL, panes, glow.astype(np.float32), scene=WINDOW, material=GLASS)


def door(canvas: Canvas, rng: np.random.Generator, space: Room, place: Place) -> None:
    """A wooden door in a frame, with panels and a handle."""
    lit = shade_of(space, place.surface)
    base = choose(rng, TIMBER if rng.random() < 0.75 else ((0.90, 0.88, 0.84),), 0.03) * lit
    canvas.paint(ALL, place.inside(space), base * np.float32(0.72), scene=DOOR, material=WOOD)
    leaf = place.inside(space, 0.07)
    canvas.paint(ALL, leaf, base, scene=DOOR, material=WOOD)
    along = (space.x if place.surface == BACK else space.z) - place.start
    width, height = place.end - place.start, place.top - place.bottom
    up = (space.y - place.bottom) / height
    for low, high in ((0.1, 0.45), (0.55, 0.9)) if rng.random() < 0.7 else ():
        panel = leaf & (up > low) & (up < high) & (along > 0.22 * width) & (along < 0.78 * width)
        canvas.paint(ALL, panel, base * np.float32(0.86), scene=DOOR, material=WOOD)
    side = 0.82 if rng.random() < 0.5 else 0.18
    knob = (np.hypot(along - side * width, space.y - place.bottom - 0.48 * height) < 0.06) & leaf
    canvas.paint(ALL, knob, np.array([0.86, 0.76, 0.40], np.float32) * lit, scene=DOOR, material=0)


def painting(canvas: Canvas, rng: np.random.Generator, space: Room, place: Place) -> None:
    """A framed picture: a landscape, blots or a plain field."""
    lit = shade_of(space, place.surface)
    canvas.paint(ALL, place.inside(space), choose(rng, FRAMES, 0.02) * lit, scene=PAINTING, material=0)
    inner = place.inside(space, 0.07)
    up = (space.y - place.bottom) / (place.top - place.bottom)
    kind = rng.random()
    if kind < 0.45:
        sky, land = choose(rng, DAY, 0.08), choose(rng, ((0.34, 0.50, 0.26), (0.56, 0.46, 0.30)), 0.08)
        ridge = rng.uniform(0.35, 0.6) + 0.12 * noise(rng, 14)
        colour = np.where((up < ridge)[:, :, None], land, sky)
    elif kind < 0.8:
        mixed = noise(rng, 24)[:, :, None]
        colour = np.where(mixed > rng.uniform(-0.3, 0.3), choose(rng, CLOTH, 0.1), choose(rng, CLOTH, 0.1))
    else:
        colour = np.broadcast_to(choose(rng, CLOTH, 0.1), (FINE, FINE, 3))
    canvas.paint(ALL, inner, (colour * lit).astype(np.float32), scene=PAINTING, material=0)


def carpet(canvas: Canvas, rng: np.random.Generator, space: Room) -> None:
    """A carpet on the floor, rectangular or oval, with a border or stripes."""
    wide, long = rng.uniform(1.2, 2.6), rng.uniform(1.0, 2.2)
    cx = rng.uniform(0.25, 0.75) * space.width
    cz = rng.uniform(min(1.9 + long / 2, space.depth - 0.9), space.depth - 0.7)
    a, b = (space.x - cx) / wide * 2, (space.z - cz) / long * 2
    edge = np.hypot(a, b) if rng.random() < 0.3 else np.maximum(np.abs(a), np.abs(b))
    mask = (space.surface == BELOW) & (edge < 1)
    base, second = choose(rng, CLOTH) * space.light.tint, choose(rng, CLOTH) * space.light.tint
    canvas.paint(ALL, mask, base, scene=CARPET, material=FABRIC)
    kind = rng.random()
    band = (edge > 0.72) & (edge < 0.88) if kind < 0.5 else (a * 3 % 1 < 0.4) & (kind < 0.8)
    canvas.paint(ALL, mask & band, second, scene=CARPET, material=FABRIC)
