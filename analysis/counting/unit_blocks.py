"""All tiles of one block for a run of units. numba, one thread."""

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.kernel import IMAGES, TILE, add_areas, add_joint, add_overlaps, fill_bins
from analysis.counting.tiles import fill_features, fill_lists
from analysis.counting.vector_loops import STRIDE


@compiled
def count_units(  # type: ignore[no-untyped-def]
    maps,
    first_unit,
    images,
    labels,
    concepts,
    axes,
    edges,
    lanes,
    joint,
    null,
    total,
    offsets,
    cuts,
    single,
    areas,
    overlaps,
):
    """Counts units from `first_unit` on against a block's labels (stack, pixels, 64).

    `maps` (units, h, w * 64) float32 have the images innermost, of which the first `images` are some.
    `edges` is (low, scale, table); `lanes` the tile's lane buffer (tile, 64, L) uint16, with all pixels in
    lane `total` (-1: none). Fills joint (units, bins, L) int64. With cuts = (pair (U, C), tails (U, 2), used
    (U, K), how many (U,)) uint8 also areas (units, K, 64) and overlaps (units, C, 64, 16), int32; overlaps of
    no length leaves those out. Concepts from `single` on are formulas: a unit without a threshold for one has
    no overlaps with it.
    """
    low, scale, table = edges
    pair, tails, used, many = cuts
    pixels, tile = labels.shape[1], lanes.shape[0]
    bins = np.zeros((TILE, STRIDE), np.uint8)
    starts = np.zeros((images, concepts + 1), np.int64)
    listed = np.zeros(tile * IMAGES * labels.shape[0], np.uint16)
    for first in range(0, pixels, tile):
        last = min(first + tile, pixels)
        fill_features(labels, first, last, images, offsets, concepts if null else 0, total, lanes)
        if len(overlaps):
            fill_lists(labels, first, last, images, starts, listed)
        for k in range(len(maps)):
            unit = first_unit + k
            fill_bins(maps[k], images, first, last, axes, low[unit], scale[unit], table[unit], bins)
            add_joint(bins, lanes, last - first, images, joint[k])
            if len(overlaps):
                add_areas(bins, last - first, used[unit, : many[unit]], areas[k])
                add_overlaps(bins, listed, starts, pair[unit], tails[unit], single, overlaps[k])
