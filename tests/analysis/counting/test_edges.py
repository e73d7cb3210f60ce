"""Bin edges: the table finds the bin that plain comparison finds, for any values."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from analysis.counting.edges import TAILS, Edges, from_sample, snapped, steps, tails
from analysis.shared.errors import GanatomyError

floats = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True)


@settings(max_examples=150)
@given(arrays(np.float32, 12, elements=floats), arrays(np.float32, 6, elements=st.floats(width=32)))
def test_the_table_finds_the_edges_below(quantiles: np.ndarray, values: np.ndarray) -> None:
    layer = snapped(np.sort(quantiles)[None])
    edges = layer.edges[0]
    with np.errstate(over="ignore"):
        around = [np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))]
    tried = np.concatenate([values, quantiles, edges, *around]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        expected = (tried[:, None] > edges).sum(axis=1)
        found = layer.table()[0][steps(tried, layer.low[0], layer.scale[0])]
    np.testing.assert_array_equal(found, expected)
    assert (np.diff(edges) >= 0).all()


def test_edges_cut_the_tails_that_were_asked_for() -> None:
    sample = np.random.default_rng(0).exponential(size=(3, 20_000)).astype(np.float32)
    wanted = tails(64)
    found = (sample[:, :, None] > from_sample(sample, wanted).edges[:, None, :]).mean(axis=1)
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), rtol=0.06, atol=3e-4)
    assert len(wanted) >= 63
    assert max(wanted) == 1.0
    assert min(wanted) == pytest.approx(0.001)
    assert {0.005, 0.01} <= set(wanted)


@pytest.mark.parametrize("spikes", [0.0024, 0.008, 0.015])
def test_the_fixed_tails_stay_beside_outliers(spikes: float) -> None:
    random = np.random.default_rng(0)
    sample = np.abs(random.normal(size=(1, 16384))).astype(np.float32)
    sample[0, random.random(16384) < spikes] *= 2000
    layer = from_sample(sample, tails(64))
    shares = (sample[0, :, None] > layer.edges[0]).mean(axis=0)
    for tail in TAILS:
        assert np.abs(np.log(shares[shares > 0] / tail)).min() < np.log(1.2)
    assert len(set(layer.edges[0].tolist())) >= (45 if spikes < min(TAILS) else 20)


def test_dead_constant_and_not_finite_units() -> None:
    sample = np.zeros((4, 100), np.float32)
    sample[1], sample[2], sample[3, ::2] = 5, np.nan, np.inf
    layer = from_sample(sample, tails(16))
    assert layer.edges[:, 0].tolist() == pytest.approx([0, 5, 0, 0], rel=1e-5)
    assert layer.edges[1, 0] > 5  # above every value that interpolation may give
    assert np.isfinite(layer.edges).all()


def test_relu_zeros_are_below_every_edge() -> None:
    sample = np.maximum(np.random.default_rng(0).normal(size=(1, 5000)), 0).astype(np.float32)
    layer = from_sample(sample, tails(64))
    assert layer.table()[0][steps(np.zeros(1, np.float32), layer.low[0], layer.scale[0])] == 0
    assert layer.edges[0, 0] == 0


def test_saved_edges_come_back(tmp_path: Path) -> None:
    sample = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    edges = Edges({"layer1": from_sample(sample, tails(64))}, tails(64))
    edges.save(tmp_path / "edges.npz")
    assert Edges.load(tmp_path / "edges.npz").hash == edges.hash
    other = Edges({"layer1": from_sample(sample + 1, tails(64))}, tails(64))
    assert other.hash != edges.hash
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(GanatomyError, match="run the pilot again"):
        Edges.load(tmp_path / "bad.npz")
