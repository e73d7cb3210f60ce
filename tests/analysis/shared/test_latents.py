import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**12), st.integers(0, 9), st.integers(0, 9))
def test_any_slice_equals_that_slice_of_a_longer_range(
    seed: int, start: int, before: int, count: int
) -> None:
    whole = latents(seed, start, start + before + count, (3, 2))
    assert torch.equal(whole[before:], latents(seed, start + before, start + before + count, (3, 2)))


def test_latents_are_standard_normal_float32() -> None:
    values = latents(7, 0, 2000, (100, 1, 1))
    assert values.shape == (2000, 100, 1, 1)
    assert values.dtype == torch.float32
    assert abs(float(values.mean())) < 0.01
    assert abs(float(values.std()) - 1) < 0.01
    assert torch.isfinite(values).all()


def test_seeds_and_numbers_give_unrelated_latents() -> None:
    a, b = latents(1, 0, 500, (64,)).numpy(), latents(2, 0, 500, (64,)).numpy()
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:].ravel(), a[:-1].ravel())[0, 1]) < 0.03


def test_the_stream_never_changes() -> None:
    # Values written down once: a store's numbers can be checked only while these hold.
    assert latents(1, 3, 4, (4,)).tolist()[0] == pytest.approx(FOURTH_OF_SEED_ONE, abs=0)


@pytest.mark.parametrize(("seed", "start", "stop"), [(-1, 0, 1), (0, -1, 1), (0, 2, 1), (2**63, 0, 1)])
def test_impossible_ranges_are_one_sentence(seed: int, start: int, stop: int) -> None:
    with pytest.raises(GanatomyError, match="no valid choice"):
        latents(seed, start, stop, (4,))


FOURTH_OF_SEED_ONE = [0.16813190281391144, 1.6500977277755737, 1.1766200065612793, 0.8722920417785645]
