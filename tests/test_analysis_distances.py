"""Distances between sets of features, against their definitions."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from analysis.distances import frechet, frechet_with_error, kernel_distance
from analysis.errors import GanatomyError

RNG = np.random.default_rng(0)


def test_frechet_is_the_formula() -> None:
    a, b = RNG.normal(size=(400, 6)) @ RNG.normal(size=(6, 6)), RNG.normal(1, 2, size=(300, 6))
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(A + B - 2 * sqrtm(A @ B).real)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_known_normals() -> None:
    a, b = RNG.normal(0, 1, (40_000, 3)), RNG.normal([1, 0, 0], 2, (40_000, 3))
    assert frechet(a, b) == pytest.approx(1 + 3, rel=0.03)


def test_frechet_refuses_too_few() -> None:
    with pytest.raises(GanatomyError, match="take 50 or more"):
        frechet(RNG.normal(size=(30, 10)), RNG.normal(size=(100, 10)))


def test_the_error_is_the_spread_over_samples() -> None:
    draws = [
        frechet_with_error(RNG.normal(size=(500, 4)), RNG.normal(1, 1, size=(500, 4))) for _ in range(60)
    ]
    assert np.mean([d.error for d in draws]) == pytest.approx(np.std([d.value for d in draws]), rel=0.35)


def test_kernel_distance_is_unbiased_and_its_error_right() -> None:
    same = [kernel_distance(RNG.normal(size=(400, 8)), RNG.normal(size=(400, 8))) for _ in range(60)]
    values = np.array([d.value for d in same])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    assert np.mean([d.error for d in same]) == pytest.approx(values.std(), rel=0.35)
    other = kernel_distance(RNG.normal(size=(400, 8)), RNG.normal(0.5, 1, size=(400, 8)))
    assert other.value > 5 * other.error
