"""Intervals, overlaps and random sets behind `ace`, against loops and drawn samples."""

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from analysis.causes import random_sets, statistics


def test_means_and_ratios_have_their_intervals() -> None:
    random = np.random.default_rng(1)
    b = random.gamma(2, size=400)
    a = 0.3 * b + random.normal(0, 0.2, 400)
    k = sum(abs(x) for x in a) ** 2 / sum(x * x for x in a)
    wide = stats.t.ppf(0.975, k - 1) * np.sqrt(k / (k - 1)) * a.std() / 20
    assert (statistics.mean(a).low, statistics.mean(a).high) == pytest.approx(
        (a.mean() - wide, a.mean() + wide)
    )
    found = statistics.ratio(a, b)
    left = np.array([np.delete(a, i).sum() / np.delete(b, i).sum() for i in range(400)])
    error = np.sqrt(399 / 400 * ((left - left.mean()) ** 2).sum())  # the jackknife
    assert found.value == pytest.approx(a.sum() / b.sum())
    assert (found.high - found.low) / 2 == pytest.approx(1.968 * error, rel=0.03)
    assert np.isnan(statistics.ratio(np.zeros(5), np.zeros(5)).value)
    one = np.array([0, 0, 1.0])
    assert np.isnan(statistics.ratio(one, one).low)  # one image holds all: no interval
    assert np.isnan(statistics.mean(a, shown=9).low)
    assert np.isfinite(statistics.mean(a, shown=10).low)
    assert np.isnan(statistics.mean(np.ones(1)).low)


def test_alphas_agree_by_what_they_share() -> None:
    assert statistics.agreement(np.array([[1.0, 0.5, 0.01], [0.5, 1.0, 0.0]])) == pytest.approx(1 / 2.01)
    assert statistics.agreement(np.array([[1.0, 0], [1, 0], [0, 1]])) == pytest.approx(1 / 3)
    assert statistics.agreement(np.zeros((2, 3))) == 1
    assert np.isnan(statistics.agreement(np.ones((1, 3))))


def test_a_share_that_is_the_same_in_all_images_is_not_sure_to_the_last_digit() -> None:
    """Ten images that lose all of a concept do not say that every image does: the rule of three."""
    shown = np.repeat([1.0, 0.0], [10, 54])
    found = statistics.ratio(shown, shown)
    assert found.low == pytest.approx(1 - (1 - 0.05**0.1))
    assert 0.9**10 > 0.05  # so many images that lose it are likely when one in ten does not
    assert found.low < 0.9
    assert np.isnan(statistics.ratio(shown[1:], shown[1:]).low)


@pytest.mark.parametrize("images", [32, 64, 200])
@pytest.mark.parametrize("presence", [0.05, 0.1, 0.3, 1.0])
def test_effects_on_a_rare_concept_cover(presence: float, images: int) -> None:
    """Areas are log-normal. Student's interval with N - 1 degrees covers .62 to .94 here."""

    def drawn(random: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        shown = random.random(size) < presence
        return shown * np.exp(random.normal(size=size)) * random.beta(4, 1, size), shown

    truth = drawn(np.random.default_rng(5), (1000, 1000))[0].mean()
    values, shown = drawn(np.random.default_rng(6), (1500, images))
    found = statistics.mean(values.T, shown.sum(1))
    given = np.isfinite(found.low)
    covered = ((found.low <= truth) & (truth <= found.high))[given]
    if given.any():
        print(f"\npresence {presence}, {images} images: {given.mean():.2f} given, {covered.mean():.3f} cover")
    assert given.mean() == pytest.approx((shown.sum(1) >= 10).mean())
    if given.sum() >= 100:
        assert covered.mean() >= 0.89


def test_ratios_cover() -> None:
    random, inside = np.random.default_rng(2), 0
    for _ in range(400):
        b = random.gamma(1, size=64) * (random.random(64) < 0.5)
        a = b * random.beta(2, 3, 64)
        found = statistics.ratio(a, b)
        inside += found.low <= 0.4 <= found.high
    assert 0.91 <= inside / 400 <= 0.985


@given(st.integers(2, 4), st.integers(1, 8), st.integers(0, 10_000))
@settings(max_examples=30)
def test_overlap_is_the_mean_over_pairs_of_units_that_act(seeds: int, top: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    alphas, iou = (
        random.permuted(np.tile([0, 0, 0, 0, 0.2, 0.4, 0.6, 1], (seeds, 1)), axis=1),
        random.random(8),
    )
    tops = [[u for u in sorted(range(8), key=lambda u: -a[u])[:top] if a[u]] for a in alphas]
    pairs = [len(set(a) & set(b)) / top for a, b in combinations(tops, 2)]
    assert statistics.top_overlap(alphas, iou, top) == pytest.approx(np.mean(pairs))


def test_seeds_that_learned_nothing_do_not_agree() -> None:
    assert statistics.top_overlap(np.zeros((3, 8)), np.arange(8.0), 4) == 0
    alphas = np.array([[0.5, 0.2, 0, 0], [0.4, 0.3, 0, 0]])
    assert statistics.top_overlap(alphas, np.arange(4.0), 2) == 1
    assert statistics.top_overlap(alphas, np.arange(4.0), 4) == 0.5
    assert np.isnan(statistics.top_overlap(alphas[:1], np.arange(4.0), 2))


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_as_good_is_the_share_of_different_sets_that_do_as_much(seed: int) -> None:
    random = np.random.default_rng(seed)
    effects, rows = random.integers(0, 4, 12), random.integers(0, 12, (19, 4))
    other, sets = random.integers(0, 4, (19, 4)), random.integers(0, 9, 19).tolist()
    counted = random.random(12) < 0.6
    more, compared = 1.0, 1
    for each in set(sets):
        there = [(s, k) for s in range(19) for k in range(4) if sets[s] == each and counted[rows[s, k]]]
        if there:
            theirs, own = (sum(v[s, k] for s, k in there) for v in (other, effects[rows]))
            compared += 1
            more += 1.0 if theirs > own else 0.5 if theirs == own else 0.0
    found = statistics.as_good(effects, other, rows, sets, counted)
    assert found.sets == compared - 1
    assert found.p == pytest.approx(more / compared) if compared > 1 else np.isnan(found.p)


def test_as_good_without_anything_to_compare() -> None:
    none = statistics.as_good(np.ones(12), np.empty((0, 4)), np.empty((0, 4), int), [])
    assert none.sets == 0
    assert np.isnan(none.p)
    unseen = statistics.as_good(np.ones(4), np.ones((2, 2)), np.array([[0, 1], [2, 3]]), [0, 1], np.zeros(4))
    assert np.isnan(unseen.p)
    same = statistics.as_good(np.zeros(4), np.zeros((4, 2)), np.zeros((4, 2), int), [0, 1, 2, 2])
    assert same == (pytest.approx((1 + 1.5) / 4), 3)  # ties, and one set drawn twice


def test_a_perfect_cause_of_a_rare_concept_is_seen() -> None:
    """The concept is in one image of twenty, and only the set removes it."""
    shown = np.zeros(64, bool)
    shown[[3, 25, 50]] = True
    rows = (np.arange(50)[:, None] * 8 + np.arange(8)) % 64
    found = statistics.as_good(shown * 0.1, np.zeros((50, 8)), rows, range(50), shown)
    assert found.p == pytest.approx(1 / (1 + found.sets))
    assert found.p < 0.06


def test_as_good_is_uniform_for_units_drawn_as_the_random_ones_are() -> None:
    """Images differ far more than sets do, and a random set is scored on few: the same few must compare."""
    random, found = np.random.default_rng(4), []
    rows = (np.arange(19)[:, None] * 4 + np.arange(4)) % 24
    for _ in range(2000):
        image = random.normal(0, 10, 24)
        own, others = random.normal(0, 1), random.normal(0, 1, 19)
        found.append(statistics.as_good(own + image, others[:, None] + image[rows], rows, range(19)).p)
    assert np.mean(np.array(found) <= 0.05 + 1e-9) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("counts", [(19, 4), (20, 4), (50, 4), (50, 8)])
def test_as_good_is_never_small_too_often(noise: float, counts: tuple[int, int]) -> None:
    """Each set has its own luck with each image, and there are few images: then p comes near to a half."""
    random, found = np.random.default_rng(6), []
    sets, many = counts
    rows = (np.arange(sets)[:, None] * many + np.arange(many)) % 64
    for _ in range(1500):
        image = random.normal(0, 10, 64)
        own = random.normal(0, 1) + image + random.normal(0, noise, 64)
        others = random.normal(0, 1, sets)[:, None] + image[rows] + random.normal(0, noise, rows.shape)
        found.append(statistics.as_good(own, others, rows, range(sets)).p)
    for level in (0.02, 0.05, 0.1, 0.2):
        assert np.mean(np.array(found) <= level + 1e-9) <= level + 3 * np.sqrt(level / 1500)


def test_equal_scores_are_ranked_by_the_second() -> None:
    order = statistics.ranked(np.array([0.0, 1, 0, np.nan, 0]), np.array([0.1, 0, 0.3, 1, 0.1]))
    assert order.tolist() == [1, 2, 0, 4, 3]


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=40)
def test_random_sets_are_other_units_of_equal_energy(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    energy = random.gamma(2, size=64)
    units = random.choice(64, size, replace=False).tolist()
    drawn, ratio = random_sets.matched_set(energy, units, random)
    assert len(set(drawn)) == size
    assert ratio == pytest.approx(sum(energy[u] for u in drawn) / sum(energy[u] for u in units))
    if 64 - size >= 2 * size:
        assert not set(drawn) & set(units)
    if size == 1:
        place = np.argsort(np.argsort(energy))
        assert abs(place[drawn[0]] - place[units[0]]) <= 8


def test_random_sets_meet_the_tolerance_where_they_can() -> None:
    random = np.random.default_rng(0)
    energy = random.gamma(2, size=64)
    middle = np.argsort(energy)[20:40:2].tolist()
    ratios = [random_sets.matched_set(energy, middle, random)[1] for _ in range(50)]
    assert max(abs(ratio - 1) for ratio in ratios) <= 0.1
    strongest = [int(energy.argmax())]
    drawn = [tuple(random_sets.matched_set(energy, strongest, random)[0]) for _ in range(50)]
    assert len(set(drawn)) > 1


def test_where_no_set_is_as_strong_the_nearest_of_all_draws_is_taken() -> None:
    energy = np.concatenate([np.full(5, 100.0), np.random.default_rng(1).gamma(2, size=59)])
    drawn, ratio = random_sets.matched_set(energy, range(5), np.random.default_rng(2))
    single = [random_sets.matched_set(energy, range(5), np.random.default_rng(s))[1] for s in range(20)]
    assert not set(drawn) & set(range(5))
    assert 0 < ratio < 0.2
    assert np.std(single) < 0.02


def test_the_whole_of_a_layer_is_matched_by_itself() -> None:
    drawn, ratio = random_sets.matched_set(np.arange(1.0, 7), range(6), np.random.default_rng(0))
    assert (sorted(drawn), ratio) == (list(range(6)), pytest.approx(1))
