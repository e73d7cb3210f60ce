"""Means and ratios of means with 95 % intervals that are clustered by image. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.shared.arrays import Array, Ints

MIN_SHOWN = 10  # images with the concept, under which no interval is given
MIN_EFFECTIVE = 1.5  # effective images at least, where one image has nearly all of an effect
EXACT = 1e-9  # errors under this are those of rounding


class Estimate(NamedTuple):
    """A value and its 95 % interval; arrays of equal shape. NaN where there is none."""

    value: Array
    low: Array
    high: Array


def mean(values: Array, shown: Array | int | None = None, level: float = 0.05) -> Estimate:
    """Return the mean over images (N, ...) and Student's interval; one image has no interval.

    The degrees of freedom are k - 1 for k = (sum |v|)^2 / sum v^2 effective images: where few images hold
    most of the effect, only those count. (For a concept in 10 % of 64 images with log-normal areas .95 of the
    intervals cover; with N - 1 degrees it was .80.)

    Args:
        values: (N, ...) the effects.
        shown: How many images show what may be lost, if that limits the effect. Under 10 have no interval.
        level: 1 minus the coverage.
    """
    values = np.asarray(values, float)
    n, middle = len(values), values.mean(0)
    known = np.full(middle.shape, n > 1) & (True if shown is None else np.asarray(shown) >= MIN_SHOWN)
    with np.errstate(all="ignore"):
        effective = np.abs(values).sum(0) ** 2 / (values**2).sum(0)
        effective = np.maximum(np.where(np.isfinite(effective), effective, n), MIN_EFFECTIVE)
        error = np.sqrt(effective / (effective - 1)) * values.std(0) / np.sqrt(n)
        wide = np.where(known, stats.t.ppf(1 - level / 2, effective - 1) * error, np.nan)
    return Estimate(middle, middle - wide, middle + wide)


def ratio(parts: Array, wholes: Array, level: float = 0.05) -> Estimate:
    """Return the ratio of means R = sum a / sum b over images (N, ...), with its interval by linearisation.

    `parts` are a, `wholes` are b. Var R = n / (n - 1) sum (a - R b)^2 / (sum b)^2. The interval is Student's,
    with k - 1 degrees of freedom for k = (sum b)^2 / sum b^2 effective images: where few images hold most of
    the concept, only those count (as in `analysis.dissection.significance.interval`). There is no logit scale
    because shares removed may be under 0, and shares added over 1. If all images agree exactly, the interval
    is that of the rule of three: another image would differ with a probability of at most 1 - .05^(1/k). NaN
    where fewer than 10 images have the concept.
    """
    a, b = np.asarray(parts, float), np.asarray(wholes, float)
    n, total = len(a), b.sum(0)
    with np.errstate(all="ignore"):
        value = np.where(total > 0, a.sum(0) / total, np.nan)
        effective = total**2 / (b**2).sum(0)
        error = np.sqrt(n / max(n - 1, 1) * ((a - value * b) ** 2).sum(0)) / total
        known = (effective >= 2) & (n > 1) & ((b > 0).sum(0) >= MIN_SHOWN)
        wide = stats.t.ppf(1 - level / 2, np.maximum(effective - 1, 1)) * error
        wide = np.where(error > EXACT, wide, 1 - level ** (1 / effective))
        wide = np.where(known, wide, np.nan)
    return Estimate(value, value - wide, value + wide)


def band(values: Array, level: float = 0.05) -> Estimate:
    """Return the mean over sets (S, ...), and the quantiles between which 95 % of them lie."""
    values = np.asarray(values, float)
    low, high = np.quantile(values, [level / 2, 1 - level / 2], axis=0)
    return Estimate(values.mean(0), low, high)


class Comparison(NamedTuple):
    """The p-value of a set among random ones, and how many different random sets it was compared with."""

    p: float
    sets: int


def as_good(
    effects: Array, random: Array, rows: Array, sets: Sequence[object], counted: Array | None = None
) -> Comparison:
    """Return the share of random sets that do as much on the same images, the set itself counted as one.

    It is the p-value of a randomization test. A set that was drawn again is one set: its images are put
    together. A tie counts half. Without a random set to compare with, p is NaN.

    Args:
        effects: (N,) the set's effect on each image.
        random: (S, n) the random sets' effects on their images.
        rows: (S, n) the images that each random set was scored on.
        sets: The S sets, equal where they have the same units.
        counted: (N,) bool, the images that can tell: an ablation removes nothing where the concept is not.
            All when None.
    """
    effects, random = np.asarray(effects, float), np.asarray(random, float)
    pairs: dict[object, list[tuple[float, float]]] = {}
    for number, drawn in enumerate(sets):
        for place, image in enumerate(rows[number]):
            if counted is None or counted[image]:
                pairs.setdefault(drawn, []).append((random[number, place], effects[image]))
    if not pairs:
        return Comparison(float("nan"), 0)
    theirs, own = np.array([np.mean(each, axis=0) for each in pairs.values()]).T
    # p = (1 + sets that do as much) / (1 + sets), which is never 0.
    as_much = np.sum(theirs > own) + 0.5 * np.sum(theirs == own)
    return Comparison(float((1 + as_much) / (1 + len(pairs))), len(pairs))


def top_overlap(alphas: Array, then: Array, count: int) -> float:
    """Return the share of the first `count` units that two seeds have in common: the mean over pairs.

    `alphas` (S, U) has one row per seed; equal alphas are ordered by `then` (U,). Units of alpha 0 have no
    order from the learning, so they never agree. NaN for one seed.
    """
    tops = [{int(u) for u in ranked(alpha, then)[:count] if alpha[u] > 0} for alpha in alphas]
    pairs = [len(a & b) / count for i, a in enumerate(tops) for b in tops[:i]]
    return float(np.mean(pairs)) if pairs else float("nan")


def agreement(alphas: Array) -> float:
    """Return how far alphas (S, U) agree, from 0 to 1: the mean over pairs of sum min / sum max.

    Unlike the overlap of first units it needs no number of units, and small alphas count little. NaN for one
    row; two rows of zeros agree.
    """
    pairs = [(a, b) for i, a in enumerate(np.asarray(alphas, float)) for b in alphas[:i]]
    shared = [
        np.minimum(a, b).sum() / np.maximum(a, b).sum() if np.maximum(a, b).any() else 1.0 for a, b in pairs
    ]
    return float(np.mean(shared)) if shared else float("nan")


def ranked(scores: Array, then: Array | None = None) -> Ints:
    """Return unit numbers, the largest score first; equal scores by `then`, and then by number."""
    scores = np.nan_to_num(np.asarray(scores, float), nan=-np.inf)
    other = np.zeros_like(scores) if then is None else np.nan_to_num(np.asarray(then, float), nan=-np.inf)
    return np.lexsort((np.arange(len(scores)), -other, -scores)).astype(np.int64)


def ranks(order: Ints) -> Ints:
    """Return each unit's rank, 1 first, from the unit numbers in their order."""
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(1, len(order) + 1)
    return found
