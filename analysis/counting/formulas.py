"""Compositional names: "roof or dome", "building and not window" (Mu and Andreas 2020). No torch.

The joint counts of two single concepts give those of "A or B" where the two practically never overlap, and
of "A and not B" where B lies within A. Such formulas are found here, on calibration images. Evaluation
counts the few that are kept exactly, as further concepts, from label maps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.counting import agreement
from analysis.counting.counts import Counts
from analysis.shared.arrays import Array, Floats

MOST = 8  # formulas of a run
APART = 0.05  # of the smaller concept's pixels may lie on the other: they practically never overlap
WITHIN = 0.95  # of a concept's pixels lie on the other: it is within it
CATEGORY = "composition"

# Joint (U, C, B), pixels (U, B), areas (C,), shown (C,) -> edges, sides, IoU at these, all (U, C)
Measure = Callable[[Array, Array, Array, Array], tuple[NDArray[np.int16], NDArray[np.int8], Floats]]


class Formula(NamedTuple):
    """Two concepts by number: "first or second", or if negated "first and not second"."""

    first: int
    second: int
    negated: bool

    def name(self, names: Sequence[str]) -> str:
        """The formula in words.

        >>> Formula(1, 0, True).name(["window", "building"])
        'building and not window'
        """
        between = "and not" if self.negated else "or"
        return f"{names[self.first]} {between} {names[self.second]}"

    def counts(self, counts: Array) -> Array:
        """Its counts (...) from those of the concepts (C, ...): the sum, or the difference."""
        one, other = counts[self.first], counts[self.second]
        return np.maximum(one - other, 0) if self.negated else one + other


def stacked(labels: Array, formulas: Sequence[Formula], concepts: int) -> Array:
    """Label maps (n, maps, H, W) with one more for each formula: (n, maps + F, H, W).

    The first formula's label is concepts + 1.
    """
    if not formulas:
        return labels
    images, maps, height, width = labels.shape
    kind = np.result_type(labels, np.min_scalar_type(concepts + len(formulas)))
    found = np.zeros((images, maps + len(formulas), height, width), kind)
    found[:, :maps] = labels
    for number, formula in enumerate(formulas):
        one, other = ((labels == concept + 1).any(axis=1) for concept in formula[:2])
        shown = one & ~other if formula.negated else one | other
        found[:, maps + number][shown] = concepts + number + 1
    return found


@dataclass(frozen=True)
class Composed:
    """The formulas of a run, and at which thresholds units are measured against them.

    Of F formulas: constant controls `masks` (F, H, W) and what these score, `control` (F,). Of each layer:
    `pair`, `side` and `score` (U, F) as for single concepts, and `own` (U,), the number of the formula that
    explains the unit better than any single concept, or -1. Only that one has a threshold.
    """

    formulas: tuple[Formula, ...]
    masks: NDArray[np.bool_]
    control: Floats
    pair: Mapping[str, NDArray[np.int16]]
    side: Mapping[str, NDArray[np.int8]]
    score: Mapping[str, Floats]
    own: Mapping[str, NDArray[np.int16]]


class _Found(NamedTuple):
    """Units of a layer beside a formula: the thresholds, the IoU there, and the gain over single concepts."""

    units: NDArray[np.int64]
    pair: NDArray[np.int16]
    side: NDArray[np.int8]
    score: Floats
    gain: Floats

    def some(self, chosen: NDArray[np.bool_], gain: Floats) -> "_Found":
        """Some of the units, with their gains."""
        kept = (self.pair[chosen], self.side[chosen], self.score[chosen])
        return _Found(self.units[chosen], *kept, gain[chosen])


def compose(calibration: Counts, lifts: Mapping[str, Floats], measure: Measure, most: int = MOST) -> Composed:
    """Find the formulas that explain units better than any single concept, from calibration counts.

    lifts (U, C) of each layer are those of single concepts; 0 for one that cannot be a name. A unit's formula
    is the one whose lift is furthest over its largest one. Kept are the formulas with which the lifts of all
    units rise most, so that what a few units gain by luck comes last.
    """
    images, odd = calibration.images, sum(stop // 2 - start // 2 for start, stop in calibration.ranges)
    pixels = images * calibration.grid[0] * calibration.grid[1]
    found: list[tuple[Formula, Array, float, dict[str, _Found]]] = []
    for formula in _possible(calibration):
        frequency = float(formula.counts(calibration.areas)) / pixels
        better = {
            name: _better(_scored(formula, calibration, name, lift, measure), lift, frequency)
            for name, lift in lifts.items()
        }
        if not any(len(each.units) for each in better.values()):
            continue  # not even over always-on; the constant control, which takes a while, scores more
        places, of_odd = (formula.counts(x)[None] for x in (calibration.places, calibration.odd))
        masks, control = agreement.constant_controls(places, of_odd, (images, odd))
        better = {name: _better(each, lifts[name], float(control[0])) for name, each in better.items()}
        found.append((formula, masks[0], float(control[0]), better))
    kept = [found[number] for number in _best(lifts, [better for *_, better in found], most)]
    return _composed(kept, lifts, calibration.grid)


def _possible(calibration: Counts) -> Iterator[Formula]:
    """The formulas whose counts follow from those of single concepts that are common enough for a name."""
    pixels = calibration.images * calibration.grid[0] * calibration.grid[1]
    areas, overlap = calibration.areas, calibration.overlap
    common = np.flatnonzero(agreement.supported(areas, calibration.shown, pixels))
    for first in common:
        for second in common:
            both = overlap[first, second]
            if first < second and both <= APART * min(areas[first], areas[second]):
                yield Formula(int(first), int(second), False)
            rest = areas[first] - areas[second]
            if first != second and both >= WITHIN * areas[second] and rest >= agreement.MIN_PIXELS * pixels:
                yield Formula(int(first), int(second), True)


def _trusting(formula: Formula, lifts: Floats) -> NDArray[np.int64]:
    """The units that may follow the formula. One that follows "A or B" agrees with A and with B.

    (One that follows "A and not B" need not agree with A, of which B may be the larger part.)
    """
    parts = lifts[:, [formula.first, formula.second]] > 0
    return np.flatnonzero(parts.all(axis=1) | formula.negated)


def _scored(formula: Formula, calibration: Counts, name: str, lifts: Floats, measure: Measure) -> _Found:
    """The units that may follow the formula, measured against it; without gains."""
    layer, units = calibration.layers[name], _trusting(formula, lifts)
    if not len(units):
        nothing = np.zeros(0)
        return _Found(units, nothing.astype(np.int16), nothing.astype(np.int8), nothing, nothing)
    joint = formula.counts(layer.joint.transpose(1, 0, 2))[units][:, None]
    shown = calibration.shown[[formula.first, formula.second]]
    shown = shown[:1] if formula.negated else shown.max(keepdims=True)
    area = formula.counts(calibration.areas)[None]
    pair, side, score = measure(joint, layer.pixels[units], area, shown)
    return _Found(units, pair[:, 0], side[:, 0], score[:, 0], np.zeros(len(units)))


def _better(scored: _Found, lifts: Floats, control: float) -> _Found:
    """The units whose lift over a control is larger than those of all single concepts."""
    gain = np.nan_to_num(agreement.lift(scored.score, np.array(control))) - lifts[scored.units].max(axis=1)
    return scored.some(gain > 0, gain)


def _best(lifts: Mapping[str, Floats], found: Sequence[Mapping[str, _Found]], most: int) -> list[int]:
    """The numbers of the formulas with the largest gain over all units whose they are, at most `most`."""
    total = np.zeros(len(found))
    for own, gain in _own(lifts, found).values():
        total += np.bincount(own[own >= 0], gain[own >= 0], len(found))
    ranked = np.argsort(-total, kind="stable")[:most]
    return [int(number) for number in ranked if total[number] > 0]


def _own(
    lifts: Mapping[str, Floats], found: Sequence[Mapping[str, _Found]]
) -> dict[str, tuple[NDArray[np.int16], Floats]]:
    """The number of the formula of the largest gain of each unit (U,), or -1, and that gain, by layer."""
    best = {name: (np.full(len(lift), -1, np.int16), np.zeros(len(lift))) for name, lift in lifts.items()}
    for number, better in enumerate(found):
        for name, each in better.items():
            own, gain = best[name]
            more = each.gain > gain[each.units]
            own[each.units[more]], gain[each.units[more]] = number, each.gain[more]
    return best


def _composed(
    kept: Sequence[tuple[Formula, Array, float, dict[str, _Found]]],
    lifts: Mapping[str, Floats],
    grid: tuple[int, int],
) -> Composed:
    own = {name: own for name, (own, _gain) in _own(lifts, [better for *_, better in kept]).items()}
    pair = {name: np.full((len(lift), len(kept)), -1, np.int16) for name, lift in lifts.items()}
    side = {name: np.ones((len(lift), len(kept)), np.int8) for name, lift in lifts.items()}
    score = {name: np.full((len(lift), len(kept)), np.nan) for name, lift in lifts.items()}
    for number, (*_, better) in enumerate(kept):
        for name, each in better.items():
            here = own[name][each.units] == number
            at = (each.units[here], number)
            pair[name][at], side[name][at] = each.pair[here], each.side[here]
            score[name][at] = each.score[here]
    masks = np.array([mask for _, mask, *_ in kept]).reshape(len(kept), *grid).astype(bool)
    control = np.array([score for _, _, score, _ in kept], float)
    return Composed(tuple(formula for formula, *_ in kept), masks, control, pair, side, score, own)
