"""Distances between two sets of pictures, from a network's features. No torch.

d = frechet(real, made)                     # FID's formula on any features (Heusel et al. 2017)
k = kernel_distance(real, made)             # KID, unbiased (Binkowski et al. 2018), k.value and k.error
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GanatomyError

Features = NDArray[np.floating]


@dataclass(frozen=True)
class Distance:
    """A distance and its standard error over blocks of pictures."""

    value: float
    error: float


def frechet(a: Features, b: Features) -> float:
    """Squared Fréchet distance between normal distributions fitted to features (N, d) and (M, d).

    Raises:
        GanatomyError: fewer than five pictures a feature, where the fit would mislead.
    """
    if min(len(a), len(b)) < 5 * a.shape[1]:
        raise GanatomyError(
            f"{min(len(a), len(b))} pictures are too few for a Fréchet distance on {a.shape[1]} features; "
            f"take {5 * a.shape[1]} or more."
        )
    return _frechet(a, b)


def frechet_with_error(a: Features, b: Features, blocks: int = 10, seed: int = 0) -> Distance:
    """The Fréchet distance, its standard error by the jackknife over blocks of pictures of both sets."""
    value = frechet(a, b)
    rng = np.random.default_rng(seed)
    groups = [np.array_split(rng.permutation(len(x)), blocks) for x in (a, b)]
    without = [_frechet(np.delete(a, i, 0), np.delete(b, j, 0)) for i, j in zip(*groups, strict=True)]
    spread = np.sum((np.asarray(without) - np.mean(without)) ** 2)
    return Distance(value, float(np.sqrt((blocks - 1) / blocks * spread)))


def kernel_distance(a: Features, b: Features, block: int = 100, seed: int = 0) -> Distance:
    """KID with the cubic polynomial kernel: the mean over disjoint blocks and its standard error."""
    rng = np.random.default_rng(seed)
    a, b = a[rng.permutation(len(a))], b[rng.permutation(len(b))]
    count = min(len(a), len(b)) // block
    if count < 2:
        raise GanatomyError(f"A kernel distance needs {2 * block} pictures of each kind or more.")
    values = [_mmd(a[k * block : (k + 1) * block], b[k * block : (k + 1) * block]) for k in range(count)]
    return Distance(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(count)))


def _frechet(a: Features, b: Features) -> float:
    covariances = [np.cov(x.astype(np.float64), rowvar=False) for x in (a, b)]
    # tr sqrt(AB) is the sum of the square roots of AB's eigenvalues, which are real and not negative.
    roots = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None))
    apart = np.sum((a.mean(0, dtype=np.float64) - b.mean(0, dtype=np.float64)) ** 2)
    return float(apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots.sum())


def _mmd(a: Features, b: Features) -> float:
    def kernel(x: Features, y: Features) -> NDArray[np.float64]:
        return (x.astype(np.float64) @ y.T / x.shape[1] + 1) ** 3

    n = len(a)
    within = [(k.sum() - np.trace(k)) / (n * (n - 1)) for k in (kernel(a, a), kernel(b, b))]
    return float(sum(within) - 2 * kernel(a, b).mean())
