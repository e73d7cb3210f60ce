"""What people say of units' names: which names they are shown, and how far they agree.

A rater sees a unit's pictures with its own name or with a random one, and does not know which. So the share
of random names that are accepted tells what any name would get. No torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np

from analysis.shared.arrays import Floats
from analysis.shared.count_intervals import Z

RANDOM_SHARE = 1 / 3  # of the units that are shown with a random name
# Streams of one seed. NumPy takes [seed, 0] for seed, so neither is 0: else the first units in order are
# those with a random name.
NAMES, ORDER = 1, 2


@dataclass(frozen=True)
class Named:
    """A unit and its name, with all concepts that it detects."""

    layer: str
    unit: int
    name: str
    detects: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Item:
    """A unit with the name that raters see; `own` says whether it is the unit's."""

    layer: str
    unit: int
    shown: str
    own: bool


def items(units: Sequence[Named], seed: int, share: float = RANDOM_SHARE) -> list[Item]:
    """Give a share of the units, drawn at random, another unit's name that they do not detect.

    Names are drawn as often as units have them, so that a rare or a frequent name gives nothing away. Every
    rater of a seed sees the same names. A unit that detects every name keeps its own.
    """
    draw = np.random.default_rng([seed, NAMES])
    chosen = set(draw.permutation(len(units))[: round(share * len(units))].tolist())
    found = []
    for place, unit in enumerate(units):
        lures = [o.name for o in units if o.name != unit.name and o.name not in unit.detects]
        pick = int(draw.integers(max(1, len(lures))))  # drawn for every unit: one changes no other
        random = place in chosen and bool(lures)
        found.append(Item(unit.layer, unit.unit, lures[pick] if random else unit.name, not random))
    return found


def order(found: Sequence[Item], seed: int, rater: str) -> list[Item]:
    """The items in a random order of each rater's own."""
    turn = np.random.default_rng([seed, ORDER, crc32(rater.encode())]).permutation(len(found))
    return [found[place] for place in turn]


@dataclass(frozen=True)
class Share:
    """The share of units whose name is accepted, with its 95 % interval; `units` of `ratings` ratings."""

    share: float
    low: float
    high: float
    units: int
    ratings: int


def accepted(units: Sequence[Hashable], values: Sequence[float]) -> Share:
    """The mean value (0 to 1) over units, each the mean of its ratings, with Wilson's interval over units.

    Several ratings of one unit are no independent evidence: they count as one. The interval is Wilson's for a
    share of that many units; values between 0 and 1 vary less than that assumes.
    """
    by_unit: dict[Hashable, list[float]] = {}
    for unit, value in zip(units, values, strict=True):
        by_unit.setdefault(unit, []).append(value)
    n = len(by_unit)
    if not n:
        return Share(float("nan"), float("nan"), float("nan"), 0, 0)
    p = float(np.mean([np.mean(each) for each in by_unit.values()]))
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * float(np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)))
    return Share(p, max(0.0, middle - half), min(1.0, middle + half), n, len(values))


def bins(scores: Sequence[float], most: int = 4, least: int = 8) -> list[tuple[float, float]]:
    """Bounds of up to `most` bins with about equally many scores, at least `least` in each where possible."""
    known = np.sort(np.asarray([score for score in scores if np.isfinite(score)], float))
    if not len(known):
        return []
    count = max(1, min(most, len(known) // least))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)))
    if len(edges) == 1:
        return [(float(edges[0]), float(edges[0]))]
    return [(float(low), float(high)) for low, high in pairwise(edges)]


def krippendorff(ratings: Mapping[Hashable, Sequence[int]]) -> float:
    """Krippendorff's alpha for ordered answers, by item; NaN without two answers to compare.

    1 is full agreement, 0 is what chance gives. The distance of two answers is the ordinal one: the answers
    that lie between them, those at the ends counted half, squared (Krippendorff 2011, "Computing
    Krippendorff's alpha-reliability").
    """
    paired = [list(values) for values in ratings.values() if len(values) > 1]
    if not paired:
        return float("nan")
    levels = sorted({value for values in paired for value in values})
    place = {level: i for i, level in enumerate(levels)}
    together = np.zeros((len(levels), len(levels)))
    for values in paired:
        counts = np.bincount([place[value] for value in values], minlength=len(levels)).astype(float)
        together += (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)
    totals = together.sum(0)
    distance = _ordinal(totals)
    n = totals.sum()
    expected = float((np.outer(totals, totals) * distance).sum()) / (n - 1)
    if expected == 0:
        return float("nan")  # everybody always gave the same answer: nothing shows that they could differ
    return 1 - float((together * distance).sum()) / expected


def _ordinal(totals: Floats) -> Floats:
    """Squared ordinal distances of levels that occur so often."""
    upto = np.cumsum(totals) - totals / 2
    return (upto[:, None] - upto[None, :]) ** 2
