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

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.vector_loops import (
    COPIES,
    IMAGES,
    PAD,
    STRIDE,
    WINDOW,
    add_pixel,
    bins_of_images,
    window_tally,
)
from analysis.shared.arrays import Array

NEVER = 255  # the cut of a pair without a threshold: no bin is as high, since bins number at most 254
TILE = 240  # under 256: bytes hold what a tile can count of one image
ONE = np.float32(1)


@compiled
def _lerp(a: Array, b: Array, weight: np.float32, out: Array) -> None:
    # (1 - w) a + w b and not a + w (b - a), as in torch: the last bits decide which bin a value falls in.
    other = ONE - weight
    for k in range(a.size):
        out[k] = other * a[k] + weight * b[k]


@compiled
def _wrap(images: int, bins: Array, at: int) -> None:
    # The four images before the first and behind the last, so that windows run across the block's ends.
    if images >= PAD:
        for k in range(PAD):
            bins[at + images + k] = bins[at + k]
            bins[at - 1 - k] = bins[at + images - 1 - k]
    else:
        for k in range(PAD):
            bins[at + images + k] = bins[at + k % images]
            bins[at - 1 - k] = bins[at + images - 1 - k % images]


@compiled
def fill_bins(map_, images, first, last, axes, low, scale, table, bins):  # type: ignore[no-untyped-def]
    """Bins of pixels first up to last of one unit, all images, into bins (tile, STRIDE) with wrapped ends.

    map_ (h, w * 64) float32 has the images innermost.
    """
    (y0, y1, wy), (x0, x1, wx) = axes
    width, flat = len(x0), bins.reshape(-1)
    between = np.empty(map_.shape[1], np.float32)
    y, x = first // width, first % width
    cells = map_[y0[y]]
    for pixel in range(first, last):
        if pixel == first or x == width:
            if x == width:
                y, x = y + 1, 0
            cells = map_[y0[y]]
            if y1[y] != y0[y]:
                _lerp(cells, map_[y1[y]], wy[y], between)
                cells = between
        a, b = x0[x] * IMAGES, x1[x] * IMAGES
        at = (pixel - first) * STRIDE + PAD
        bins_of_images(cells, a, b, a == b, wx[x], low, scale, table, flat, at)  # type: ignore[call-arg]
        _wrap(images, flat, at)
        x += 1


@compiled
def add_joint(bins, features, pixels, images, joint):  # type: ignore[no-untyped-def]
    """Adds every pixel's lanes (tile, 64, L) uint16 to the row of its bin, joint (bins, L) int64."""
    lanes, rows = features.shape[2], joint.shape[0]
    held = np.zeros(COPIES * rows * lanes, np.uint16)  # 240 x 16 x 8 at most in each lane of a copy
    flat, rows_of = features.reshape(-1), bins.reshape(-1)
    lane = 0
    while lane < lanes:
        for pixel in range(pixels):
            first, start = pixel * STRIDE + PAD, pixel * IMAGES * lanes
            add_pixel(held, rows * lanes, rows_of, first, images, flat, start, lanes, lane)  # type: ignore[call-arg]
        lane += 32 if lanes - lane >= 32 else 16 if lanes - lane >= 16 else 8
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
def add_overlaps(bins, listed, starts, cuts, tails, single, overlaps):  # type: ignore[no-untyped-def]
    """Adds to overlaps (concepts, 64, 16) int32 what the window's images share with each image's concepts.

    From concept `single` on there are formulas, which are passed over without a threshold (NEVER).
    """
    flat, rows = overlaps.reshape(-1), bins.reshape(-1)
    for image in range(starts.shape[0]):
        for concept in range(starts.shape[1] - 1):
            first, last = starts[image, concept], starts[image, concept + 1]
            if first < last and (concept < single or cuts[concept] != NEVER):
                at = (concept * IMAGES + image) * WINDOW
                t0, t1 = tails[0], tails[1]
                window_tally(rows, listed, first, last, image, cuts[concept], t0, t1, flat, at)  # type: ignore[call-arg]


@compiled
def look_at(r, chosen, axes, values):  # type: ignore[no-untyped-def]
    """Values (U, n, k) of maps r (n, U, h, w) at pixels chosen (n, k), numbered row by row.

    For the pilot. They are interpolated as bins are filled, to the last bit.
    """
    (y0, y1, wy), (x0, x1, wx) = axes
    width = len(x0)
    for unit in range(r.shape[1]):
        for image in range(r.shape[0]):
            cells = r[image, unit]
            for k in range(chosen.shape[1]):
                y, x = chosen[image, k] // width, chosen[image, k] % width
                left, right = cells[y0[y], x0[x]], cells[y0[y], x1[x]]
                if y1[y] != y0[y]:
                    left = (ONE - wy[y]) * left + wy[y] * cells[y1[y], x0[x]]
                    right = (ONE - wy[y]) * right + wy[y] * cells[y1[y], x1[x]]
                same = x1[x] == x0[x]
                values[unit, image, k] = left if same else (ONE - wx[x]) * left + wx[x] * right
