"""Thresholds as the kernel wants them: a bin is in the mask at or over its cut."""

import numpy as np

from analysis.counting.thresholds import LayerThresholds
from analysis.shared.arrays import Array

NEVER = 255  # no bin is as high: bins number at most 254


def cuts_of(thresholds: LayerThresholds) -> tuple[Array, Array, Array, Array]:
    """Pair (U, C), tails (U, 2), used (U, K) ascending, how many are used (U,); all uint8."""
    pair = np.where(thresholds.pair >= 0, thresholds.pair + 1, NEVER).astype(np.uint8)
    tails = np.where(thresholds.tails >= 0, thresholds.tails + 1, NEVER).astype(np.uint8)
    rows = [np.unique(np.concatenate(both)) for both in zip(pair, tails, strict=True)]
    used = np.zeros((len(rows), max((len(row) for row in rows), default=1)), np.uint8)
    for row, values in zip(used, rows, strict=True):
        row[: len(values)] = values
    return pair, tails, used, np.array([len(row) for row in rows], np.uint8)
