"""Agreement from counts, against direct computation on masks in float64."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from analysis.counting import agreement

masks = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.int64, n, elements=st.integers(0, 5)), arrays(np.bool_, n), st.integers(0, 4)
    )
)


def tables(bins: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joint (1, 1, 6), pixels (1, 6), areas (1,)."""
    joint = np.bincount(bins[shown], minlength=6)[None, None]
    return joint, np.bincount(bins, minlength=6)[None], np.array([shown.sum()])


def entropy(*events: np.ndarray) -> float:
    labels = sum(event.astype(int) << k for k, event in enumerate(events))
    shares = np.bincount(labels) / len(labels)
    return float(-sum(p * np.log(p) for p in shares if p > 0))


@settings(max_examples=80, deadline=None)
@given(masks)
def test_every_measure_at_every_edge(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    bins, shown, edge = case
    joint, pixels, areas = tables(bins, shown)
    mask = bins >= edge + 1
    counts = {"joint": joint, "pixels": pixels, "areas": areas}
    found = {name: value[0, 0] for name, value in agreement.measures_at(counts, edge).items()}
    union = (mask | shown).sum()
    assert found["iou"] == pytest.approx((mask & shown).sum() / union if union else np.nan, nan_ok=True)
    assert agreement.iou_at(counts, edge)[0, 0] == pytest.approx(found["iou"], nan_ok=True)
    assert agreement.iou_curve(joint, pixels, areas)[0, 0, edge] == pytest.approx(found["iou"], nan_ok=True)
    assert found["accuracy"] == pytest.approx((mask == shown).mean())
    assert found["precision"] == pytest.approx(shown[mask].mean() if mask.any() else np.nan, nan_ok=True)
    assert found["recall"] == pytest.approx(mask[shown].mean() if shown.any() else np.nan, nan_ok=True)
    both = entropy(mask, shown)
    shared = entropy(mask) + entropy(shown) - both
    assert found["iqr"] == pytest.approx(shared / both if both > 0 else 0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_the_chosen_edge_is_the_best_of_those_allowed(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    bins, shown, _edge = case
    joint, pixels, areas = tables(bins, shown)
    scores = {}
    for edge in range(5):
        mask = bins >= edge + 1
        if (
            0 < mask.mean() <= max(0.5, 1.1 * shown.mean()) + 1e-12
            and (mask & shown).mean() > mask.mean() * shown.mean() + 1e-12
        ):
            scores[edge] = (entropy(mask) + entropy(shown)) / entropy(mask, shown) - 1
    chosen = int(agreement.best_edges(joint, pixels, areas, np.array([20]))[0, 0])
    assert (chosen in scores) == bool(scores)
    if scores:
        assert scores[chosen] == pytest.approx(max(scores.values()))


def test_an_anticorrelated_unit_gets_no_threshold() -> None:
    joint, pixels = np.array([[[50, 0, 0]]]), np.array([[50, 100, 50]])
    assert agreement.best_edges(joint, pixels, np.array([50]), np.array([30])).tolist() == [[-1]]


@pytest.mark.parametrize(("area", "images"), [(1, 500), (400, 19)])
def test_rare_concepts_get_no_threshold(area: int, images: int) -> None:
    joint, pixels = np.array([[[0, area]]]), np.array([[10_000 - area, area]])
    assert agreement.best_edges(joint, pixels, np.array([area]), np.array([images])).tolist() == [[-1]]
    assert agreement.best_edges(joint, pixels, np.array([area]), np.array([20])).tolist() == [
        [0 if area >= 10 else -1]
    ]


def test_constant_units_and_concepts_on_every_pixel_have_no_threshold() -> None:
    joint = np.array([[[100, 0, 0]], [[30, 60, 10]]])
    pixels = np.array([[100, 0, 0], [30, 60, 10]])
    assert agreement.best_edges(joint, pixels, np.array([100]), np.array([50])).ravel().tolist() == [-1, -1]


def test_names_are_the_largest_allowed_score() -> None:
    scores = np.array([[0.1, 0.5, np.nan], [0.2, 0.1, 0.3], [0.0, 0.0, 0.0]])
    allowed = np.array([[True, True, True], [True, True, False], [True, True, True]])
    assert agreement.names(scores, allowed).tolist() == [1, 0, -1]


def test_edges_by_tail_and_by_value() -> None:
    counts = {"pixels": np.array([[900, 90, 9, 1]]), "edges": np.array([[0.0, 1.0, 2.0]])}
    assert agreement.edge_of_tail(counts, 0.01).tolist() == [1]
    assert agreement.edge_of(counts, 1.0).tolist() == [1]
    assert agreement.edge_of(counts, 9.0).tolist() == [2]


def test_one_edge_for_each_unit() -> None:
    random = np.random.default_rng(0)
    counts = {"joint": random.integers(0, 9, (3, 2, 6)), "areas": np.array([60, 70])}
    counts["pixels"] = counts["joint"].sum(1) + random.integers(0, 9, (3, 6))
    many = agreement.iou_at(counts, np.array([0, 3, 4]))
    for unit, edge in enumerate((0, 3, 4)):
        np.testing.assert_allclose(many[unit], agreement.iou_at(counts, edge)[unit])
