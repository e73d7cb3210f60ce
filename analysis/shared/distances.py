"""Distances between two sets of pictures, from a network's features. No torch.

d = frechet(real, made)                     # FID's formula on any features (Heusel et al. 2017)
k = kernel_distance(real, made)             # KID, unbiased (Binkowski et al. 2018), k.value and k.error

yardstick = Yardstick(real)                 # many sets against one reference; sets of the same latents pair
before, after = yardstick.fid(made), yardstick.fid(changed)
gain = before.minus(after)                  # its error is that of the paired difference
before.extrapolated()                       # FID_inf, without the bias of few pictures
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.shared.arrays import Floats
from analysis.shared.errors import GanatomyError

Features = NDArray[np.floating]
COLLAPSED = 1e-6  # of the largest feature, a range within which pictures are one picture
ROUNDING = 1e-6  # of both variances, by which a squared distance may fall below 0 in 64-bit arithmetic
PER_FEATURE = 5  # pictures a feature, under which a fitted covariance misleads


@dataclass(frozen=True)
class Distance:
    """A distance, its standard error over blocks of pictures, and the blocks' values behind that error."""

    value: float
    error: float
    parts: Floats = field(default_factory=lambda: np.zeros(0), repr=False)
    factor: float = 0.0  # error = factor * standard deviation of the parts

    @classmethod
    def of(cls, value: float, parts: Floats, factor: float) -> Distance:
        return cls(float(value), float(factor * np.std(parts, ddof=1)), parts, factor)

    @property
    def wide(self) -> float:
        """Half of the 95 % interval: Student's t, for the error rests on few blocks."""
        return float(stats.t.ppf(0.975, len(self.parts) - 1) * self.error)

    def extrapolated(self) -> Distance:
        """Return FID_inf, the Fréchet distance of endless pictures of both sets. It may fall below 0.

        A sample's distance is too large by about c / N, since both fitted covariances vary (Chong & Forsyth
        2020). The line in 1/N through the distance of all g blocks and the mean of those without one block is

            FID_inf = FID + (g - 1) (FID - mean of the parts),

        the jackknife's estimate, whose error is that of the distance itself. It needs no more pictures. Only
        for distances with a jackknife's parts: a kernel distance has no such bias.
        """
        drop = (len(self.parts) - 1) * (self.value - float(np.mean(self.parts)))
        return Distance(self.value + drop, self.error, self.parts, self.factor)

    def minus(self, other: Distance) -> Distance:
        """The difference of two distances whose blocks are the same latents."""
        return Distance.of(self.value - other.value, self.parts - other.parts, self.factor)


def frechet(a: Features, b: Features) -> float:
    """Squared Fréchet distance between normal distributions fitted to features (N, d) and (M, d).

    Raises:
        GanatomyError: fewer than five pictures a feature, where the fit would mislead; features that are not
            finite; or all pictures of a set are one picture.
    """
    for features in (a, b):
        check_features(features)
    return _between(_Moments.of(a), _Moments.of(b))


def check_enough(pictures: int, features: int) -> None:
    """Refuses too few pictures for a Fréchet distance on so many features."""
    if pictures < PER_FEATURE * features:
        raise GanatomyError(
            f"{pictures} pictures are too few for a Fréchet distance on {features} features; "
            f"take {PER_FEATURE * features} or more."
        )


def check_features(features: Features) -> None:
    """Refuses features (N, d) that a normal distribution cannot be fitted to.

    Raises:
        GanatomyError: fewer than five pictures a feature, features that are not finite, or one picture N
            times, as a collapsed generator makes.
    """
    check_enough(*features.shape)
    if not np.isfinite(features).all():
        raise GanatomyError("Some features of the pictures are NaN or infinite; check network and pictures.")
    if np.ptp(features, axis=0).max(initial=0) <= COLLAPSED * np.abs(features).max(initial=0):
        raise GanatomyError(
            f"All {len(features)} pictures have the same features, as those of a collapsed generator: no "
            "distance means anything; take another checkpoint or another edit."
        )


def frechet_with_error(a: Features, b: Features, blocks: int = 10, seed: int = 0) -> Distance:
    """The Fréchet distance, its standard error by the jackknife over blocks of pictures of both sets."""
    check_features(b)
    return Yardstick(a, blocks, seed=seed).fid(b)


def kernel_distance(a: Features, b: Features, block: int = 100, seed: int = 0) -> Distance:
    """KID with the cubic polynomial kernel: the mean over disjoint blocks and its standard error."""
    rng = np.random.default_rng(seed)
    a, b = a[rng.permutation(len(a))], b[rng.permutation(len(b))]
    count = min(len(a), len(b)) // block
    if count < 2:
        raise GanatomyError(f"A kernel distance needs {2 * block} pictures of each kind or more.")
    values = [_mmd(a[k * block : (k + 1) * block], b[k * block : (k + 1) * block]) for k in range(count)]
    return Distance.of(float(np.mean(values)), np.asarray(values), 1 / np.sqrt(count))


class Yardstick:
    """One reference, kept with and without each of its blocks, for many sets of pictures.

    Sets of equal length are cut into the same blocks, so distances of the same latents pair.

    Raises:
        GanatomyError: fewer than five reference pictures a feature.
    """

    def __init__(self, reference: Features, blocks: int = 10, block: int = 100, seed: int = 0) -> None:
        check_features(np.asarray(reference))
        self.reference = np.asarray(reference, np.float64)
        self._block, self._blocks, self._seed = block, blocks, seed
        whole = _Moments.of(self.reference)
        self._known = [_Root(whole), *(_Root(part) for part in self._without(self.reference, whole))]

    def fid(self, features: Features, errors: bool = True) -> Distance:
        """The Fréchet distance; its error by the jackknife over blocks of both sets, NaN without errors."""
        whole = _Moments.of(np.asarray(features, np.float64))
        value = self._known[0].distance(whole)
        if not errors:
            return Distance(value, float("nan"))
        rest = zip(self._known[1:], self._without(features, whole), strict=True)
        parts = np.array([root.distance(moments) for root, moments in rest])
        return Distance.of(value, parts, (self._blocks - 1) / np.sqrt(self._blocks))

    def kid(self, features: Features) -> Distance:
        """The kernel distance and its error over disjoint blocks."""
        return kernel_distance(self.reference, features, self._block, self._seed)

    def _without(self, features: Features, whole: _Moments) -> list[_Moments]:
        order = np.random.default_rng(self._seed).permutation(len(features))
        groups = np.array_split(order, self._blocks)
        return [whole.minus(_Moments.of(np.asarray(features, np.float64)[group])) for group in groups]


@dataclass(frozen=True)
class _Moments:
    """What a normal distribution is fitted from; sums, so that blocks can be taken away."""

    count: int
    total: Floats
    squares: Floats

    @classmethod
    def of(cls, features: Features) -> _Moments:
        x = np.asarray(features, np.float64)
        return cls(len(x), x.sum(0), x.T @ x)

    def minus(self, other: _Moments) -> _Moments:
        return _Moments(self.count - other.count, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> Floats:
        return self.total / self.count

    @property
    def covariance(self) -> Floats:
        centred = self.squares - np.outer(self.total, self.total) / self.count
        return np.atleast_2d(centred / (self.count - 1))


class _Root:
    """A reference's mean, and the symmetric root of its covariance."""

    def __init__(self, moments: _Moments) -> None:
        values, vectors = np.linalg.eigh(moments.covariance)
        self.mean, self.trace = moments.mean, float(values.sum())
        self.root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

    def distance(self, other: _Moments) -> float:
        """Tr sqrt(A B) is the sum of the roots of A^1/2 B A^1/2's eigenvalues, a symmetric matrix."""
        covariance = other.covariance
        values = np.linalg.eigvalsh(self.root @ covariance @ self.root)
        apart = float(np.sum((self.mean - other.mean) ** 2))
        shared = float(np.sqrt(np.clip(values, 0, None)).sum())
        sizes = self.trace + float(np.trace(covariance))
        distance = apart + sizes - 2 * shared
        return 0.0 if -ROUNDING * sizes < distance < 0 else distance  # equal sets, but for rounding


def _between(a: _Moments, b: _Moments) -> float:
    return _Root(a).distance(b)


def _mmd(a: Features, b: Features) -> float:
    def kernel(x: Features, y: Features) -> Floats:
        return (x.astype(np.float64) @ y.T / x.shape[1] + 1) ** 3

    n = len(a)
    within = [(k.sum() - np.trace(k)) / (n * (n - 1)) for k in (kernel(a, a), kernel(b, b))]
    return float(sum(within) - 2 * kernel(a, b).mean())
