"""The best map on a grid, beside the averaged concept, all maps of small grids, and known cases."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.counting.ceiling import LEVELS, add_ceiling, ceiling_iou
from analysis.shared.bilinear import axis
from benchmarks.best_map import best_map


def masks(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where maps upsampled by torch are over 0."""
    up = torch.nn.functional.interpolate(torch.from_numpy(maps)[:, None], size, mode="bilinear")
    return (up[:, 0] > 0).numpy()


def pooled(on: NDArray[np.bool_], shown: NDArray[np.bool_]) -> float:
    return float((on & shown).sum() / (on | shown).sum())


def squares(seed: int, images: int, side: int, size: int) -> NDArray[np.bool_]:
    random, shown = np.random.default_rng(seed), np.zeros((images, size, size), bool)
    for image in shown:
        y, x = random.integers(0, size - side, 2)
        image[y : y + side, x : x + side] = True
    return shown


def averaged_iou(shown: NDArray[np.bool_], cells: int) -> float:
    """The ceiling as a dissection counts it."""
    size = shown.shape[1]
    counts, to_cells = np.zeros((1, LEVELS + 1, 2), np.int64), np.arange(size) * cells // size
    for image in shown.astype(np.uint16):
        add_ceiling(
            image.reshape(1, -1), np.array([1]), (to_cells, to_cells), (axis(cells, size),) * 2, counts
        )
    return float(ceiling_iou(counts)[0])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([(1, 1), (2, 3), (4, 2), (16, 16)]), st.floats(0.02, 0.9))
def test_it_is_reached_and_never_below_the_averaged_map(
    seed: int, cells: tuple[int, int], share: float
) -> None:
    random = np.random.default_rng(seed)
    shown = random.random((3, 8, 12)) < share * random.random((3, 1, 1))
    found = best_map(shown, cells, steps=20)
    if not shown.any():
        assert np.isnan(found.iou)
        return
    assert found.iou >= found.averaged_iou
    assert found.iou == pytest.approx(pooled(masks(found.maps, (8, 12)), shown), abs=0.01)
    assert not masks(found.maps, (8, 12))[~shown.any(axis=(1, 2))].any()
    again = best_map(shown, cells, steps=20)
    assert again.iou == found.iou
    assert np.array_equal(again.maps, found.maps)


def test_it_is_over_the_averaged_map_of_the_dissection() -> None:
    for side, cells in ((4, 4), (8, 4), (4, 8), (12, 16)):
        shown = squares(side, 40, side, 32)
        averaged = averaged_iou(shown, cells)
        found = best_map(shown, (cells, cells))
        assert found.averaged_iou == pytest.approx(averaged, abs=0.01)
        assert found.iou > averaged


def test_what_a_map_on_the_grid_marks_is_found_again() -> None:
    """The concept is what a map of the grid marks, so the attainable IoU is 1."""
    random = np.random.default_rng(1)
    shown = masks(random.normal(-0.5, 1, (40, 4, 4)).astype(np.float32), (32, 32))
    found = best_map(shown, (4, 4))
    assert found.averaged_iou < 0.85
    assert found.iou > 0.97


def test_on_two_cells_it_is_the_best_of_all_maps() -> None:
    """The concept is one stripe per image; only the ratio of the two values and a sign matter."""
    shown = np.zeros((6, 2, 24), bool)
    for number, image in enumerate(shown):
        image[:, 3 * number : 3 * number + 6] = True
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    maps = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)[:, None]
    on = masks(maps, (2, 24))
    hits = np.array([[(one & image).sum() for one in on] for image in shown])
    area = on.sum((1, 2))
    best, c = 0.0, 0.0
    for _ in range(20):  # Dinkelbach over all maps
        chosen = ((1 + c) * hits - c * area).argmax(axis=1)
        both = hits[np.arange(6), chosen].sum()
        best = c = both / (area[chosen].sum() + shown.sum() - both)
    found = best_map(shown, (1, 2))
    assert found.iou <= best + 1e-9
    assert found.iou > 0.95 * best


def test_of_one_cell_all_or_nothing_is_best() -> None:
    shown = squares(3, 8, 6, 12)
    every = [
        pooled(np.array(on)[:, None, None] & np.ones((8, 12, 12), bool), shown)
        for on in product([False, True], repeat=8)
    ]
    assert best_map(shown, (1, 1)).iou == pytest.approx(max(every))


def test_a_concept_that_is_nowhere_has_none() -> None:
    found = best_map(np.zeros((2, 4, 4), bool), (2, 2))
    assert np.isnan(found.iou)
    assert (found.maps < 0).all()
