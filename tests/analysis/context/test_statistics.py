"""The statistics of insertion against brute force, planted answers and their own coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.context.statistics import explained, kinds, mean_in, row_matched

SHAPE = (14, 5, 6)


def case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    effect = random.normal(size=SHAPE) + random.normal(size=(SHAPE[0], 1, 1))
    inside, eligible = random.random(SHAPE) < 0.3, random.random(SHAPE) < 0.8
    return effect, inside & eligible, eligible


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_mean_and_its_interval_are_those_of_a_loop(seed: int) -> None:
    effect, inside, _ = case(seed)
    found = mean_in(effect, inside)
    values = [effect[n, y, x] for n, y, x in np.argwhere(inside)]
    assert found.value == pytest.approx(np.mean(values))
    assert found.cells == len(values)
    sums = [sum(effect[n][inside[n]] - found.value) for n in range(len(effect))]
    many = inside.sum((1, 2))
    effective = min(many.sum() ** 2 / (many**2).sum(), (many > 0).sum())
    error = np.sqrt(effective / (effective - 1) * sum(s**2 for s in sums)) / many.sum()
    assert (found.high - found.low) / 2 / error == pytest.approx(stats.t.ppf(0.975, effective - 1))


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_row_matching_is_a_difference_within_rows_and_a_regression(seed: int) -> None:
    effect, inside, eligible = case(seed)
    parts, weights = [], []
    for y in range(SHAPE[1]):
        a, b = inside[:, y], (eligible & ~inside)[:, y]
        if a.any() and b.any():
            parts.append(effect[:, y][a].mean() - effect[:, y][b].mean())
            weights.append(a.sum() * b.sum() / (a.sum() + b.sum()))
    found = row_matched(effect, inside, eligible)
    assert found.value == pytest.approx(np.average(parts, weights=weights))
    images, rows, _ = np.nonzero(eligible)
    design = np.column_stack([inside[eligible].astype(float), np.eye(SHAPE[1])[rows]])
    beta = np.linalg.lstsq(design, effect[eligible], rcond=None)[0]
    assert found.value == pytest.approx(beta[0])
    # The cluster-robust sandwich of that regression, without its small-sample factor.
    bread, residual = np.linalg.pinv(design.T @ design), effect[eligible] - design @ beta
    scores = np.stack([design[images == n].T @ residual[images == n] for n in range(SHAPE[0])])
    error = np.sqrt((bread @ scores.T @ scores @ bread)[0, 0])
    # That factor is m / (m - 1), m images by their weight: squares of "inside" about its rows' means.
    x = inside - np.array([inside[:, y][eligible[:, y]].mean() for y in range(SHAPE[1])])[None, :, None]
    weight = np.array([sum(x[n][eligible[n]] ** 2) for n in range(SHAPE[0])])
    m = min(weight.sum() ** 2 / (weight**2).sum(), inside.any((1, 2)).sum())
    expected = stats.t.ppf(0.975, m - 1) * np.sqrt(m / (m - 1)) * error
    assert (found.high - found.low) / 2 == pytest.approx(expected)


def test_position_alone_gives_no_row_matched_effect() -> None:
    random = np.random.default_rng(0)
    rows = np.arange(5)[None, :, None] * np.ones(SHAPE)
    inside = random.random(SHAPE) < 0.15 + 0.15 * rows / 5
    assert row_matched(rows, inside, np.ones(SHAPE, bool)).value == pytest.approx(0, abs=1e-12)
    assert mean_in(rows, inside).value > 2.05
    both = rows + 2.0 * inside
    assert row_matched(both, inside, np.ones(SHAPE, bool)).value == pytest.approx(2)


def test_a_row_of_one_kind_has_no_weight_and_no_shared_row_no_answer() -> None:
    effect, inside, eligible = (
        np.random.default_rng(1).normal(size=SHAPE),
        np.zeros(SHAPE, bool),
        np.ones(SHAPE, bool),
    )
    inside[:, 0] = True
    assert np.isnan(row_matched(effect, inside, eligible).value)
    inside[:, 1, :3] = True
    changed = effect.copy()
    changed[:, 0] += 100
    assert row_matched(changed, inside, eligible).value == pytest.approx(
        row_matched(effect, inside, eligible).value
    )


def test_few_images_get_no_interval() -> None:
    effect, inside, eligible = case(0)
    inside[9:] = False
    assert np.isnan(mean_in(effect, inside).low)
    assert np.isfinite(mean_in(effect, inside).value)
    assert mean_in(effect, np.zeros(SHAPE, bool)).cells == 0
    assert np.isnan(row_matched(effect, inside, eligible).high)


def test_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(2)
    held = np.zeros(2)
    for _ in range(400):
        shape = (40, 4, 5)
        rows = np.arange(4)[None, :, None]
        many = random.gamma(1.0, 0.3, (40, 1, 1))
        inside = random.random(shape) < np.clip(many, 0, 0.9)
        own = random.normal(size=(40, 1, 1))  # what an image adds to every cell, and to its context
        effect = rows + own + (1 + own) * inside + random.normal(size=shape)
        one, two = mean_in(effect - rows, inside), row_matched(effect, inside, np.ones(shape, bool))
        held += [one.low < 1 < one.high, two.low < 1 < two.high]
    assert (held / 400 > 0.9).all()
    assert (held / 400 < 0.985).all()


def brute(y: np.ndarray, *groups: np.ndarray) -> float:
    design = np.column_stack([np.eye(g.max() + 1)[g] for g in groups])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    p = np.linalg.matrix_rank(design)
    return 1 - (rest @ rest) / np.sum((y - y.mean()) ** 2) * (len(y) - 1) / (len(y) - p)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_dummy_regressions(seed: int) -> None:
    effect, inside, eligible = case(seed)
    kind = kinds(np.stack([inside, np.random.default_rng(seed).random(SHAPE) < 0.5]))
    found = explained(effect, kind, eligible)
    _, y, x = np.nonzero(eligible)
    values, k = effect[eligible], kind[eligible]
    position = np.unique(y * SHAPE[2] + x, return_inverse=True)[1]
    assert found.row == pytest.approx(brute(values, y))
    assert found.position == pytest.approx(brute(values, position))
    assert found.context == pytest.approx(brute(values, k))
    assert found.context_beyond_row == pytest.approx(brute(values, y, k) - brute(values, y))
    assert found.context_beyond_position == pytest.approx(
        brute(values, position, k) - brute(values, position)
    )
    assert found.row_beyond_context == pytest.approx(brute(values, y, k) - brute(values, k))


def test_noise_is_explained_by_nothing_and_rows_by_rows() -> None:
    random = np.random.default_rng(3)
    shape = (60, 8, 8)
    kind, everywhere = random.integers(0, 4, shape), np.ones(shape, bool)
    assert np.abs(explained(random.normal(size=shape), kind, everywhere)).max() < 0.02
    rows = np.arange(8)[None, :, None] * np.ones(shape)
    found = explained(rows + random.normal(0, 0.01, shape), kind, everywhere)
    assert found.row > 0.99
    assert found.context_beyond_row < 0.01
    assert np.isnan(explained(np.zeros(shape), kind, everywhere).row)
