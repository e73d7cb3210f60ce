"""Keeping each unit's most active images while blocks pass by. numba."""

import numpy as np

from analysis.counting.compilation import compiled
from analysis.shared.arrays import Array


@compiled
def choose_best(peaks: Array, first: int, values: Array, latents: Array, chosen: Array) -> None:
    """Replaces each unit's least active kept image by more active ones of this block, in place.

    peaks (n, U), first: the block's first latent; values and latents (U, K; latent -1: free place). Sets
    chosen (U, K) to the block's image that took a place. Among equals the lower latent stays.
    """
    kept = values.shape[1]
    for unit in range(values.shape[0]):
        worst = _worst(values[unit], latents[unit])
        for image in range(peaks.shape[0]):
            value, latent = peaks[image, unit], first + image
            least, holder = values[unit, worst], latents[unit, worst]
            if holder < 0 or value > least or (value == least and latent < holder):
                values[unit, worst], latents[unit, worst] = value, latent
                chosen[unit, worst] = image
                worst = _worst(values[unit], latents[unit]) if kept > 1 else 0


@compiled
def _worst(values: Array, latents: Array) -> int:
    worst = 0
    for k in range(len(values)):
        if latents[k] < 0:
            return k
        if values[k] < values[worst] or (values[k] == values[worst] and latents[k] > latents[worst]):
            worst = k
    return worst


@compiled
def careful(r: Array, peaks: Array, means: Array) -> None:
    """The largest value and the mean of the finite values over all cells, of r (n, U, cells).

    NaN counts as the least value.
    """
    for image in range(r.shape[0]):
        for unit in range(r.shape[1]):
            peak, total = np.float32(-np.inf), np.float64(0)
            for value in r[image, unit]:
                if value > peak:
                    peak = value
                if np.isfinite(value):
                    total += value
            peaks[image, unit], means[image, unit] = peak, total / r.shape[2]
