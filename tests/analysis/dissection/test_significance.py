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


def lifted(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, shown: int, control: float | None = None
) -> tuple[float, float, float, float]:
    score, mask = a.sum() / b.sum(), c.sum() / d.sum()
    floor = np.array([[mask if control is None else control]])
    moments, constant = paired(a, b, c, d)
    found = significance.lift(moments[None], constant, np.array([[score]]), floor, np.array([shown]))
    return tuple(float(value[0, 0]) for value in found)  # type: ignore[return-value]


@given(st.integers(0, 10**6), st.integers(25, 90), st.floats(0, 0.2))
@settings(max_examples=50)
def test_the_interval_of_the_lift_is_that_of_its_linearised_errors(
    seed: int, images: int, more: float
) -> None:
    random = np.random.default_rng(seed)
    b, d = random.integers(20, 200, (2, images))
    a, c = (random.random(images) * b).astype(int), (random.random(images) * d).astype(int)
    unit, mask = a.sum() / b.sum(), c.sum() / d.sum()
    control = mask + more  # the null may be the strongest control
    lift, low, high, p = lifted(a, b, c, d, images, control)
    of_unit, of_mask = (a - unit * b) / b.sum(), (c - mask * d) / d.sum()
    errors = of_unit / (1 - mask) - of_mask * (1 - unit) / (1 - mask) ** 2
    k = min(b.sum() ** 2 / (b * b).sum(), d.sum() ** 2 / (d * d).sum(), images)
    error = np.sqrt(k / (k - 1) * (errors**2).sum())
    wide = stats.t.ppf(0.975, k - 1) * error
    assert lift == pytest.approx((unit - control) / (1 - control))
    assert [low, high] == pytest.approx([lift - wide, lift + wide])
    assert p == pytest.approx(stats.t.sf(lift / error, k - 1))


def test_a_unit_that_is_the_mask_has_no_lift() -> None:
    random = np.random.default_rng(0)
    b = random.integers(20, 200, 60)
    a = (random.random(60) * b).astype(int)
    lift, low, high, p = lifted(a, b, a, b, 60)
    assert [lift, low, high] == pytest.approx([0, 0, 0], abs=1e-9)
    assert p == 1.0
    assert np.isnan(lifted(a, b, a, b, 19)[1])
    assert lifted(b, b, a, b, 19)[3] == 1.0


def test_the_interval_of_the_lift_covers_and_its_test_keeps_its_level() -> None:
    """Unit and mask see the same images, whose areas are skewed; the truth is from very many of them."""

    def drawn(random: np.random.Generator, images: int, unit: float) -> tuple[np.ndarray, ...]:
        area = np.minimum(np.exp(4 + random.normal(size=images)), 3000)
        a, c = area * random.beta(unit, 2, images), area * random.beta(2, 2, images)
        b, d = area + 60 * random.random(images), area + 30
        return tuple(np.floor(x).astype(np.int64) for x in (a, b, c, d))

    for unit in (2.0, 3.0):
        a, b, c, d = drawn(np.random.default_rng(1), 10**6, unit)
        mask = c.sum() / d.sum()
        truth = (a.sum() / b.sum() - mask) / (1 - mask)
        random, covered, rejected = np.random.default_rng(2), [], []
        for _ in range(800):
            _lift, low, high, p = lifted(*drawn(random, 100, unit), 100)
            covered.append(low <= truth <= high)
            rejected.append(p <= 0.05)
        print(f"\nlift {truth:.3f}: coverage {np.mean(covered):.3f}, p <= .05 {np.mean(rejected):.3f}")
        assert 0.92 <= np.mean(covered) <= 0.985
        assert np.mean(rejected) <= 0.08 if truth <= 0.01 else np.mean(rejected) >= 0.6


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=80)
def test_average_precision_is_that_of_the_ranked_pixels(pixels: list[tuple[int, bool]]) -> None:
    bins, shown = (np.array(part) for part in zip(*pixels, strict=True))
    joint = np.bincount(bins[shown], minlength=6)[None, None]
    counts = np.bincount(bins, minlength=6)[None]
    found = significance.average_precision(joint, counts, np.array([shown.sum()]))[0, 0]
    if not shown.any():
        assert np.isnan(found)
        return
    steps = []
    for b in range(5, -1, -1):
        above = bins >= b
        if above.any():
            steps.append((shown[bins == b].sum() / shown.sum()) * shown[above].mean())
    assert found == pytest.approx(sum(steps))
    assert found >= 0


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
    p = significance.p_permuted(np.array([list(moments.values())]), 64, np.array([12]))
    assert p[0] == pytest.approx(curve.sf(moments["g"]), rel=1e-6)
    assert p[0] == pytest.approx((totals >= moments["g"]).mean(), abs=0.03)


def spread_over_runs(random: np.random.Generator, shown: int, often: float) -> list[np.ndarray]:
    """Overlaps (4, 4) of masks and maps in runs of four images, `shown` maps showing the concept."""
    groups, left = [], shown
    while left:
        many = min(left, int(random.integers(1, 3)))
        area = np.zeros(GROUP)
        area[random.choice(GROUP, many, replace=False)] = 60 * np.exp(random.normal(0, 0.7, many))
        share = random.beta(1, 2, (GROUP, 1)) * (random.random((GROUP, 1)) < often)
        groups.append(np.round(share * area * np.exp(random.normal(0, 0.3, (GROUP, GROUP)))).astype(np.int64))
        left -= many
    return groups


def enumerated(groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Every value of the sum over all permutations, with its probability."""
    found = {0: 1.0}
    for x in groups:
        values = [int(sum(x[i, p[i]] for i in range(GROUP))) for p in permutations(range(GROUP))]
        later: dict[int, float] = {}
        for before, share in found.items():
            for value in values:
                later[before + value] = later.get(before + value, 0) + share / len(values)
        found = later
    sums = np.array(sorted(found))
    return sums, np.array([found[value] for value in sums.tolist()])


@pytest.mark.parametrize("often", [1.0, 0.4])
@pytest.mark.parametrize("shown", range(1, 8))
def test_the_permutation_p_is_safe_for_a_concept_in_few_images(shown: int, often: float) -> None:
    """Beside all permutations: not under the least tail, and it rejects as often as it says."""
    random, rejected = np.random.default_rng(shown), []
    for _ in range(40):
        groups = spread_over_runs(random, shown, often)
        sums, probability = enumerated(groups)
        tail = probability[::-1].cumsum()[::-1]
        moments = np.zeros((len(sums), len(MOMENTS)), np.int64)
        for x in groups:
            centred = 16 * x - 4 * x.sum(0) - 4 * x.sum(1)[:, None] + x.sum()
            for name, value in (("gt", x.sum()), ("gv", (centred**2).sum()), ("gs", (centred**3).sum())):
                moments[:, MOMENTS.index(name)] += value
        moments[:, MOMENTS.index("g")] = sums
        p = significance.p_permuted(moments, 64, np.array([shown]))
        assert (p >= 4.0**-shown).all()
        if shown <= 3:
            assert (p >= tail - 1e-12).all()
        rejected.append(probability[p <= 0.05].sum())
    assert np.mean(rejected) < 0.06


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
