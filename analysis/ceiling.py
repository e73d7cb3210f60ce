"""The resolution ceiling: how well any map on a layer's grid could show a concept. No torch.

The concept's own label map is averaged over the layer's cells, upsampled as a unit's map is, and cut at the
one of 64 levels that gives the largest pooled IoU: a unit that knew each cell's exact share of the concept
would score this. (A map could do a little better by overshooting at borders; no closed form is known for the
best one.) It is counted on every eighth image, since it needs far fewer images than a unit's score.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.counting.compiled import compiled

Array = NDArray[Any]
LEVELS = 64
EVERY = 8


@compiled
def add_ceiling(shown: Array, cells: tuple[Array, Array], axes: Any, counts: Array) -> None:
    """Adds one concept of one image: shown (H, W) 0/1; counts (LEVELS + 1, 2) pixels by level, outside and
    in.

    `cells` gives each pixel row's and column's cell; `axes` the upsampling's ((y0, y1, wy), (x0, x1, wx)).
    """
    rows, columns = cells
    (y0, y1, wy), (x0, x1, wx) = axes
    high, wide = rows[-1] + 1, columns[-1] + 1
    share, size = np.zeros((high, wide)), np.zeros((high, wide))
    for y in range(shown.shape[0]):
        for x in range(shown.shape[1]):
            share[rows[y], columns[x]] += shown[y, x]
            size[rows[y], columns[x]] += 1
    share /= np.maximum(size, 1)
    for y in range(shown.shape[0]):
        for x in range(shown.shape[1]):
            left = (1 - wy[y]) * share[y0[y], x0[x]] + wy[y] * share[y1[y], x0[x]]
            right = (1 - wy[y]) * share[y0[y], x1[x]] + wy[y] * share[y1[y], x1[x]]
            value = (1 - wx[x]) * left + wx[x] * right
            counts[int(np.ceil(value * LEVELS - 1e-6)), np.int64(shown[y, x])] += 1


def ceiling_iou(counts: Array) -> Array:
    """The best pooled IoU over levels; counts (..., LEVELS + 1, 2) -> (...). NaN where the concept was not
    seen."""
    on = counts[..., ::-1, :].cumsum(axis=-2)[..., ::-1, :]
    false, hits, total = on[..., 0], on[..., 1], counts[..., 1].sum(axis=-1)
    with np.errstate(all="ignore"):
        iou = hits / (false + total[..., None])
    return np.where(total > 0, np.nan_to_num(iou[..., 1:]).max(axis=-1), np.nan)
