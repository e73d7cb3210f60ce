"""Means and ratios of means with 95 % intervals, the image being the cluster. No torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.shared.arrays import Array, Ints


class Estimate(NamedTuple):
    """A value and its 95 % interval; arrays of equal shape. NaN where there is none."""

    value: Array
    low: Array
    high: Array


def mean(values: Array, level: float = 0.05) -> Estimate:
    """The mean over images (N, ...) and Student's interval; one image has no interval."""
    values = np.asarray(values, float)
    n = len(values)
    middle = values.mean(0)
    if n < 2:
        return Estimate(middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan))
    wide = stats.t.ppf(1 - level / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
    return Estimate(middle, middle - wide, middle + wide)


def ratio(parts: Array, wholes: Array, level: float = 0.05) -> Estimate:
    """Sum parts / sum wholes over images (N, ...): a ratio of means, by linearisation.

    Var = n / (n - 1) sum (a - R b)^2 / (sum b)^2, Student's t of k - 1 degrees of freedom, k = (sum b)^2 /
    sum b^2: where few images hold most of the concept, only they tell (as in
    analysis.dissection.significance.interval). No logit scale:
    shares removed may be under 0 and shares added over 1. NaN where no image has the concept.
    """
    a, b = np.asarray(parts, float), np.asarray(wholes, float)
    n, total = len(a), b.sum(0)
    with np.errstate(all="ignore"):
        value = np.where(total > 0, a.sum(0) / total, np.nan)
        effective = total**2 / (b**2).sum(0)
        error = np.sqrt(n / max(n - 1, 1) * ((a - value * b) ** 2).sum(0)) / total
        known = (effective >= 2) & (n > 1)
        wide = np.where(known, stats.t.ppf(1 - level / 2, np.maximum(effective - 1, 1)) * error, np.nan)
    return Estimate(value, value - wide, value + wide)


def band(values: Array, level: float = 0.05) -> Estimate:
    """The mean over sets (S, ...) and the quantiles that hold 95 % of them."""
    values = np.asarray(values, float)
    low, high = np.quantile(values, [level / 2, 1 - level / 2], axis=0)
    return Estimate(values.mean(0), low, high)


def as_good(effects: Array, random: Array, rows: Array) -> float:
    """The share of random sets, this one counted among them, that do as much on the same images: the effects
    of a set (N,), of random sets (S, n), and the images (S, n) that each of those was scored on.
    """
    if not len(random):
        return float("nan")
    same = np.asarray(effects, float)[rows].mean(1)
    return float((1 + np.sum(np.asarray(random, float).mean(1) >= same)) / (1 + len(random)))


def top_overlap(alphas: Array, then: Array, count: int) -> float:
    """The share of the first `count` units that two seeds (S, U) have in common and both let act, mean over
    pairs; NaN for one seed. Units of alpha 0 are in no order of the learning's, so they never agree.
    """
    tops = [{int(u) for u in ranked(alpha, then)[:count] if alpha[u] > 0} for alpha in alphas]
    pairs = [len(a & b) / count for i, a in enumerate(tops) for b in tops[:i]]
    return float(np.mean(pairs)) if pairs else float("nan")


def ranked(scores: Array, then: Array | None = None) -> Ints:
    """Unit numbers, the largest score first; equal scores by `then`, and then by number."""
    scores = np.nan_to_num(np.asarray(scores, float), nan=-np.inf)
    other = np.zeros_like(scores) if then is None else np.nan_to_num(np.asarray(then, float), nan=-np.inf)
    return np.lexsort((np.arange(len(scores)), -other, -scores)).astype(np.int64)


def ranks(order: Ints) -> Ints:
    """Return each unit's rank, 1 first, from the unit numbers in their order."""
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(1, len(order) + 1)
    return found
