import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from analysis.editing.masks import enlarge, mask, outline, upsample


@settings(max_examples=60)
@given(st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 40)] * 2), st.integers(0, 2**31))
def test_upsampling_is_torchs_bilinear(small: tuple[int, int], large: tuple[int, int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, *small)).astype(np.float32)
    torchs = F.interpolate(torch.from_numpy(values)[None], large, mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(upsample(values, *large), torchs.numpy(), rtol=1e-5, atol=1e-5)


def test_upsampling_is_not_the_corner_aligned_one() -> None:
    values = np.array([[0.0, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(upsample(values, 1, 4), [[0, 0.25, 0.75, 1]])


@pytest.mark.parametrize(("size", "grid"), [(4, 64), (8, 64), (16, 64), (32, 64), (16, 256), (64, 64)])
def test_masks_are_those_of_torch(size: int, grid: int) -> None:
    values = np.maximum(np.random.default_rng(size).normal(size=(size, size)), 0).astype(np.float32)
    torchs = F.interpolate(torch.from_numpy(values)[None, None], (grid, grid), mode="bilinear")[0, 0]
    for threshold in (0.0, 0.5, 1.5):
        assert np.array_equal(mask(values, threshold, grid, grid), (torchs > threshold).numpy())


def test_an_outline_is_the_masks_inner_edge() -> None:
    picture, where = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    where[2:6, 2:6] = True
    drawn = (outline(picture, where, (255, 0, 0), 1) == (255, 0, 0)).all(-1)
    edge = where.copy()
    edge[3:5, 3:5] = False
    assert np.array_equal(drawn, edge)
    assert not picture.any()


def test_a_coarse_mask_outlines_a_fine_picture() -> None:
    where = np.zeros((4, 4), bool)
    where[1:3, 1:3] = True
    drawn = outline(np.zeros((16, 16, 3), np.uint8), where).any(-1)
    assert drawn[4:12, 4].all()
    assert not drawn[6:10, 6:10].any()
    assert not drawn[:4].any()


def test_a_mask_everywhere_or_nowhere_has_no_edge() -> None:
    picture = np.full((6, 6, 3), 9, np.uint8)
    for where in (np.ones((6, 6), bool), np.zeros((6, 6), bool)):
        assert np.array_equal(outline(picture, where), picture)


def test_a_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        outline(np.zeros((8, 8, 3), np.uint8), np.zeros((3, 5), bool))


def test_enlarging_repeats_pixels() -> None:
    assert enlarge(np.arange(4).reshape(2, 2), 2).tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [2, 2, 3, 3],
        [2, 2, 3, 3],
    ]
