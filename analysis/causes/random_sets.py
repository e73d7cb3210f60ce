"""Random sets of units whose edit has the energy of a given set's: the control of every effect. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCES = (0.1, 0.2, 0.4, 0.8)  # of the energy of the set that is matched, each in turn
FEW = 4  # smaller sets begin with a wider tolerance: 10 or 20 % would leave hardly a choice
TRIES = 50
NEAR = 8  # at least as many others are near a unit in energy
SPARE = 2  # a set's own units are left out where the layer has so many others per unit of the set


def matched_set(
    energy: NDArray[np.float64], units: Sequence[int], random: np.random.Generator
) -> tuple[list[int], float]:
    """Draw as many units with nearly the energy of `units`.

    Returns the units, and their energy over that of `units`. `energy` (U,) is each unit's in the edit. None
    of `units` is drawn where the layer has twice as many others. In a narrower layer all may be.

    Each unit is replaced by one of those nearest to it in energy (an eighth of the layer, at least 8). A draw
    must be within 10 % of the energy. After 50 failures 20 % is enough, and so on; at last the nearest draw
    is taken, because few sets are near to a set of the strongest units. Fewer than four units begin with
    40 %.
    """
    others = np.setdiff1d(np.arange(len(energy)), units)
    pool = others if len(others) >= SPARE * len(units) else np.arange(len(energy))
    pool = pool[np.argsort(energy[pool], kind="stable")]
    places = np.searchsorted(energy[pool], energy[list(units)])
    wanted = float(energy[list(units)].sum())
    tolerances = TOLERANCES if len(units) >= FEW else TOLERANCES[2:]
    best: tuple[list[int], float] = ([], np.inf)
    for attempt in range(TRIES * len(tolerances)):
        drawn = [int(unit) for unit in pool[_drawn(places, len(pool), random, max(NEAR, len(energy) // 8))]]
        ratio = float(energy[drawn].sum()) / wanted if wanted > 0 else 1.0
        if abs(ratio - 1) < abs(best[1] - 1):
            best = (drawn, ratio)
        if abs(best[1] - 1) <= tolerances[attempt // TRIES]:
            break
    return best


def _drawn(places: NDArray[np.int64], width: int, random: np.random.Generator, near: int) -> NDArray[np.intp]:
    """Draw a place in `width` near each of `places`, none twice. A full neighbourhood widens."""
    taken = np.zeros(width, bool)
    for place in random.permutation(places):
        reach = min(near, width)
        while True:
            first = min(max(place - reach // 2, 0), width - reach)
            free = first + np.flatnonzero(~taken[first : first + reach])
            if len(free):
                break
            reach = min(2 * reach, width)
        taken[free[random.integers(len(free))]] = True
    return np.flatnonzero(taken)
