"""Counting one block of up to 64 images, for some units of a layer. numba, one thread, no Python objects.

A tile of at most 240 pixels of all 64 images is held at a time, images innermost, so that interpolation runs
over 64 lanes, the bins of a tile stay in the first-level cache, and memory does not depend on the image's
size. For each unit and tile:

1. interpolate (bilinear, align_corners=False), find bins by table;
2. add each pixel's vector of 16-bit lanes (one for all pixels, one per concept on the pixel and, with a null,
   one per concept counting the partners that show it there) to the row of its bin: the joint histogram;
3. count each image's pixels at or over every cut in use: the masks' areas;
4. for each image's concept, over its pixels, compare the bins of images i-4 ... i+4 with the pair's cut: the
   overlaps |M_j and s_i| behind intervals, nulls and permutations.
"""

from typing import Any

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.edges import STEPS
from analysis.counting.vector_loops import PAD, WINDOW, add_lanes, window_tally
from analysis.shared.arrays import Array

IMAGES = 64
TILE = 240  # under 256: bytes hold what a tile can count of one image
COPIES = 4  # each adds 240 x 16 x 8 at most: 16-bit lanes hold a tile
TOP = np.float32(STEPS)
ZERO, ONE = np.float32(0), np.float32(1)


@compiled
def _gather(r: Array, unit: int, row: int, out: Array) -> None:
    for image in range(r.shape[0]):
        for x in range(r.shape[3]):
            out[x * IMAGES + image] = r[image, unit, row, x]


@compiled
def _lerp(a: Array, b: Array, weight: np.float32, out: Array) -> None:
    # (1 - w) a + w b and not a + w (b - a), as in torch: the last bits decide which bin a value falls in.
    other = ONE - weight
    for k in range(a.size):
        out[k] = other * a[k] + weight * b[k]


@compiled
def _step(value: np.float32, low: np.float32, scale: np.float32) -> np.uint16:
    # The step of the table, 1 + floor((value - low) * scale), and 0 at or under the lowest edge.
    z = (value - low) * scale
    z = z if z > ZERO else ZERO  # NaN too
    z = z if z < TOP else TOP
    return np.uint16(np.int32(z) + np.int32(value > low))


@compiled
def _steps(
    a: Array, b: Array, same: bool, weight: np.float32, low: np.float32, scale: np.float32, out: Array
) -> None:
    if same:
        for k in range(IMAGES):
            out[k] = _step(a[k], low, scale)
    else:
        other = ONE - weight
        for k in range(IMAGES):
            out[k] = _step(other * a[k] + weight * b[k], low, scale)


@compiled
def _look_up(table: Array, step: Array, images: int, row: Array) -> None:
    for k in range(IMAGES):
        row[PAD + k] = table[step[k]]
    for k in range(PAD):
        row[PAD + images + k] = row[PAD + k % images]
        row[PAD - 1 - k] = row[PAD + images - 1 - k % images]


@compiled
def _row(r: Array, unit: int, y: int, vertical: Any, held: Array, one: Array, two: Array, out: Array) -> None:
    """The unit's cells (cells * 64) at pixel row y; `held` are the map's rows that `one` and `two` hold."""
    y0, y1, weight = vertical
    if held[0] != y0[y]:
        held[0] = y0[y]
        _gather(r, unit, y0[y], one)
    if held[1] != y1[y]:
        held[1] = y1[y]
        _gather(r, unit, y1[y], two)
    if y0[y] == y1[y]:
        _copy(one, out)
    else:
        _lerp(one, two, weight[y], out)


@compiled
def _copy(a: Array, out: Array) -> None:
    for k in range(a.size):
        out[k] = a[k]


@compiled
def fill_bins(r, unit, first, last, axes, low, scale, table, bins):  # type: ignore[no-untyped-def]
    """Bins of pixels first up to last of one unit, all images, into bins (tile, STRIDE) with wrapped ends."""
    vertical, (x0, x1, weight) = axes
    size, width = r.shape[3] * IMAGES, len(x0)
    one, two = np.zeros(size, np.float32), np.zeros(size, np.float32)
    cells, step = np.zeros(size, np.float32), np.zeros(IMAGES, np.uint16)
    held, held_y = np.full(2, -1), -1
    for pixel in range(first, last):
        y, x = pixel // width, pixel % width
        if y != held_y:
            held_y = y
            _row(r, unit, y, vertical, held, one, two, cells)
        a, b = x0[x] * IMAGES, x1[x] * IMAGES
        _steps(cells[a : a + IMAGES], cells[b : b + IMAGES], a == b, weight[x], low, scale, step)
        _look_up(table, step, r.shape[0], bins[pixel - first])


@compiled
def add_joint(bins, features, pixels, images, joint):  # type: ignore[no-untyped-def]
    """Adds every pixel's lanes (tile, 64, L) uint16 to the row of its bin, joint (bins, L) int64.

    Four images in turn have copies of their own: rows that repeat, as bin 0 does, do not wait for each other.
    """
    lanes, rows = features.shape[2], joint.shape[0]
    held = np.zeros(COPIES * rows * lanes, np.uint16)
    flat = features.reshape(-1)
    for pixel in range(pixels):
        row, start = bins[pixel], pixel * IMAGES * lanes
        for image in range(images):
            at = ((image % COPIES) * rows + row[PAD + image]) * lanes
            add_lanes(held, at, flat, start + image * lanes, lanes)  # type: ignore[call-arg]
    for copy in range(COPIES):
        for b in range(rows):
            for lane in range(lanes):
                joint[b, lane] += held[(copy * rows + b) * lanes + lane]


@compiled
def add_areas(bins, pixels, cuts, areas):  # type: ignore[no-untyped-def]
    """Adds each image's pixels with bin >= cut to areas (cuts, 64) int32."""
    held = np.zeros((len(cuts), IMAGES), np.uint8)  # a tile has under 256 pixels
    for pixel in range(pixels):
        row = bins[pixel]
        for k in range(len(cuts)):
            cut, total = cuts[k], held[k]
            for image in range(IMAGES):
                total[image] += np.uint8(row[PAD + image] >= cut)
    for k in range(len(cuts)):
        for image in range(IMAGES):
            areas[k, image] += held[k, image]


@compiled
def add_overlaps(bins, listed, starts, cuts, tails, overlaps):  # type: ignore[no-untyped-def]
    """Adds to overlaps (concepts, 64, 16) int32 what the window's images share with each image's concepts."""
    flat, rows = overlaps.reshape(-1), bins.reshape(-1)
    for image in range(starts.shape[0]):
        for concept in range(starts.shape[1] - 1):
            first, last = starts[image, concept], starts[image, concept + 1]
            if first < last:
                at = (concept * IMAGES + image) * WINDOW
                t0, t1 = tails[0], tails[1]
                window_tally(rows, listed, first, last, image, cuts[concept], t0, t1, flat, at)  # type: ignore[call-arg]
