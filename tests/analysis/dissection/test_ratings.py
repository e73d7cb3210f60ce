"""What raters see, and how their answers are counted: beside the definitions, by brute force."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from analysis.dissection.ratings import Named, accepted, bins, items, krippendorff, order

NAMES = st.sampled_from(["tree", "door", "sky", "roof"])
UNITS = st.lists(st.tuples(NAMES, st.frozensets(NAMES, max_size=2)), max_size=40).map(
    lambda found: [Named("layer1", i, name, also | {name}) for i, (name, also) in enumerate(found)]
)


@given(UNITS, st.integers(0, 99))
def test_a_random_name_is_another_units_and_never_detected(units: list[Named], seed: int) -> None:
    found = items(units, seed)
    assert [(each.layer, each.unit) for each in found] == [(each.layer, each.unit) for each in units]
    for item, unit in zip(found, units, strict=True):
        if item.own:
            assert item.shown == unit.name
        else:
            assert item.shown not in unit.detects
            assert item.shown in {each.name for each in units}
    assert sum(not each.own for each in found) <= round(len(units) / 3)
    assert items(units, seed) == found


def test_a_third_of_the_names_are_random_and_a_name_tells_nothing() -> None:
    units = [Named("layer1", i, "sky" if i % 3 else "door", frozenset()) for i in range(300)]
    found = items(units, 5)
    assert sum(not each.own for each in found) == 100
    shown = Counter((each.own, each.shown) for each in found)
    assert shown[False, "sky"] > 0
    assert shown[False, "door"] > 0


@pytest.mark.parametrize("rater", ["", "ada"])
def test_the_first_units_are_no_more_random_than_the_rest(rater: str) -> None:
    units = [Named("layer1", i, f"name {i % 7}", frozenset()) for i in range(600)]
    shares = [
        np.mean([not each.own for each in order(items(units, seed), seed, rater)[:60]]) for seed in range(20)
    ]
    assert 0.25 < np.mean(shares) < 0.42
    assert max(shares) < 0.6


@given(UNITS, st.integers(0, 9))
def test_each_rater_has_an_order_of_the_same_names(units: list[Named], seed: int) -> None:
    found = items(units, seed)
    first, second = order(found, seed, "ada"), order(found, seed, "bob")
    assert Counter(first) == Counter(second) == Counter(found)
    assert order(found, seed, "ada") == first


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_share_of_units_has_wilsons_interval(values: list[bool]) -> None:
    found = accepted(range(len(values)), [float(value) for value in values])
    proportion = binomtest(sum(values), len(values)).proportion_ci(method="wilson")
    assert found.share == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx((proportion.low, proportion.high))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=30))
def test_ratings_of_one_unit_count_as_one(given_: list[tuple[int, float]]) -> None:
    found = accepted([unit for unit, _ in given_], [value for _, value in given_])
    means = [np.mean([v for u, v in given_ if u == unit]) for unit in {u for u, _ in given_}]
    assert (found.units, found.ratings) == (len(means), len(given_))
    assert found.share == pytest.approx(np.mean(means))
    assert 0 <= found.low <= found.share + 1e-9
    assert found.share - 1e-9 <= found.high <= 1


def brute_alpha(ratings: dict[int, list[int]]) -> float:
    """Krippendorff's alpha as it is defined: mean distance of pairs within items over that of all pairs."""
    paired = {item: values for item, values in ratings.items() if len(values) > 1}
    every = [value for values in paired.values() for value in values]
    n = Counter(every)

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        return (sum(n[g] for g in range(low, high + 1)) - (n[low] + n[high]) / 2) ** 2 if a != b else 0.0

    within = sum(
        sum(distance(a, b) for a, b in permutations(values, 2)) / (len(values) - 1)
        for values in paired.values()
    ) / len(every)
    between = sum(distance(a, b) for a, b in permutations(every, 2)) / (len(every) * (len(every) - 1))
    return 1 - within / between if between else float("nan")


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 2), max_size=4), max_size=8))
def test_alpha_is_krippendorffs(ratings: dict[int, list[int]]) -> None:
    if not any(len(values) > 1 for values in ratings.values()):
        assert np.isnan(krippendorff(ratings))
        return
    assert krippendorff(ratings) == pytest.approx(brute_alpha(ratings), nan_ok=True)


def test_alpha_of_a_published_example() -> None:
    """Krippendorff (2011), four observers of twelve units, ordinal: 0.815."""
    rows = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    by_item = {
        place: [int(value) for value in values if value != "."]
        for place, values in enumerate(zip(*(row.split() for row in rows), strict=True))
    }
    assert krippendorff(by_item) == pytest.approx(0.815, abs=0.001)


@given(st.lists(st.floats(-1, 1), max_size=80))
def test_every_score_is_in_a_bin(scores: list[float]) -> None:
    found = bins(scores)
    assert len(found) <= 4
    assert all(any(low <= score <= high for low, high in found) for score in scores)
