"""Churches and houses: walls of a material, roofs, domes, doors at the ground, windows on walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.worlds import palette
from analysis.worlds.canvas import FINE, Array, Canvas, X, Y, arch, box, ellipse, noise, trapezoid
from analysis.worlds.vocabulary import BRICK, BUILDING, DOME, DOOR, PLASTER, ROOF, STONE, WINDOW

Span = tuple[float, float]  # a left and a right edge
MATERIAL = {"brick": BRICK, "plaster": PLASTER, "stone": STONE}
TOWERS: tuple[tuple[int, ...], ...] = ((0,), (-1,), (1,), (-1, 1), ())  # where a church has them


@dataclass(frozen=True)
class Style:
    """What one building's strokes share."""

    wall: Array  # (FINE, FINE, 3), the wall's colour wherever it is painted
    material: int
    roof: Array
    dome: Array
    door: Array
    pane: Array
    round_tops: bool
    scale: float
    light: palette.Light


@dataclass(frozen=True)
class Block:
    """An upright box of wall: its middle, width, foot and top, in pixels."""

    middle: float
    width: float
    foot: float
    top: float

    @property
    def left(self) -> float:
        return self.middle - self.width / 2

    @property
    def right(self) -> float:
        return self.middle + self.width / 2


def _courses(rng: np.random.Generator, material: str, foot: float, scale: float) -> Array:
    """How light a wall is beside its base colour: brick courses, stone blocks, smooth plaster."""
    if material == "plaster":
        return 1 + 0.025 * noise(rng, 12)
    high, long, joint = (2.6, 5.0, 0.75) if material == "brick" else (4.4, 6.5, 0.8)
    high, long = high * max(scale, 0.75), long * max(scale, 0.75)
    row = np.floor((foot - Y) / high)
    across = X / long + 0.5 * (row % 2)
    in_joint = ((foot - Y) / high % 1 > 0.68) | (across % 1 > 0.84)
    table = rng.uniform(-1, 1, (32, 32)).astype(np.float32)
    block = table[row.astype(int) % 32, np.floor(across).astype(int) % 32]
    amplitude = 0.05 if material == "brick" else 0.13
    sign = 0.24 if material == "brick" else -0.2
    courses: Array = (1 + amplitude * block + sign * joint * in_joint).astype(np.float32)
    return courses


def style(rng: np.random.Generator, foot: float, scale: float, light: palette.Light) -> Style:
    material = str(rng.choice(list(palette.WALLS)))
    base = palette.choose(rng, palette.WALLS[material], 0.03) * light.tint
    lit = light.evening and rng.random() < 0.5
    return Style(
        wall=np.broadcast_to(base * _courses(rng, material, foot, scale)[:, :, None], (FINE, FINE, 3)).astype(
            np.float32
        ),
        material=MATERIAL[material],
        roof=palette.choose(rng, palette.ROOF) * light.tint,
        dome=palette.choose(rng, palette.DOME) * light.tint,
        door=palette.choose(rng, palette.DOOR, 0.02) * light.tint,
        pane=palette.choose(rng, palette.LIT if lit else palette.PANE, 0.02),
        round_tops=bool(rng.random() < 0.6),
        scale=scale,
        light=light,
    )


def wall(canvas: Canvas, look: Style, block: Block, shaded: float = 0.28) -> None:
    """A wall; the share `shaded` of it that turns from the light is darker."""
    where = canvas.window(block.left, block.top, block.right, block.foot)
    x, y = X[:, where[1]], Y[where[0]]
    edge = block.middle - look.light.side * block.width * (0.5 - shaded)
    dark = 1 - look.light.contrast * ((x - edge) * look.light.side < 0)
    mask = box(x, y, block.left, block.top, block.right, block.foot)
    canvas.paint(where, mask, look.wall[where] * dark[:, :, None], BUILDING, 0, look.material)


def roof(canvas: Canvas, look: Style, block: Block, height: float, ridge: float) -> None:
    """A roof over a block: `ridge` is the ridge's share of the width, 0 for a point."""
    over, half = 0.8 * look.scale, block.width * ridge / 2
    top = block.top - height
    where = canvas.window(block.left - over, top, block.right + over, block.top)
    x, y = X[:, where[1]], Y[where[0]]
    mask = trapezoid(
        x,
        y,
        (block.middle - half, block.middle + half, top),
        (block.left - over, block.right + over, block.top),
    )
    turned = np.clip((x - block.middle) / (block.width / 4), -1, 1) * look.light.side
    colour = look.roof * (1 + 0.6 * look.light.contrast * turned)[:, :, None]
    canvas.paint(where, mask, np.broadcast_to(colour, (y.shape[0], x.shape[1], 3)), BUILDING, ROOF, 0)


def dome(canvas: Canvas, look: Style, block: Block, height: float) -> None:
    half, top = block.width / 2 + 0.4 * look.scale, block.top - height
    where = canvas.window(block.middle - half, top - 3, block.middle + half, block.top)
    x, y = X[:, where[1]], Y[where[0]]
    mask = ellipse(x, y, block.middle, block.top, half, height) & (y < block.top)
    mask |= box(x, y, block.middle - 0.4, top - 2.2 * look.scale, block.middle + 0.4, top + 1)
    shine = 1 + 1.2 * look.light.contrast * np.clip((x - block.middle) / half, -1, 1) * look.light.side
    colour = np.broadcast_to(look.dome * shine[:, :, None], (y.shape[0], x.shape[1], 3))
    canvas.paint(where, mask, colour, BUILDING, DOME, 0)


def opening(canvas: Canvas, look: Style, at: Block, part: int) -> None:
    """A door or a window in a wall that is already there; it cannot leave the wall."""
    where = canvas.window(at.left, at.top, at.right, at.foot)
    x, y = X[:, where[1]], Y[where[0]]
    shape = arch if look.round_tops else box
    mask = shape(x, y, at.left, at.top, at.right, at.foot) & (canvas.labels[2][where] > 0)
    canvas.paint(where, mask, look.door if part == DOOR else look.pane, BUILDING, part, 0)


def windows(
    canvas: Canvas, rng: np.random.Generator, look: Style, block: Block, door_at: Span, hidden: list[Span]
) -> None:
    """Rows of windows over a block, none beside the door and none where another block stands in front."""
    s = look.scale
    width, height, gap = rng.uniform(2.1, 3.2) * s, rng.uniform(3.4, 5.0) * s, rng.uniform(1.8, 3.2) * s
    columns = int((block.width - gap) / (width + gap))
    rows = min(3, int((block.foot - block.top - 1.5 * s) / (height + 1.6 * s)))
    step = block.width / max(columns, 1)
    for row in range(rows):
        top = block.top + 1.3 * s + row * (height + 1.6 * s)
        taken = hidden + [door_at] * (top + height > block.foot - 9.5 * s)
        for column in range(columns):
            middle = block.left + step * (column + 0.5)
            if not any(left - 0.7 * width < middle < right + 0.7 * width for left, right in taken):
                opening(canvas, look, Block(middle, width, top + height, top), WINDOW)


def door(canvas: Canvas, rng: np.random.Generator, look: Style, block: Block) -> tuple[float, float]:
    """A door at the block's foot; its left and right edge."""
    s = look.scale
    width, height = rng.uniform(3.8, 5.8) * s, rng.uniform(6.0, 9.0) * s
    slack = max(block.width / 2 - width, 0.0)
    middle = block.middle + rng.uniform(-slack, slack) * float(rng.random() < 0.5)
    at = Block(middle, width, block.foot, max(block.foot - height, block.top + 0.8 * s))
    opening(canvas, look, at, DOOR)
    return at.left, at.right


def _crown(canvas: Canvas, rng: np.random.Generator, look: Style, block: Block) -> None:
    """What a tower carries: a dome, a spire or a low roof."""
    kind = rng.random()
    if kind < 0.45:
        dome(canvas, look, block, block.width * rng.uniform(0.55, 0.85))
    elif kind < 0.85:
        roof(canvas, look, block, block.width * rng.uniform(0.9, 2.0), 0.0)
    else:
        roof(canvas, look, block, block.width * 0.4, 0.5)


def church(
    canvas: Canvas, rng: np.random.Generator, middle: float, foot: float, look: Style
) -> tuple[float, float]:
    """A nave with up to two towers, perhaps a dome on the roof; the door's left and right edge."""
    s = look.scale
    nave = Block(middle, rng.uniform(17, 32) * s, foot, foot - rng.uniform(9, 15) * s)
    towers = TOWERS[int(rng.choice(len(TOWERS), p=[0.3, 0.15, 0.15, 0.15, 0.25]))]
    width, height = rng.uniform(7.5, 11) * s, (nave.foot - nave.top) * rng.uniform(1.35, 2.0)
    wall(canvas, look, nave)
    rise, ridge = rng.uniform(4, 9) * s, float(rng.choice([0.0, 0.45, 0.75]))
    if towers != (0,) and rng.random() < 0.35:
        drum = Block(middle, nave.width * rng.uniform(0.3, 0.45), nave.top, nave.top - rise * 0.7)
        wall(canvas, look, drum)
        dome(canvas, look, drum, drum.width * rng.uniform(0.5, 0.75))
    roof(canvas, look, nave, rise, ridge)
    fronts = [nave]
    for side in towers:
        tower = Block(middle + side * (nave.width - width * 0.8) / 2, width, foot, max(foot - height, 9.0))
        wall(canvas, look, tower)
        _crown(canvas, rng, look, tower)
        fronts.append(tower)
    host = fronts[-1] if len(fronts) == 2 and (towers == (0,) or rng.random() < 0.4) else nave
    edges = door(canvas, rng, look, host) if rng.random() < 0.88 else (middle, middle)
    for block in fronts:
        in_front = [(tower.left, tower.right) for tower in fronts[1:] if block is nave]
        windows(canvas, rng, look, block, edges, in_front)
    return edges


def house(
    canvas: Canvas, rng: np.random.Generator, middle: float, foot: float, look: Style
) -> tuple[float, float]:
    """A plain house: one block, one roof."""
    s = look.scale
    block = Block(middle, rng.uniform(12, 24) * s, foot, foot - rng.uniform(8, 17) * s)
    wall(canvas, look, block)
    roof(canvas, look, block, rng.uniform(4, 8) * s, float(rng.choice([0.0, 0.5, 0.8])))
    edges = door(canvas, rng, look, block) if rng.random() < 0.8 else (middle, middle)
    windows(canvas, rng, look, block, edges, [])
    return edges
