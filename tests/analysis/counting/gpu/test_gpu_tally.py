"""Counting as on a GPU against the loops of the CPU: the same counts, from the same file of loops."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from kernels_on_cpu import COMPILER, CpuLoops
from random_block import LAYER, Case, cases, chosen

from analysis.counting.counts import Counts
from analysis.counting.edges import Edges, snapped
from analysis.counting.formulas import Formula
from analysis.counting.gpu import tally
from analysis.counting.gpu.layer_counts import sampled
from analysis.counting.gpu.tally import GpuTally
from analysis.counting.kernel import look_at
from analysis.shared.bilinear import axis

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
EXACT = ("joint", "pixels", "null", "moments", "fixed", "replicas", "peak")
SUMS = ("values", "products", "total")  # of activations: in another order


def counted(case: Case, evaluation: bool) -> Counts:
    counts = case.empty(evaluation)
    tally = GpuTally(counts, case.edges, case.thresholds if evaluation else None, CpuLoops())
    tally.add(0, {LAYER: torch.from_numpy(case.r)}, case.labels, lambda _: np.zeros((1, 1, 3), np.uint8))
    assert tally.settled(True)
    return counts


@settings(max_examples=60)
@given(cases, st.booleans())
def test_a_gpu_counts_as_the_cpu_does(case: Case, evaluation: bool) -> None:
    found, expected = counted(case, evaluation), case.counted(evaluation=evaluation)
    for part, value in vars(expected.layers[LAYER]).items():
        own = getattr(found.layers[LAYER], part)
        if part in SUMS:
            np.testing.assert_allclose(own, value, rtol=2e-4, atol=2e-3, err_msg=part)
        else:
            np.testing.assert_array_equal(own, value, err_msg=part)
    for part in ("places", "odd", "overlap", "areas", "shown", "constant", "constant_replicas"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part), err_msg=part)
    for name, value in expected.ceiling.items():
        np.testing.assert_array_equal(found.ceiling[name], value)
    for name, value in expected.top_images.arrays().items():
        np.testing.assert_array_equal(found.top_images.arrays()[name], value, err_msg=name)


def test_many_units_and_concepts_are_counted_in_several_groups_and_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Units of several runs, and concepts that are in few images."""
    random = np.random.default_rng(1)
    case = Case(5, 64, 2, (4, 4), (16, 16))
    case.units, case.concepts, case.formulas, case.columns = 21, 90, (Formula(3, 80, True),), 91
    case.r = np.maximum(random.normal(size=(64, 21, 4, 4)), 0).astype(np.float32)
    case.labels = random.integers(0, 91, (64, 2, 16, 16)).astype(np.uint8)
    case.edges = Edges({LAYER: snapped(np.sort(random.normal(size=(21, 80)).astype(np.float32), axis=1))}, ())
    pair = random.integers(-1, 80, (21, 91)).astype(np.int16)
    masks = random.random((91, 16, 16)) < 0.4
    case.thresholds = chosen(random, pair, pair[:, [0, 1]], masks, case.edges.hash, case.formulas)
    monkeypatch.setattr(tally, "MOST_BINS", 64 * 16 * 16 * 13)
    for evaluation in (False, True):
        found, expected = counted(case, evaluation), case.counted(evaluation=evaluation)
        for part in EXACT:
            own, value = (getattr(counts.layers[LAYER], part) for counts in (found, expected))
            np.testing.assert_array_equal(own, value, err_msg=part)


def test_sums_stay_on_the_device_until_they_are_wanted() -> None:
    case = Case(7, 8, 1, (3, 3), (6, 6))
    counts = case.empty(True)
    later = GpuTally(counts, case.edges, case.thresholds, CpuLoops())
    later._cost = 1e9
    for first in (0, 64):
        later.add(
            first, {LAYER: torch.from_numpy(case.r)}, case.labels, lambda _: np.zeros((1, 1, 3), np.uint8)
        )
        assert not later.settled(False)
    assert not counts.layers[LAYER].joint.any()
    assert later.settled(True)
    assert (counts.layers[LAYER].joint == 2 * case.counted().layers[LAYER].joint).all()
    assert later.settled(True)
    assert (counts.layers[LAYER].joint == 2 * case.counted().layers[LAYER].joint).all()


@settings(max_examples=30)
@given(cases, st.integers(0, 99))
def test_the_pilot_reads_the_same_values(case: Case, seed: int) -> None:
    height, width = case.labels.shape[2:]
    places = np.random.default_rng(seed).integers(0, height * width, (len(case.r), 5))
    axes = (axis(case.r.shape[2], height), axis(case.r.shape[3], width))
    expected = np.empty((case.units, len(case.r), 5), np.float32)
    look_at(case.r, places, axes, expected)
    np.testing.assert_array_equal(sampled(torch.from_numpy(case.r), places, axes).numpy(), expected)
