"""Random sets of units whose edit is as large as a given set's: the control of every effect. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCES = (0.1, 0.2, 0.4, 0.8)  # of the energy of the set that is matched, each in turn
FEW = 4  # units, under which 10 or 20 % would leave hardly a choice
TRIES = 50
NEAR = 8  # at least as many others are near a unit in energy
SPARE = 2  # times the set's units: so many others are to be left, or its own may be drawn too


def matched_set(
    energy: NDArray[np.float64], units: Sequence[int], random: np.random.Generator
) -> tuple[list[int], float]:
    """As many units, and their energy over that of `units`, `energy` (U,) being each unit's in the edit.

    None of `units` is among them where the layer has twice as many others; in a narrower layer all may be.
    Each unit is replaced by one of those nearest to it in energy (an eighth of the layer, at least 8). A draw
    within 10 % of the energy is wanted; after 50 in vain one within 20 %, and so on, and at last the nearest:
    few sets are near to a set of the strongest units. Fewer than four units begin with 40 %.
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
    """A place of `width` near each of `places`, none twice; a neighbourhood that is used up widens."""
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
