"""The resolution ceiling, held against a slow and obvious version."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.counting.ceiling import LEVELS, add_ceiling, ceiling_iou
from analysis.shared.bilinear import axis

CONCEPTS = 3


def counted(labels: NDArray[np.uint16], h: int, w: int) -> NDArray[np.float64]:
    """As a dissection counts it: labels (images, maps, H, W)."""
    _, maps, height, width = labels.shape
    counts = np.zeros((CONCEPTS, LEVELS + 1, 2), np.int64)
    cells = (np.arange(height) * h // height, np.arange(width) * w // width)
    axes = (axis(h, height), axis(w, width))
    for image in labels:
        present = np.unique(image[image > 0])
        add_ceiling(image.reshape(maps, -1), present, cells, axes, counts)
    return ceiling_iou(counts)


def brute(labels: NDArray[np.uint16], h: int, w: int, concept: int) -> float:
    """Average to the grid, upsample with torch in float64, try every level."""
    shown = torch.from_numpy((labels == concept).any(axis=1)[:, None].astype(np.float64))
    shares = torch.nn.functional.avg_pool2d(shown, (shown.shape[2] // h, shown.shape[3] // w))
    up = torch.nn.functional.interpolate(shares, shown.shape[2:], mode="bilinear", align_corners=False)
    up = up * (shown.sum(dim=(1, 2, 3), keepdim=True) > 0)  # an image without the concept adds no false pixel
    there, best = shown > 0, 0.0
    for level in range(LEVELS):
        on = up > (level + 1e-6) / LEVELS
        best = max(best, int((on & there).sum()) / int((on | there).sum()))
    return best


@given(st.integers(0, 10_000), st.sampled_from([(1, 1), (2, 3), (4, 2)]), st.integers(1, 2))
def test_it_is_the_best_level_of_the_averaged_concept(seed: int, grid: tuple[int, int], maps: int) -> None:
    random, (h, w) = np.random.default_rng(seed), grid
    labels = random.integers(0, CONCEPTS + 1, (3, maps, 4 * h, 4 * w)).astype(np.uint16)
    scores = counted(labels, h, w)
    for concept in range(1, CONCEPTS + 1):
        if (labels == concept).any():
            assert scores[concept - 1] == pytest.approx(brute(labels, h, w, concept), abs=1e-9)
        else:
            assert np.isnan(scores[concept - 1])


def test_a_concept_as_fine_as_the_grid_can_be_shown_whole_and_a_finer_one_cannot() -> None:
    labels = np.zeros((1, 1, 8, 8), np.uint16)
    labels[0, 0, 2:5, 3:6] = 1
    assert counted(labels, 8, 8)[0] == 1
    assert counted(labels, 2, 2)[0] < 0.7
