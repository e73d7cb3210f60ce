"""How far the images that activate a unit most lie from the reference: the ranking by images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from analysis.artifacts.settings import Activation
from analysis.shared.arrays import Floats, Ints
from analysis.shared.distances import PER_FEATURE, Yardstick

Features = NDArray[np.floating]
FLOOR = 1e-3  # of the mean variance: axes that the reference hardly fills are not blown up beyond this
# How much a unit does in an image, (N, units, h, w) -> (N, units): over the whole map, or at its peak, as in
# the paper.
ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "rms": lambda r: r.square().mean((2, 3)).sqrt(),
    "peak": lambda r: r.amax((2, 3)),
}


def amounts(images: int, features: int) -> tuple[int, int]:
    """Return how many images of each unit are compared, and on how many axes.

    A tenth of the images are compared, but 50 at least. Each axis takes five images, as a covariance does.
    """
    many = min(max(50, images // 10), images)
    return many, min(many // PER_FEATURE, features)


def distances(known: Features, made: Features, order: Ints, size: int, activation: Activation) -> Floats:
    """Return the distance (units,) of each unit's images from the reference, on `size` axes.

    `known` (M, d) are features of the reference, `made` (N, d) those of the images. `order` (units, many) are
    the numbers of each unit's images.
    """
    axes = varying if activation == "peak" else differing
    known, made = axes(known, made, size)
    yardstick = Yardstick(known)
    return np.array([yardstick.fid(made[best], errors=False).value for best in order])


def varying(known: Features, made: Features, size: int) -> tuple[Features, Features]:
    """Return both on the axes along which features vary most."""
    axes = np.linalg.eigh(np.cov(np.concatenate([known, made]), rowvar=False))[1][:, ::-1][:, :size]
    return known @ axes, made @ axes


def differing(known: Features, made: Features, size: int) -> tuple[Features, Features]:
    """Return both in units of the reference's spread, on the axes along which `made` differs most from it.

    The content of pictures varies most. Damage lies where reference pictures hardly vary, so features are
    whitened by the reference. The axes come from all images together, so they favour no unit.
    """
    # W = V diag(values)^-1/2, where cov(known) = V diag(values) V^T; then cov(known @ W) is the identity.
    values, vectors = np.linalg.eigh(np.cov(known, rowvar=False))
    white = vectors / np.sqrt(np.maximum(values, FLOOR * values.mean()))
    known, made = ((features - known.mean(0)) @ white for features in (known, made))
    axes = np.linalg.eigh(made.T @ made)[1][:, ::-1][:, :size]
    return known @ axes, made @ axes
