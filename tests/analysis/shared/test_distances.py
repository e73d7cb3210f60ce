"""Distances between sets of features, against their definitions."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from analysis.shared.distances import Yardstick, frechet, frechet_with_error, kernel_distance
from analysis.shared.errors import GanatomyError

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


def test_a_set_is_at_no_distance_from_itself() -> None:
    for scale in (1e-4, 1, 1e5):
        a = scale * RNG.normal(size=(200, 16)) @ RNG.normal(size=(16, 16))
        assert 0 <= frechet(a, a.copy()) <= 1e-6 * scale**2
        assert 0 <= frechet(a, a[RNG.permutation(len(a))]) <= 1e-6 * scale**2
        assert Yardstick(a).fid(a).value >= 0


def test_a_collapsed_generator_and_broken_features_are_named() -> None:
    real = RNG.normal(size=(100, 4))
    one = np.repeat(RNG.normal(size=(1, 4)), 100, axis=0)
    for measure in (frechet, frechet_with_error):
        with pytest.raises(GanatomyError, match="collapsed"):
            measure(real, one)
    with pytest.raises(GanatomyError, match="collapsed"):
        frechet(one, real)
    with pytest.raises(GanatomyError, match="NaN or infinite"):
        frechet(real, np.where(real > 2, np.nan, real))
    with pytest.raises(GanatomyError, match="take 20 or more"):
        frechet(real[:19], real)


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


def test_distances_are_those_of_torchmetrics() -> None:
    FrechetInceptionDistance = pytest.importorskip("torchmetrics.image.fid").FrechetInceptionDistance
    KernelInceptionDistance = pytest.importorskip("torchmetrics.image.kid").KernelInceptionDistance
    a, b = RNG.normal(size=(600, 12)) @ RNG.normal(size=(12, 12)), RNG.normal(0.3, 2, size=(500, 12))

    class Same(torch.nn.Module):
        num_features = 12

        def forward(self, x: Tensor) -> Tensor:
            return x

    fid = FrechetInceptionDistance(feature=Same(), normalize=False)
    kid = KernelInceptionDistance(feature=Same(), subsets=1, subset_size=500)
    for metric in (fid, kid):
        metric.set_dtype(torch.float64)
        metric.update(torch.from_numpy(a[:500]), real=True)
        metric.update(torch.from_numpy(b), real=False)
    yardstick = Yardstick(a[:500], block=500)
    assert yardstick.fid(b).value == pytest.approx(float(fid.compute()), rel=1e-4)
    assert frechet(a[:500], b) == pytest.approx(float(fid.compute()), rel=1e-4)
    one_block = kernel_distance(np.tile(a[:500], (2, 1)), np.tile(b, (2, 1)), block=500)
    assert np.isfinite(one_block.value)
    from analysis.shared.distances import _mmd

    assert _mmd(a[:500], b) == pytest.approx(float(kid.compute()[0]), rel=1e-4)


def test_the_jackknife_is_that_of_a_loop() -> None:
    a, b, c = (RNG.normal(m, s, size=(n, 5)) for m, s, n in ((0, 1, 200), (0.4, 1, 150), (0.2, 1, 150)))
    yardstick = Yardstick(a, blocks=6)
    groups = [np.array_split(np.random.default_rng(0).permutation(n), 6) for n in (200, 150)]
    parts = np.array(
        [
            [frechet(np.delete(a, i, 0), np.delete(x, j, 0)) for i, j in zip(*groups, strict=True)]
            for x in (b, c)
        ]
    )
    for found, rest in (
        (yardstick.fid(b), parts[0]),
        (yardstick.fid(b).minus(yardstick.fid(c)), parts[0] - parts[1]),
    ):
        assert found.parts == pytest.approx(rest, rel=1e-6)
        assert found.error == pytest.approx(np.sqrt(5 / 6 * np.sum((rest - rest.mean()) ** 2)))
    assert yardstick.fid(b).minus(yardstick.fid(c)).value == pytest.approx(frechet(a, b) - frechet(a, c))


def test_a_paired_difference_has_the_smaller_error() -> None:
    a, b = RNG.normal(size=(400, 4)), RNG.normal(size=(400, 4))
    yardstick, changed = Yardstick(a), b + 0.2
    paired = yardstick.fid(changed).minus(yardstick.fid(b))
    assert paired.error < np.hypot(yardstick.fid(changed).error, yardstick.fid(b).error)
    assert yardstick.kid(changed).minus(yardstick.kid(b)).error < yardstick.kid(changed).error


def test_the_extrapolated_distance_lies_on_the_line_through_the_sample_and_its_parts() -> None:
    a, b = RNG.normal(size=(200, 5)), RNG.normal(0.3, 1, size=(150, 5))
    found = Yardstick(a, blocks=6).fid(b)
    groups = [np.array_split(np.random.default_rng(0).permutation(n), 6) for n in (200, 150)]
    rest = [frechet(np.delete(a, i, 0), np.delete(b, j, 0)) for i, j in zip(*groups, strict=True)]
    # Distances at 1/N and at 1/(5/6 N), and the line's value at 0.
    slope = (np.mean(rest) - found.value) / (6 / 5 - 1)
    assert found.extrapolated().value == pytest.approx(found.value - slope)
    assert found.extrapolated().error == found.error


@pytest.mark.parametrize("far", [0.0, 0.3])
def test_few_images_raise_the_distance_and_not_the_extrapolated_one(far: float) -> None:
    """Five pictures per feature, of one distribution or of two whose distance is known."""
    truth, draws = 20 * far**2, []
    for _ in range(60):
        yardstick = Yardstick(RNG.normal(size=(100, 20)))
        draws.append(yardstick.fid(RNG.normal(far, 1, size=(100, 20))))
    plain, found = (np.array([d.value for d in row]) for row in (draws, [d.extrapolated() for d in draws]))
    assert plain.mean() - truth > 0.1 * 20  # a tenth of the trace
    assert abs(found.mean() - truth) < 0.01 * 20
    assert found.std() < 1.2 * plain.std()
    covered = np.abs([found - truth, plain - truth]) < [d.wide for d in draws]
    assert covered[0].mean() > 0.85
    assert covered[1].mean() < 0.2


def test_a_smaller_spread_at_an_equal_distance_is_no_fall() -> None:
    scale, fell = 1 / np.sqrt(np.arange(1, 41)), []
    for _ in range(40):
        yardstick, made = Yardstick(RNG.normal(size=(200, 40)) * scale), RNG.normal(size=(200, 40)) * scale
        before, after = yardstick.fid(1.1 * made), yardstick.fid(0.9 * made)
        falls = before.minus(after), before.extrapolated().minus(after.extrapolated())
        fell.append([fall.value > 2 * fall.error for fall in falls])
    plain, found = np.mean(fell, axis=0)
    assert plain > 0.25
    assert found < 0.15
