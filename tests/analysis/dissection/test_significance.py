"""Evidence, each statistic against an independent computation."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.counting.agreement import constant_masks
from analysis.counting.moment_names import GROUP, MOMENTS
from analysis.dissection import significance


def sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()])


def test_interval_is_that_of_the_ratio_of_means() -> None:
    random = np.random.default_rng(0)
    b = random.integers(50, 150, 300)
    a = random.binomial(b, 0.4)
    low, high = significance.interval(sums(a, b)[None], np.array([300]))
    draws = random.integers(0, 300, (4000, 300))
    boot = a[draws].sum(1) / b[draws].sum(1)
    assert low[0] == pytest.approx(np.quantile(boot, 0.025), abs=0.003)
    assert high[0] == pytest.approx(np.quantile(boot, 0.975), abs=0.003)


def test_no_interval_below_twenty_images_or_at_the_ends() -> None:
    a = np.arange(1, 41)
    few = significance.interval(np.stack([sums(a, a + 5)] * 2), np.array([19, 20]))[0]
    assert np.isnan(few[0])
    assert not np.isnan(few[1])
    assert np.isnan(significance.interval(sums(a, a)[None], np.array([40]))[0][0])
    assert np.isnan(significance.interval(sums(0 * a, a)[None], np.array([40]))[0][0])


def test_the_best_constant_mask_is_the_best_of_all_masks() -> None:
    random = np.random.default_rng(1)
    fitted, scored = random.integers(0, 11, (2, 1, 2, 4))
    images, other = 10, 12
    choices = [np.array([k >> p & 1 for p in range(8)], bool) for k in range(1, 256)]

    def score(counts: np.ndarray, mask: np.ndarray, of: int) -> float:
        there = counts.ravel()
        return there[mask].sum() / (mask.sum() * of + there[~mask].sum())

    best = max(choices, key=lambda mask: score(fitted, mask, images))
    masks = constant_masks(fitted, images)
    assert masks.ravel().tolist() == best.tolist()
    assert significance.mask_iou(masks, scored, other)[0] == pytest.approx(score(scored, best, other))


def test_a_concept_that_never_occurs_has_no_constant_mask() -> None:
    everywhere, nowhere = np.ones((1, 2, 2), np.int64), np.zeros((1, 2, 2), np.int64)
    assert not constant_masks(nowhere, 3).any()
    assert np.isnan(significance.mask_iou(constant_masks(everywhere, 3), nowhere, 3)[0])
    assert np.isnan(significance.mask_iou(constant_masks(nowhere, 3), everywhere, 3)[0])


def paired(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums (1, 18) of a unit and (1, 5) of a constant mask."""
    moments = dict.fromkeys(MOMENTS, 0) | {
        **{"a": a.sum(), "b": b.sum(), "aa": (a * a).sum(), "ab": (a * b).sum(), "bb": (b * b).sum()},
        **{"ac": (a * c).sum(), "ad": (a * d).sum(), "bc": (b * c).sum(), "bd": (b * d).sum()},
    }
    return np.array([list(moments.values())]), sums(c, d)[None]


@given(st.integers(0, 10**6), st.integers(25, 90))
@settings(max_examples=50, deadline=None)
def test_the_interval_over_the_mask_is_that_of_differences_by_image(seed: int, images: int) -> None:
    random = np.random.default_rng(seed)
    b, d = random.integers(20, 200, (2, images))
    a, c = (random.random(images) * b).astype(int), (random.random(images) * d).astype(int)
    low, high = significance.over_mask(*paired(a, b, c, d), np.array([images]))
    unit, mask = a.sum() / b.sum(), c.sum() / d.sum()
    errors = (a - unit * b) / b.sum() - (c - mask * d) / d.sum()
    k = min(b.sum() ** 2 / (b * b).sum(), d.sum() ** 2 / (d * d).sum(), images)
    wide = stats.t.ppf(0.975, k - 1) * np.sqrt(k / (k - 1) * (errors**2).sum())
    assert [low[0], high[0]] == pytest.approx([unit - mask - wide, unit - mask + wide])


def test_a_unit_that_is_the_mask_neither_beats_it_nor_loses() -> None:
    random = np.random.default_rng(0)
    b = random.integers(20, 200, 60)
    a = (random.random(60) * b).astype(int)
    low, high = significance.over_mask(*paired(a, b, a, b), np.array([60]))
    assert [low[0], high[0]] == pytest.approx([0, 0], abs=1e-9)
    assert np.isnan(significance.over_mask(*paired(a, b, a, b), np.array([19]))[0][0])


def test_the_interval_over_the_mask_covers() -> None:
    """Unit and mask see the same images, whose areas are skewed; the truth is from very many of them."""

    def drawn(random: np.random.Generator, images: int) -> tuple[np.ndarray, ...]:
        area = np.minimum(np.exp(4 + random.normal(size=images)), 3000)
        a, c = area * random.beta(3, 2, images), area * random.beta(2, 2, images)
        b, d = area + 40 * random.random(images), area + 60
        return tuple(np.floor(x).astype(np.int64) for x in (a, b, c, d))

    a, b, c, d = drawn(np.random.default_rng(1), 10**6)
    truth = a.sum() / b.sum() - c.sum() / d.sum()
    random, covered = np.random.default_rng(2), []
    for _ in range(800):
        low, high = significance.over_mask(*paired(*drawn(random, 100)), np.array([100]))
        covered.append(low[0] <= truth <= high[0])
    print(f"\ncoverage over the mask: {np.mean(covered):.3f}")
    assert 0.92 <= np.mean(covered) <= 0.985


def test_permutation_moments_are_those_of_all_permutations() -> None:
    random = np.random.default_rng(2)
    groups = [random.integers(0, 30, (GROUP, GROUP)) for _ in range(3)]
    every = [[sum(x[i, p[i]] for i in range(GROUP)) for p in permutations(range(GROUP))] for x in groups]
    totals = np.add.outer(np.add.outer(every[0], every[1]), every[2]).ravel()
    moments = dict.fromkeys(MOMENTS, 0)
    for x in groups:
        centred = 16 * x - 4 * x.sum(0) - 4 * x.sum(1)[:, None] + x.sum()
        moments["g"] += np.trace(x)
        moments["gt"] += x.sum()
        moments["gv"] += (centred**2).sum()
        moments["gs"] += (centred**3).sum()
    curve = stats.pearson3(stats.skew(totals), totals.mean(), totals.std())
    p = significance.p_permuted(np.array([list(moments.values())]), 64)
    assert p[0] == pytest.approx(curve.sf(moments["g"]), rel=1e-6)
    assert p[0] == pytest.approx((totals >= moments["g"]).mean(), abs=0.03)


def test_simes_and_selection_step_by_step() -> None:
    p = np.array([[0.001, 0.2, np.nan], [0.03, 0.04, 0.9], [0.5, 0.6, 0.7], [np.nan] * 3])
    unit_p, unit_q, pair_q = significance.q_values(p)
    np.testing.assert_allclose(unit_p[:3], [0.002, 0.06, 0.7])
    np.testing.assert_allclose(unit_q[:3], [0.006, 0.09, 0.7])
    assert np.isnan(unit_p[3])
    # one of three units is selected, so within it Benjamini-Hochberg is at .05 / 3
    np.testing.assert_allclose(pair_q[0, :2], [3 * 0.002, 3 * 0.2])
    assert (pair_q[1] > 0.05).all()
    assert np.isnan(pair_q[0, 2])


def test_nothing_tested_is_nothing_named() -> None:
    unit_p, unit_q, pair_q = significance.q_values(np.full((2, 3), np.nan))
    assert np.isnan(unit_p).all()
    assert np.isnan(unit_q).all()
    assert np.isnan(pair_q).all()


def test_a_concept_that_does_not_occur_has_p_one() -> None:
    assert significance.p_values(
        np.zeros((2, 1, len(MOMENTS)), np.int64), 100, np.array([0]), 64
    ).tolist() == [
        [1.0],
        [1.0],
    ]


def test_images_for_a_wanted_width() -> None:
    low, high = np.array([0.4, np.nan, 0.1]), np.array([0.6, 0.9, 0.3])
    assert significance.images_for_width(np.array([0.5, 0.5, 0.2]), low, high, 100, 0.1) == 400
    assert np.isnan(
        significance.images_for_width(np.array([0.5]), np.array([np.nan]), np.array([np.nan]), 9, 0.1)
    )


def test_the_null_counts_one_partner_an_image() -> None:
    null = np.array([[[0, 80]]])  # eight partners over 10 images: 80 of 8 x 10 mask pixels
    weight = significance.null_weight(10, 0)
    assert significance.null_iou(null, np.array([[90, 10]]), np.array([10]), weight)[0, 0, 0] == 1.0
    assert np.isnan(significance.null_weight(1, 1))
    assert significance.null_weight(9, 1) == pytest.approx(9 / 64)
