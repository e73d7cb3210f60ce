"""Intervals of counts of units, against equations solved by search and units really drawn."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from analysis.shared import count_intervals


@pytest.mark.parametrize(("named", "units"), [(0, 10), (3, 10), (10, 10), (12, 96), (1, 1)])
def test_a_share_s_bounds_are_the_shares_that_the_count_just_fits(named: int, units: int) -> None:
    truth = np.linspace(0, 1, 400_001)
    near = abs(named / units - truth) <= count_intervals.Z * np.sqrt(truth * (1 - truth) / units) + 1e-12
    low, high = count_intervals.share(named, units)
    assert (low, high) == pytest.approx((truth[near].min(), truth[near].max()), abs=1e-4)


def test_no_units_have_no_share() -> None:
    assert np.isnan(count_intervals.share(0, 0)).all()


@pytest.mark.parametrize("counts", [[5, 3, 1, 1, 1], [1, 1, 1, 1], [4, 2, 2, 1], [30], [9, 8, 7]])
def test_the_closed_form_is_the_spread_of_units_that_are_drawn(counts: list[int]) -> None:
    units, vocabulary = 40, 14
    p = count_intervals.assemblage(np.array(counts), units, vocabulary)
    draws = np.random.default_rng(0).multinomial(units, [*p, max(1 - p.sum(), 0)], size=40_000)
    spread = count_intervals.Z * (draws[:, :-1] > 0).sum(axis=1).std()
    low, high = count_intervals.distinct(np.array(counts), units, vocabulary)
    found = len(counts)
    assert max(found - spread, 1) - 1.05 <= low <= max(found - spread, 1) + 0.05
    assert min(found + spread, vocabulary) - 0.05 <= high <= min(found + spread, vocabulary) + 1.05
    assert low == round(low)
    assert high == round(high)


@pytest.mark.parametrize(
    ("decay", "named", "units"),
    [(0.75, 0.5, 24), (0.75, 0.5, 96), (0.5, 0.5, 64), (0.9, 0.2, 64), (0.5, 0.2, 64)],
)
def test_the_interval_holds_the_number_that_layers_have_on_average(
    decay: float, named: float, units: int
) -> None:
    """Planted: 14 concepts from frequent to rare, the other units without name."""
    shares = decay ** np.arange(14)
    shares *= named / shares.sum()
    truth = float((1 - (1 - shares) ** units).sum())
    random = np.random.default_rng(1)
    held = 0
    for counts in random.multinomial(units, [*shares, 1 - named], size=300)[:, :-1]:
        low, high = count_intervals.distinct(counts[counts > 0], units, 14)
        held += low <= truth <= high
    assert held / 300 >= 0.88


@pytest.mark.parametrize(("units", "vocabulary"), [(24, 14), (96, 14), (96, 2), (1, 14), (3, 14)])
def test_a_layer_that_names_nothing_may_have_missed_some(units: int, vocabulary: int) -> None:
    truth = np.linspace(0, 1, 400_001)
    fits = (
        truth <= count_intervals.Z * np.sqrt(truth * (1 - truth) / units) + 1e-12
    )  # shares that 0 just fits
    most = min(np.ceil(units * truth[fits].max() - 1e-6), vocabulary)
    assert count_intervals.distinct(np.zeros(0), units, vocabulary) == (0, most)


counted = st.lists(st.integers(1, 20), max_size=14).filter(lambda counts: sum(counts) <= 64)


@given(counted, st.integers(14, 30))
def test_the_interval_is_about_what_was_found(counts: list[int], vocabulary: int) -> None:
    low, high = count_intervals.distinct(np.array(counts), 64, vocabulary)
    p = count_intervals.assemblage(np.array(counts), 64, vocabulary) if counts else np.zeros(0)
    assert sum(counts) / 64 - 1e-9 <= p.sum() <= max(sum(counts) / 64 + 1 / 64, 0)
    assert ((p >= 0) & (p <= 1)).all()
    if counts:
        assert 1 <= low <= len(counts) <= high <= vocabulary
