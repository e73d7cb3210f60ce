"""Agreement from counts, against direct computation on masks in float64."""

from typing import Any

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


@settings(max_examples=80)
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


@settings(max_examples=60)
@given(masks, st.sampled_from(["both", "high"]))
def test_the_chosen_edge_is_the_best_of_those_allowed(
    case: tuple[np.ndarray, np.ndarray, int], sides: agreement.Sides
) -> None:
    bins, shown, _edge = case
    joint, pixels, areas = tables(bins, shown)
    scores = {}
    for edge in range(5):
        mask = bins >= edge + 1
        excess = (mask & shown).mean() - mask.mean() * shown.mean()
        if 0 < mask.mean() < 1 and (abs(excess) if sides == "both" else excess) > 1e-12:
            side = agreement.HIGH if excess > 0 else agreement.LOW
            scores[edge] = (entropy(mask) + entropy(shown)) / entropy(mask, shown) - 1, side
    edges, chosen_sides = agreement.best_edges(joint, pixels, areas, np.array([20]), sides)
    chosen = int(edges[0, 0])
    assert (chosen in scores) == bool(scores)
    if scores:
        assert scores[chosen][0] == pytest.approx(max(score for score, _ in scores.values()))
        assert chosen_sides[0, 0] == scores[chosen][1]


def best(joint: np.ndarray, pixels: np.ndarray, area: int, images: int, **options: Any) -> list[list[int]]:
    """Edge and side of each unit for one concept."""
    edges, sides = agreement.best_edges(joint, pixels, np.array([area]), np.array([images]), **options)
    return [[int(edge), int(side)] for edge, side in zip(edges[:, 0], sides[:, 0], strict=True)]


def test_a_unit_that_is_low_on_its_concept_is_cut_on_the_low_side() -> None:
    joint, pixels = np.array([[[50, 0, 0]]]), np.array([[50, 100, 50]])
    assert best(joint, pixels, 50, 30) == [[0, agreement.LOW]]
    assert best(joint, pixels, 50, 30, sides="high") == [[-1, agreement.HIGH]]
    pair, side = np.array([[0]]), np.array([[agreement.LOW]])
    assert agreement.at_pairs(joint, pair, side).tolist() == [[50]]
    assert agreement.at_pairs(pixels, pair, side).tolist() == [[50]]


def test_a_mask_of_most_pixels_may_be_chosen() -> None:
    """The concept is on nine pixels of ten, and the unit is it."""
    assert best(np.array([[[0, 900]]]), np.array([[100, 900]]), 900, 30) == [[0, agreement.HIGH]]


@settings(max_examples=60)
@given(masks)
def test_turned_counts_are_those_of_the_opposite_unit(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    bins, shown, edge = case
    joint, pixels, areas = tables(bins, shown)
    counts = {"joint": joint, "null": joint, "pixels": pixels, "areas": areas, "edges": np.arange(5.0)[None]}
    turned = agreement.turned(counts)
    low = bins < edge + 1  # what is not over the edge
    found = agreement.measures_at(turned, 4 - edge)["iou"][0, 0]
    union = (low | shown).sum()
    assert found == pytest.approx((low & shown).sum() / union if union else np.nan, nan_ok=True)
    assert turned["edges"][0, 4 - edge] == -edge


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 3))
def test_constant_controls_are_those_of_plain_loops(seed: int, images: int, concepts: int) -> None:
    random = np.random.default_rng(seed)
    shown = random.random((images, concepts, 2, 3)) < random.random(concepts)[:, None, None]
    odd = np.arange(images) % 2 == 1
    masks, scores = agreement.constant_controls(shown.sum(0), shown[odd].sum(0), (images, int(odd.sum())))
    for concept in range(concepts):
        own, both, union = shown[:, concept], 0, 0
        for fitted, scored in ((own[odd], own[~odd]), (own[~odd], own[odd])):
            mask = agreement.constant_masks(fitted.sum(0)[None], len(fitted))[0]
            both += (scored & mask).sum()
            union += (scored | mask).sum()
        cross, everywhere = (both / union if union else 0), own.mean()
        if not own.any():
            assert np.isnan(scores[concept])
            continue
        assert scores[concept] == pytest.approx(max(cross, everywhere))
        fitted = agreement.constant_masks(own.sum(0)[None], images)[0]
        if everywhere < cross - 1e-12:
            assert (masks[concept] == fitted).all()
        elif everywhere > cross + 1e-12:
            assert masks[concept].all()


@settings(max_examples=80)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_masks_of_other_images_score_no_more_than_the_best_constant_mask(seed: int, images: int) -> None:
    """Each mask is laid over every image; why calibration needs no null among its controls."""
    random = np.random.default_rng(seed)
    shown = random.random((images, 12)) < random.random(12)
    unit = random.random((images, 12)) < random.random()
    both = sum((unit[i] & shown[j]).sum() for i in range(images) for j in range(images))
    whole = images * (unit.sum() + shown.sum()) - both
    places = shown.sum(0)[None, None]
    mask = agreement.constant_masks(places, images)[0, 0]
    hit = shown[:, mask].sum()
    best = hit / (mask.sum() * images + shown.sum() - hit) if shown.any() else 0
    assert (both / whole if whole else 0) <= best + 1e-12


@pytest.mark.parametrize(("area", "images"), [(1, 500), (400, 19)])
def test_rare_concepts_get_no_threshold(area: int, images: int) -> None:
    joint, pixels = np.array([[[0, area]]]), np.array([[10_000 - area, area]])
    assert best(joint, pixels, area, images) == [[-1, 1]]
    assert best(joint, pixels, area, 20) == [[0 if area >= 10 else -1, 1]]


def test_constant_units_and_concepts_on_every_pixel_have_no_threshold() -> None:
    joint = np.array([[[100, 0, 0]], [[30, 60, 10]]])
    pixels = np.array([[100, 0, 0], [30, 60, 10]])
    assert best(joint, pixels, 100, 50) == [[-1, 1], [-1, 1]]


def test_names_are_the_largest_allowed_score() -> None:
    scores = np.array([[0.1, 0.5, np.nan], [0.2, 0.1, 0.3], [0.0, 0.0, 0.0]])
    allowed = np.array([[True, True, True], [True, True, False], [True, True, True]])
    assert agreement.names(scores, allowed).tolist() == [1, 0, -1]


def test_edges_by_tail_and_by_value() -> None:
    counts = {"pixels": np.array([[900, 90, 9, 1]]), "edges": np.array([[0.0, 1.0, 2.0]])}
    assert agreement.edge_of_tail(counts, 0.01).tolist() == [1]
    assert agreement.edge_of(counts, 1.0).tolist() == [1]
    binary = np.array([[700, 0, 300], [980, 0, 20], [992, 0, 8]])  # on for .3, .02 and .008 of the pixels
    assert agreement.tail_edges(binary, 0.005).tolist() == [-1, -1, 0]
    assert agreement.edge_of_tail({"pixels": binary}, 0.005).tolist() == [1, 1, 0]
    assert agreement.edge_of(counts, 9.0).tolist() == [2]


def test_one_edge_for_each_unit() -> None:
    random = np.random.default_rng(0)
    counts = {"joint": random.integers(0, 9, (3, 2, 6)), "areas": np.array([60, 70])}
    counts["pixels"] = counts["joint"].sum(1) + random.integers(0, 9, (3, 6))
    many = agreement.iou_at(counts, np.array([0, 3, 4]))
    for unit, edge in enumerate((0, 3, 4)):
        np.testing.assert_allclose(many[unit], agreement.iou_at(counts, edge)[unit])
