"""Random sets of units that are as active as a given set: the control of every effect. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCES = (0.1, 0.2, 0.4, 0.8)  # of the energy of the set that is matched, each in turn
FEW = 4  # units, under which 10 or 20 % would leave hardly a choice
TRIES = 50
NEAR = 8  # at least as many units are near a unit in energy, itself included


def matched_set(
    energy: NDArray[np.float64], units: Sequence[int], random: np.random.Generator
) -> tuple[list[int], float]:
    """As many units, and their energy over that of `units` (the sum of mean squared activations).

    Each unit is replaced by another, drawn from those nearest to it in energy (an eighth of the layer, at
    least 8), so a set may by chance hold others of `units`. A draw within 10 % of the energy is wanted; after
    50 in vain one within 20 %, and so on: few sets are near to a set of the strongest units. Fewer than four
    units begin with 40 %.
    """
    order = np.argsort(energy, kind="stable")
    place = np.argsort(order)
    near = min(max(NEAR, len(energy) // 8), len(energy))
    wanted = float(energy[list(units)].sum())
    tolerances = TOLERANCES if len(units) >= FEW else TOLERANCES[2:]
    for attempt in range(TRIES * len(tolerances)):
        drawn = _drawn(order, [int(place[u]) for u in units], near, random)
        ratio = float(energy[drawn].sum()) / wanted if wanted > 0 else 1.0
        if abs(ratio - 1) <= tolerances[attempt // TRIES]:
            break
    return drawn, ratio


def _drawn(
    order: NDArray[np.int64], places: Sequence[int], near: int, random: np.random.Generator
) -> list[int]:
    """Another unit from each place's neighbourhood, none twice; one that is used up widens."""
    taken = np.zeros(len(order), bool)
    for place in random.permutation(np.asarray(places)):
        reach = near
        while True:
            first = min(max(place - reach // 2, 0), max(len(order) - reach, 0))
            free = first + np.flatnonzero(~taken[first : first + reach])
            others = free[free != place]
            if len(others) or reach >= len(order):
                break
            reach = min(2 * reach, len(order))
        taken[random.choice(others if len(others) else free)] = True
    return [int(unit) for unit in order[np.flatnonzero(taken)]]
