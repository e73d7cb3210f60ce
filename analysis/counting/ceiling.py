"""The resolution ceiling: how well any map on a layer's grid could show a concept. No torch.

The concept's own label map is averaged over the layer's cells, upsampled as a unit's map is, and cut at the
one of 64 levels that gives the largest pooled IoU: a unit that knew each cell's exact share of the concept
would score this. (A map could do a little better by overshooting at borders; no closed form is known for the
best one.) It is counted on every eighth image, since it needs far fewer images than a unit's score.
"""

from typing import Any

import numpy as np

from analysis.counting.compilation import compiled
from analysis.shared.arrays import Array

LEVELS = 64
EVERY = 8


@compiled
def _share(labels: Array, label: int, cells: Any, shown: Array, share: Array) -> None:
    """Sets where a label is, shown (H, W), and how many pixels of it each cell has."""
    rows, columns = cells
    width = len(columns)
    shown[:] = 0
    share[:] = 0
    for level in range(labels.shape[0]):
        for pixel in range(labels.shape[1]):
            y, x = pixel // width, pixel % width
            if labels[level, pixel] == label and not shown[y, x]:
                shown[y, x] = 1
                share[rows[y], columns[x]] += 1


def add_ceiling(labels: Array, present: Array, cells: Any, axes: Any, counts: Array) -> None:
    """Adds one image: labels (maps, H * W); counts (C, LEVELS + 1, 2) pixels by level, outside and in.

    `present` are the labels to look for, `cells` gives each pixel row's and column's cell, and `axes` is the
    upsampling's ((y0, y1, wy), (x0, x1, wx)).
    """
    rows, columns = cells
    size = np.outer(np.bincount(rows), np.bincount(columns)).astype(np.float64)
    shown, share = np.zeros((len(rows), len(columns)), np.uint8), np.zeros(size.shape)
    _add(labels, present, cells, axes, size, shown, share, counts)


@compiled
def _add(labels, present, cells, axes, size, shown, share, counts):  # type: ignore[no-untyped-def]
    rows, columns = cells
    (y0, y1, wy), (x0, x1, wx) = axes
    for label in present:
        _share(labels, label, cells, shown, share)
        share /= size
        for y in range(len(rows)):
            for x in range(len(columns)):
                left = share[y0[y], x0[x]] + wy[y] * (share[y1[y], x0[x]] - share[y0[y], x0[x]])
                right = share[y0[y], x1[x]] + wy[y] * (share[y1[y], x1[x]] - share[y0[y], x1[x]])
                value = left + wx[x] * (right - left)
                counts[label - 1, int(np.ceil(value * LEVELS - 1e-6)), shown[y, x]] += 1


def ceiling_iou(counts: Array) -> Array:
    """The best pooled IoU over levels; counts (..., LEVELS + 1, 2) -> (...).

    NaN where the concept was not seen.
    """
    on = counts[..., ::-1, :].cumsum(axis=-2)[..., ::-1, :]
    false, hits, total = on[..., 0], on[..., 1], counts[..., 1].sum(axis=-1)
    with np.errstate(all="ignore"):
        iou = hits / (false + total[..., None])
    return np.where(total > 0, np.nan_to_num(iou[..., 1:]).max(axis=-1), np.nan)
