"""The histogram of a unit's activation, from bins of unequal width."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.activations import histogram


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_bars_hold_what_their_bins_hold(steps: list[int], bars: int, seed: int) -> None:
    edges = np.cumsum(steps).astype(float)
    pixels = np.random.default_rng(seed).integers(0, 50, len(edges) + 1)
    pixels[0] += 1
    found = histogram(edges, pixels, bars)
    assert found["share"].sum() == pytest.approx(1)
    if edges[-1] == edges[0]:
        assert len(found) == 1
        return
    wanted = np.zeros(bars)
    wanted[0], wanted[-1] = pixels[0], wanted[-1] + pixels[-1] if bars > 1 else pixels[0] + pixels[-1]
    for k in range(1, len(pixels) - 1):  # the long way: each bin's pixels, bar by bar
        low, high = edges[k - 1], edges[k]
        for bar, (start, stop) in enumerate(zip(found["start"], found["stop"], strict=True)):
            if high > low:
                wanted[bar] += pixels[k] * max(0.0, min(high, stop) - max(low, start)) / (high - low)
    for k in range(1, len(pixels) - 1):  # pixels of a bin without width lie on its edge
        if edges[k] == edges[k - 1]:
            holds = [stop >= edges[k] for stop in found["stop"]]
            wanted[holds.index(True) if any(holds) else bars - 1] += pixels[k]
    np.testing.assert_allclose(found["share"], wanted / pixels.sum(), atol=1e-9)
