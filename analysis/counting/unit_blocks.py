"""All tiles of one block for a run of units. numba, one thread."""

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.kernel import IMAGES, TILE, add_areas, add_joint, add_overlaps, fill_bins
from analysis.counting.tiles import fill_features, fill_lists
from analysis.counting.vector_loops import STRIDE


@compiled
def count_units(  # type: ignore[no-untyped-def]
    r, units, labels, concepts, axes, edges, lanes, joint, null, offsets, cuts, areas, overlaps
):
    """Counts units first up to last of r (n, U, h, w) against a block's labels (maps, pixels, 64).

    `edges` is (low, scale, table); `lanes` the tile's lane buffer (tile, 64, L) uint16. Fills joint
    (units, bins, L) int64. With cuts = (pair (U, C), tails (U, 2), used (U, K), how many (U,)) uint8 also
    areas (units, K, 64) and overlaps (units, C, 64, 16), int32; overlaps of no length leaves those out.
    """
    low, scale, table = edges
    pair, tails, used, many = cuts
    first_unit, last_unit = units
    images, pixels, tile = r.shape[0], labels.shape[1], lanes.shape[0]
    bins = np.zeros((TILE, STRIDE), np.uint8)
    starts = np.zeros((images, concepts + 1), np.int64)
    listed = np.zeros(tile * IMAGES * labels.shape[0], np.uint16)
    for first in range(0, pixels, tile):
        last = min(first + tile, pixels)
        fill_features(labels, first, last, images, offsets, concepts if null else 0, lanes)
        if len(overlaps):
            fill_lists(labels, first, last, images, starts, listed)
        for unit in range(first_unit, last_unit):
            k = unit - first_unit
            fill_bins(r, unit, first, last, axes, low[unit], scale[unit], table[unit], bins)
            add_joint(bins, lanes, last - first, images, joint[k])
            if len(overlaps):
                add_areas(bins, last - first, used[unit, : many[unit]], areas[k])
                add_overlaps(bins, listed, starts, pair[unit], tails[unit], overlaps[k])
