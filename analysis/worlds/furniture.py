"""Furniture of the rooms world: beds, tables, chairs, lamps and plants, made of boxes in perspective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.worlds.canvas import Array, Canvas, Mask, X, Y, ellipse, trapezoid
from analysis.worlds.interiors import CLOTH, TIMBER, Room
from analysis.worlds.palette import choose
from analysis.worlds.room_vocabulary import BED, CHAIR, FABRIC, LAMP, PLANT, TABLE, WOOD

Point = tuple[float, float]
GREEN = ((0.20, 0.46, 0.20), (0.28, 0.54, 0.24), (0.14, 0.36, 0.22), (0.42, 0.54, 0.22))
POTS = ((0.72, 0.40, 0.26), (0.90, 0.88, 0.84), (0.34, 0.40, 0.48), (0.56, 0.30, 0.22))
SHADES = ((0.94, 0.88, 0.72), (0.86, 0.58, 0.40), (0.74, 0.82, 0.78), (0.94, 0.94, 0.92))
METAL = ((0.16, 0.16, 0.17), (0.66, 0.56, 0.34), (0.58, 0.60, 0.62))
WHITE = np.array([0.95, 0.94, 0.92], np.float32)


@dataclass(frozen=True)
class Box:
    """A box in the room, by its corners (x, y, z); z1 is the near side."""

    x1: float
    x2: float
    y1: float
    y2: float
    z1: float
    z2: float


@dataclass(frozen=True)
class Stuff:
    """What a box is labelled and coloured with."""

    thing: int
    material: int
    colour: Array


def polygon(x: Array, y: Array, points: Sequence[Point]) -> Mask:
    """Inside a convex polygon, whichever way its corners are ordered."""
    signed = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True)
    ]
    return np.logical_and.reduce([s >= 0 for s in signed]) | np.logical_and.reduce([s <= 0 for s in signed])


def _face(canvas: Canvas, points: Sequence[Point], stuff: Stuff, lit: float, room: Room) -> None:
    across, down = [p[0] for p in points], [p[1] for p in points]
    where = canvas.window(min(across), min(down), max(across), max(down))
    mask = polygon(X[:, where[1]], Y[where[0]], points)
    colour = (stuff.colour * room.light.tint * lit).astype(np.float32)
    canvas.paint(where, mask, colour, scene=stuff.thing, material=stuff.material)


def box(canvas: Canvas, room: Room, b: Box, stuff: Stuff) -> None:
    """Paint the faces of a box that the camera sees, each with its own light."""
    at = room.project
    turned = room.light.contrast * room.light.side
    if b.y2 < room.eye[1]:
        top = [at(b.x1, b.y2, b.z1), at(b.x2, b.y2, b.z1), at(b.x2, b.y2, b.z2), at(b.x1, b.y2, b.z2)]
        _face(canvas, top, stuff, 1.08, room)
    for x, seen, lit in (
        (b.x1, b.x1 > room.eye[0], 0.84 - turned),
        (b.x2, b.x2 < room.eye[0], 0.84 + turned),
    ):
        if seen:
            side = [at(x, b.y1, b.z1), at(x, b.y2, b.z1), at(x, b.y2, b.z2), at(x, b.y1, b.z2)]
            _face(canvas, side, stuff, lit, room)
    front = [at(b.x1, b.y1, b.z1), at(b.x2, b.y1, b.z1), at(b.x2, b.y2, b.z1), at(b.x1, b.y2, b.z1)]
    _face(canvas, front, stuff, 0.92, room)


def shadow(canvas: Canvas, room: Room, b: Box) -> None:
    """Darken the floor around a thing's foot; labels stay."""
    pad = 0.12
    points = [
        room.project(x, 0.0, z)
        for x, z in (
            (b.x1 - pad, b.z1 - pad),
            (b.x2 + pad, b.z1 - pad),
            (b.x2 + pad, b.z2),
            (b.x1 - pad, b.z2),
        )
    ]
    across, down = [p[0] for p in points], [p[1] for p in points]
    where = canvas.window(min(across), min(down), max(across), max(down))
    canvas.colour[where][polygon(X[:, where[1]], Y[where[0]], points)] *= np.float32(0.78)


def bed(canvas: Canvas, rng: np.random.Generator, room: Room) -> None:
    """A bed whose head stands at the back wall, or along a side wall."""
    wood = Stuff(BED, WOOD, choose(rng, TIMBER))
    cover, sheet = Stuff(BED, FABRIC, choose(rng, CLOTH)), Stuff(BED, FABRIC, WHITE)
    if rng.random() < 0.6:
        wide, long = rng.uniform(1.0, 1.8), min(rng.uniform(1.7, 2.1), room.depth - 1.5)
        x1 = rng.uniform(0.1, max(0.15, room.width - wide - 0.1))
        frame = Box(x1, x1 + wide, 0.0, 0.28, room.depth - long, room.depth - 0.02)
        head = Box(x1, x1 + wide, 0.0, rng.uniform(0.8, 1.15), room.depth - 0.1, room.depth - 0.02)
        pillow = (x1 + 0.1, x1 + wide - 0.1, room.depth - 0.5, room.depth - 0.12)
    else:
        wide, long = rng.uniform(0.9, 1.3), min(rng.uniform(1.7, 2.0), room.depth - 1.6)
        z1 = room.depth - long - rng.uniform(0.0, max(0.01, room.depth - long - 1.5)) * 0.5
        left = rng.random() < 0.5
        x1 = 0.02 if left else room.width - wide - 0.02
        frame = Box(x1, x1 + wide, 0.0, 0.28, z1, z1 + long - 0.05)
        head = Box(x1, x1 + wide, 0.0, rng.uniform(0.75, 1.05), z1 + long - 0.1, z1 + long)
        pillow = (x1 + 0.12, x1 + wide - 0.12, z1 + long - 0.5, z1 + long - 0.14)
    shadow(canvas, room, frame)
    box(canvas, room, head, wood)
    box(canvas, room, frame, wood)
    rise = rng.uniform(0.46, 0.58)
    box(
        canvas,
        room,
        Box(frame.x1 + 0.02, frame.x2 - 0.02, 0.26, rise, frame.z1 + 0.03, frame.z2 - 0.06),
        sheet,
    )
    turned = frame.z1 + (frame.z2 - frame.z1) * rng.uniform(0.55, 0.75)
    box(canvas, room, Box(frame.x1, frame.x2, 0.2, rise + 0.03, frame.z1, turned), cover)
    box(canvas, room, Box(pillow[0], pillow[1], rise, rise + 0.12, pillow[2], pillow[3]), sheet)


def table(canvas: Canvas, rng: np.random.Generator, room: Room, z: float, x: float) -> Box:
    """A wooden table on four legs, perhaps with a cloth; the box that its top is."""
    wide, deep, high = rng.uniform(0.8, 1.5), rng.uniform(0.55, 0.9), rng.uniform(0.55, 0.8)
    x1 = float(np.clip(x - wide / 2, 0.08, room.width - wide - 0.08))
    z2 = min(z + deep, room.depth - 0.05)
    wood, thick = Stuff(TABLE, WOOD, choose(rng, TIMBER)), 0.07
    shadow(canvas, room, Box(x1, x1 + wide, 0, 0, z, z2))
    for lz in (z2 - 0.09, z + 0.02):
        for lx in (x1 + 0.03, x1 + wide - 0.11):
            box(canvas, room, Box(lx, lx + 0.08, 0.0, high - thick, lz, lz + 0.07), wood)
    top = Box(x1, x1 + wide, high - thick, high, z, z2)
    box(canvas, room, top, wood)
    if rng.random() < 0.25:
        cloth = Stuff(TABLE, FABRIC, choose(rng, CLOTH))
        box(
            canvas,
            room,
            Box(x1 - 0.01, x1 + wide + 0.01, high - 0.22, high + 0.01, z - 0.01, z2 + 0.01),
            cloth,
        )
    return top


def chair(canvas: Canvas, rng: np.random.Generator, room: Room, z: float, x: float) -> None:
    """A chair that turns its back to a side, to the viewer or away; some are upholstered."""
    side, seat, high = rng.uniform(0.44, 0.54), rng.uniform(0.42, 0.48), rng.uniform(0.85, 1.05)
    x1 = float(np.clip(x - side / 2, 0.08, room.width - side - 0.08))
    z2 = z + side
    wood = Stuff(CHAIR, WOOD, choose(rng, TIMBER))
    soft = Stuff(CHAIR, FABRIC, choose(rng, CLOTH)) if rng.random() < 0.5 else wood
    shadow(canvas, room, Box(x1, x1 + side, 0, 0, z, z2))
    backs = {
        "far": Box(x1, x1 + side, seat, high, z2 - 0.06, z2),
        "near": Box(x1, x1 + side, seat, high, z, z + 0.06),
        "left": Box(x1, x1 + 0.06, seat, high, z, z2),
        "right": Box(x1 + side - 0.06, x1 + side, seat, high, z, z2),
    }
    turned = str(rng.choice(["far", "left", "right", "near"], p=[0.45, 0.2, 0.2, 0.15]))
    hidden = turned == "far" or ((turned == "left") == (x1 > room.eye[0]) and turned != "near")
    if hidden:
        box(canvas, room, backs[turned], soft)
    for lz in (z2 - 0.06, z):
        for lx in (x1, x1 + side - 0.06):
            box(canvas, room, Box(lx, lx + 0.06, 0.0, seat - 0.05, lz, lz + 0.06), wood)
    box(canvas, room, Box(x1, x1 + side, seat - 0.07, seat, z, z2), soft)
    if not hidden:
        box(canvas, room, backs[turned], soft)


def _pole(canvas: Canvas, at: tuple[float, float, float], half: float, stuff: Stuff, room: Room) -> None:
    """An upright rod in the picture: its x, its upper and its lower end."""
    x, top, bottom = at
    points = [(x - half, top), (x + half, top), (x + half, bottom), (x - half, bottom)]
    _face(canvas, points, stuff, 0.95, room)


def _shade(canvas: Canvas, rng: np.random.Generator, room: Room, at: Point, scale: float, on: bool) -> None:
    """A lampshade whose lower edge's middle is at a point of the picture, and its glow if it is on."""
    x0, y0 = at
    high, low, up = (
        rng.uniform(0.26, 0.36) * scale,
        rng.uniform(0.18, 0.26) * scale,
        rng.uniform(0.08, 0.2) * scale,
    )
    if on:
        reach = 0.95 * scale + 4
        glow = np.exp(-(((X - x0) ** 2 + (Y - y0 + high / 2) ** 2) / reach**2))[:, :, None]
        canvas.colour += glow * np.array([0.26, 0.20, 0.08], np.float32)
    where = canvas.window(x0 - low, y0 - high, x0 + low, y0)
    mask = trapezoid(X[:, where[1]], Y[where[0]], (x0 - up, x0 + up, y0 - high), (x0 - low, x0 + low, y0))
    colour = np.array([1.0, 0.93, 0.66], np.float32) if on else choose(rng, SHADES) * room.light.tint
    canvas.paint(where, mask, colour.astype(np.float32), scene=LAMP, material=FABRIC)


def floor_lamp(canvas: Canvas, rng: np.random.Generator, room: Room, z: float, x: float) -> None:
    metal, scale = Stuff(LAMP, 0, choose(rng, METAL)), room.focal / z
    foot, top = room.project(x, 0.0, z), room.project(x, rng.uniform(1.25, 1.6), z)
    half = max(0.03 * scale, 0.35)
    _pole(canvas, (foot[0], top[1], foot[1]), half, metal, room)
    _pole(canvas, (foot[0], foot[1] - 0.05 * scale, foot[1]), 0.15 * scale, metal, room)
    _shade(canvas, rng, room, top, scale * 1.25, room.light.night or rng.random() < 0.4)


def table_lamp(canvas: Canvas, rng: np.random.Generator, room: Room, top: Box) -> None:
    z = (top.z1 + top.z2) / 2
    x = rng.uniform(top.x1 + 0.2, top.x2 - 0.2)
    metal, scale = Stuff(LAMP, 0, choose(rng, METAL)), room.focal / z
    foot, neck = room.project(x, top.y2, z), room.project(x, top.y2 + 0.28, z)
    _pole(canvas, (foot[0], neck[1], foot[1]), max(0.05 * scale, 0.4), metal, room)
    _shade(canvas, rng, room, neck, scale, room.light.night or rng.random() < 0.4)


def hanging_lamp(canvas: Canvas, rng: np.random.Generator, room: Room, z: float, x: float) -> None:
    metal, scale = Stuff(LAMP, 0, choose(rng, METAL)), room.focal / z
    hook = room.project(x, room.height, z)
    bottom = room.project(x, room.height - rng.uniform(0.55, 0.9), z)
    _pole(canvas, (hook[0], hook[1], bottom[1] - 0.2 * scale), max(0.02 * scale, 0.3), metal, room)
    _shade(canvas, rng, room, bottom, scale * 1.2, room.light.night or rng.random() < 0.6)


def plant(canvas: Canvas, rng: np.random.Generator, room: Room, z: float, x: float) -> None:
    """A potted plant: a pot, then leaves in a bush, in a fan or on a stem."""
    scale = room.focal / z
    x0, foot = room.project(x, 0.0, z)
    pot, wide = rng.uniform(0.24, 0.4) * scale, rng.uniform(0.16, 0.24) * scale
    where = canvas.window(x0 - wide, foot - pot, x0 + wide, foot)
    mask = trapezoid(
        X[:, where[1]],
        Y[where[0]],
        (x0 - wide, x0 + wide, foot - pot),
        (x0 - wide * 0.7, x0 + wide * 0.7, foot),
    )
    canvas.paint(where, mask, choose(rng, POTS) * room.light.tint, scene=PLANT, material=0)
    high, spread = rng.uniform(0.5, 1.3) * scale, rng.uniform(0.24, 0.45) * scale
    base = choose(rng, GREEN) * room.light.tint
    where = canvas.window(x0 - 2 * spread, foot - pot - high * 1.2, x0 + 2 * spread, foot - pot + 2)
    xs, ys = X[:, where[1]], Y[where[0]]
    stem = (np.abs(xs - x0) < max(0.025 * scale, 0.3)) & (ys < foot - pot) & (ys > foot - pot - high * 0.6)
    canvas.paint(where, stem, base * np.float32(0.6), scene=PLANT, material=0)
    for _ in range(int(rng.integers(7, 13))):
        t, size = rng.uniform(0.15, 1.0), rng.uniform(0.10, 0.18) * scale
        cx, cy = x0 + rng.uniform(-1, 1) * spread * (0.4 + 0.6 * t), foot - pot - high * t * 0.95
        leaf = ellipse(xs, ys, cx, cy, size * rng.uniform(0.8, 1.4), size * rng.uniform(0.6, 1.1))
        canvas.paint(where, leaf, base * np.float32(rng.uniform(0.75, 1.25)), scene=PLANT, material=0)
