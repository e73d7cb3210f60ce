"""Intervals, overlaps and random sets behind `ace`, against loops and drawn samples."""

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from analysis.causal import randomsets, statistics


def test_means_and_ratios_have_their_intervals() -> None:
    random = np.random.default_rng(1)
    b = random.gamma(2, size=400)
    a = 0.3 * b + random.normal(0, 0.2, 400)
    low, high = stats.ttest_1samp(a, 0).confidence_interval()
    assert (statistics.mean(a).low, statistics.mean(a).high) == pytest.approx((low, high))
    found = statistics.ratio(a, b)
    left = np.array([np.delete(a, i).sum() / np.delete(b, i).sum() for i in range(400)])
    error = np.sqrt(399 / 400 * ((left - left.mean()) ** 2).sum())  # the jackknife
    assert found.value == pytest.approx(a.sum() / b.sum())
    assert (found.high - found.low) / 2 == pytest.approx(1.968 * error, rel=0.03)
    assert np.isnan(statistics.ratio(np.zeros(5), np.zeros(5)).value)
    one = np.array([0, 0, 1.0])
    assert np.isnan(statistics.ratio(one, one).low)  # one image holds all: no interval


def test_ratios_cover() -> None:
    random, inside = np.random.default_rng(2), 0
    for _ in range(400):
        b = random.gamma(1, size=64) * (random.random(64) < 0.5)
        a = b * random.beta(2, 3, 64)
        found = statistics.ratio(a, b)
        inside += found.low <= 0.4 <= found.high
    assert 0.91 <= inside / 400 <= 0.985


@given(st.integers(2, 4), st.integers(1, 8), st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_overlap_is_the_mean_over_pairs(seeds: int, top: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    orders = np.stack([random.permutation(8) for _ in range(seeds)])
    pairs = [len(set(a[:top]) & set(b[:top])) / top for a, b in combinations(orders.tolist(), 2)]
    assert statistics.top_overlap(orders, top) == pytest.approx(np.mean(pairs))


def test_equal_scores_are_ranked_by_the_second() -> None:
    order = statistics.ranked(np.array([0.0, 1, 0, np.nan, 0]), np.array([0.1, 0, 0.3, 1, 0.1]))
    assert order.tolist() == [1, 2, 0, 4, 3]


@given(st.integers(0, 10_000), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_random_sets_are_other_units_of_equal_energy(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    energy = random.gamma(2, size=64)
    units = random.choice(64, size, replace=False).tolist()
    drawn, ratio = randomsets.matched_set(energy, units, random)
    assert len(set(drawn)) == size
    assert ratio == pytest.approx(sum(energy[u] for u in drawn) / sum(energy[u] for u in units))
    if size == 1:
        assert drawn != units
        place = np.argsort(np.argsort(energy))
        assert abs(place[drawn[0]] - place[units[0]]) <= 8


def test_random_sets_meet_the_tolerance_where_they_can() -> None:
    random = np.random.default_rng(0)
    energy = random.gamma(2, size=64)
    middle = np.argsort(energy)[20:40:2].tolist()
    ratios = [randomsets.matched_set(energy, middle, random)[1] for _ in range(50)]
    assert max(abs(ratio - 1) for ratio in ratios) <= 0.1
    strongest = [int(energy.argmax())]
    drawn = [tuple(randomsets.matched_set(energy, strongest, random)[0]) for _ in range(50)]
    assert len(set(drawn)) > 1
