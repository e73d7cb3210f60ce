"""Recipes against each other, held against plain loops, scipy's own tests, and all orders."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.comparison import trainings

numbers = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=6)


def layers() -> pd.DataFrame:
    rows = [
        (f"{recipe}-{seed}", f"run-{recipe}-{seed}", layer, units, twin, 1 / units, turned / units)
        for recipe, twin, turned in (("big", 1.0, np.nan), ("small", np.nan, 2.0))
        for seed in (1, 2, 3)
        for layer, units in (("layer1", 8), ("layer2", 4))
    ]
    return pd.DataFrame(
        rows, columns=["generator", "run_id", "layer", "units", "twin_detectors", *trainings.LIFTS]
    )


def detecting() -> pd.DataFrame:
    rows = [
        ("big-1", "layer1", "door", "part", 2),
        ("big-1", "layer1", "sky", "object", 3),
        ("big-1", "layer2", "door", "part", 1),
        ("big-2", "layer1", "sky", "object", 1),
        ("big-3", "layer2", "tree", "object", 4),
        ("small-1", "layer1", "sky", "object", 2),
        ("small-2", "layer1", "sky", "object", 2),
        ("small-3", "layer1", "sky", "object", 2),
    ]
    return pd.DataFrame(rows, columns=["generator", "layer", "concept", "category", "detectors"])


def rotated() -> pd.DataFrame:
    rows = [
        ("small-1", "layer1", "door", "part", 1),
        ("small-1", "layer2", "sky", "object", 2),
        ("small-1", "layer2", "door", "part", 2),
    ]
    return pd.DataFrame(rows, columns=["generator", "layer", "concept", "category", "detectors"])


def test_counts_are_those_of_a_plain_loop() -> None:
    counted = trainings.tally(layers(), detecting(), rotated())
    assert len(counted) == 6 * 3 * 3  # generators, layers and all, categories and all
    for row in counted.to_dict("records"):
        own, turned = (
            [
                found
                for found in frame.to_dict("records")
                if found["generator"] == row["generator"]
                and row["layer"] in (found["layer"], "all")
                and row["category"] in (found["category"], "all")
            ]
            for frame in (detecting(), rotated())
        )
        assert row["detectors"] == sum(found["detectors"] for found in own)
        assert row["concepts"] == len({found["concept"] for found in own})
        assert row["units"] == {"layer1": 8, "layer2": 4, "all": 12}[row["layer"]]
        assert row["recipe"] == row["generator"][:-2]
        if row["recipe"] == "small":
            assert row["rotated_detectors"] == sum(found["detectors"] for found in turned)
            assert row["rotated_concepts"] == len({found["concept"] for found in turned})
        else:  # nobody rotated its units
            assert np.isnan(row["rotated_detectors"])
            assert np.isnan(row["rotated_concepts"])
        known = row["category"] == "all" and row["recipe"] == "big"
        expected = 1 + (row["layer"] == "all") if known else np.nan
        assert row["twin_detectors"] == pytest.approx(expected, nan_ok=True)
        lifts = {"layer1": 1 / 8, "layer2": 1 / 4, "all": (8 / 8 + 4 / 4) / 12}  # a mean over units
        whole = lifts[row["layer"]] if row["category"] == "all" else np.nan
        assert row["lift"] == pytest.approx(whole, nan_ok=True)
        known = 2 * whole if row["recipe"] == "small" else np.nan
        assert row["rotated_lift"] == pytest.approx(known, nan_ok=True)


def test_what_is_compared_is_a_share_a_number_and_what_is_beyond_the_controls() -> None:
    values = trainings.measured(trainings.tally(layers(), detecting(), rotated()))
    first = values[
        (values["generator"] == "big-1") & (values["layer"] == "all") & (values["category"] == "all")
    ]
    assert dict(zip(first["measure"], first["value"], strict=True)) == pytest.approx(
        {"detectors": 6 / 12, "concepts": 2, "lift": 2 / 12, "beyond_twin": 4 / 12}
    )
    assert not ((values["recipe"] == "small") & (values["measure"] == "beyond_twin")).any()
    at = "generator == 'small-1' and layer == 'layer2' and category == 'all'"
    last = values.query(f"{at} and measure == 'beyond_rotation'")
    assert last["value"].tolist() == [-4 / 4]  # rotated units detect more
    last = values.query(f"{at} and measure == 'lift_beyond_rotation'")
    assert last["value"].tolist() == [1 / 4 - 2 / 4]
    whole = values.query(
        "generator == 'small-1' and layer == 'all' and measure == 'concepts_beyond_rotation'"
    )
    assert dict(zip(whole["category"], whole["value"], strict=True)) == {"object": 0, "part": -1, "all": -1}


@given(numbers)
def test_the_interval_is_scipys(values: list[float]) -> None:
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95) if len(set(values)) > 1 else None
    wanted = (found.low, found.high) if found else (values[0], values[0])
    assert trainings.interval(values) == pytest.approx(wanted, abs=1e-9)


@given(numbers, numbers)
def test_the_difference_is_welchs(one: list[float], other: list[float]) -> None:
    low, high = trainings.welch(one, other)
    assert (low + high) / 2 == pytest.approx(np.mean(one) - np.mean(other), abs=1e-9)
    if len(set(one)) > 1 or len(set(other)) > 1:
        found = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
        assert (low, high) == pytest.approx((found.low, found.high), rel=1e-6, abs=1e-9)


def test_the_interval_covers_a_planted_difference() -> None:
    dice = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        low, high = trainings.welch(dice.normal(1, 1, 3), dice.normal(0, 2, 3))
        hits += low <= 1 <= high
    assert 930 <= hits <= 990  # Welch's interval is somewhat wide for so few


def test_one_training_has_no_interval_and_is_still_told() -> None:
    values = trainings.measured(trainings.tally(layers(), detecting(), rotated()))
    alone = values[values["generator"].isin(("big-1", "small-1", "small-2"))]
    means = trainings.means(alone).set_index(["recipe", "layer", "category", "measure"])
    big, small = (means.loc[(name, "layer1", "all", "detectors")] for name in ("big", "small"))
    assert (big["trainings"], big["mean"], np.isnan(big["low"])) == (1, 5 / 8, True)
    assert (small["trainings"], small["mean"], small["low"], small["high"]) == (2, 0.25, 0.25, 0.25)
    differences = trainings.differences(alone).set_index(["recipe", "other", "layer", "category", "measure"])
    found = differences.loc[("big", "small", "layer1", "all", "detectors")]
    assert found["difference"] == pytest.approx(3 / 8)
    assert np.isnan(found["low"])


def test_places_are_those_of_all_pairs() -> None:
    best = pd.DataFrame(
        [
            *(("big-1", "door", "part", "layer2"), ("big-2", "door", "part", "layer2")),
            *(("big-3", "door", "part", "layer1"), ("big-1", "sky", "object", "layer1")),
            *(("big-2", "sky", "object", "layer2"), ("small-1", "sky", "object", "layer1")),
        ],
        columns=["generator", "concept", "category", "layer"],
    )
    found = trainings.places(best).set_index(["recipe", "concept"])
    for (recipe, concept), row in found.iterrows():
        same = best[best["generator"].str.startswith(f"{recipe}-") & (best["concept"] == concept)]["layer"]
        pairs = list(itertools.combinations(same, 2))
        assert (row["pairs"], row["agreeing"]) == (len(pairs), sum(a == b for a, b in pairs))
        assert row["trainings"] == len(same)
    assert found.loc[("big", "door"), "layer"] == "layer2"


def test_chance_is_the_mean_over_all_orders() -> None:
    a, b = {"door": "1", "sky": "1", "tree": "2"}, {"door": "1", "sky": "2", "hill": "2"}
    rows = [("x-1", name, "object", layer) for name, layer in a.items()]
    rows += [("x-2", name, "object", layer) for name, layer in b.items()]
    best = pd.DataFrame(rows, columns=["generator", "concept", "category", "layer"])
    shares = []
    for one in itertools.permutations(a.values()):
        for other in itertools.permutations(b.values()):
            mine, theirs = dict(zip(a, one, strict=True)), dict(zip(b, other, strict=True))
            shares += [mine[name] == theirs[name] for name in ("door", "sky")]
    assert trainings.chance(best) == pytest.approx(np.mean(shares))
    assert np.isnan(trainings.chance(best[best["generator"] == "x-1"]))


def test_the_p_value_is_the_share_of_all_orders_that_agree_as_much() -> None:
    a, b = (
        {"door": "1", "sky": "1", "tree": "2", "hill": "3"},
        {"door": "1", "sky": "1", "tree": "3", "path": "2"},
    )
    rows = [("x-1", name, "object", layer) for name, layer in a.items()]
    rows += [("x-2", name, "object", layer) for name, layer in b.items()]
    best = pd.DataFrame(rows, columns=["generator", "concept", "category", "layer"], index=range(5, 13))
    as_many = []
    for one in itertools.permutations(a.values()):
        for other in itertools.permutations(b.values()):
            mine, theirs = dict(zip(a, one, strict=True)), dict(zip(b, other, strict=True))
            as_many.append(sum(mine[name] == theirs[name] for name in ("door", "sky", "tree")) >= 2)
    assert trainings.chance_p_value(best) == pytest.approx(np.mean(as_many), abs=0.02)
    assert np.isnan(trainings.chance_p_value(best[best["generator"] == "x-1"]))


def test_shuffled_trainings_have_any_p_value_and_equal_ones_a_small_one() -> None:
    dice = np.random.default_rng(2)
    names = [f"concept {k}" for k in range(12)]

    def trained(*orders: np.ndarray) -> pd.DataFrame:
        rows = [
            (f"x-{seed}", name, "object", f"layer{layer}")
            for seed, order in enumerate(orders)
            for name, layer in zip(names, order, strict=True)
        ]
        return pd.DataFrame(rows, columns=["generator", "concept", "category", "layer"])

    layers = np.repeat(np.arange(4), 3)
    found = [
        trainings.chance_p_value(trained(*(dice.permutation(layers) for _ in range(3))), 199)
        for _ in range(300)
    ]
    assert (
        0.01 <= np.mean(np.array(found) <= 0.05) <= 0.08
    )  # the statistic is a count, so the test is cautious
    assert trainings.chance_p_value(trained(layers, layers, layers), 999) == 1 / 1000


def test_other_vocabularies_are_compared_at_the_concepts_that_they_share() -> None:
    names = sorted(set(detecting()["concept"]))
    shared = names[:1]
    counted = trainings.tally(layers(), detecting(), rotated(), shared)
    assert set(counted["category"]) == {*shared, trainings.ALL}
    assert counted[["lift", "rotated_lift", "twin_detectors"]].isna().all().all()
    whole = trainings.tally(layers(), detecting(), rotated())
    for _, row in counted.iterrows():
        for name, frame in (("detectors", detecting()), ("rotated_detectors", rotated())):
            own = frame[(frame["generator"] == row["generator"]) & (frame["concept"] == shared[0])]
            own = own if row["layer"] == trainings.ALL else own[own["layer"] == row["layer"]]
            known = (
                name == "detectors"
                or not whole.loc[
                    (whole["generator"] == row["generator"])
                    & (whole["layer"] == row["layer"])
                    & (whole["category"] == trainings.ALL),
                    name,
                ]
                .isna()
                .any()
            )
            if known:
                assert row[name] == own["detectors"].sum()
    assert set(trainings.measured(counted)["measure"]) <= {
        "detectors",
        "concepts",
        "beyond_rotation",
        "concepts_beyond_rotation",
    }
    nothing = trainings.tally(layers(), detecting(), rotated(), ())
    assert nothing["detectors"].sum() == 0
