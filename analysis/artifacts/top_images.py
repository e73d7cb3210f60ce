"""How far the images that activate a unit most lie from the reference: the ranking by images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from analysis.shared.distances import PER_FEATURE, Yardstick
from analysis.shared.errors import GanatomyError

Floats = NDArray[np.floating]
FLOOR = 1e-3  # of the mean variance: axes that the reference hardly fills are not blown up beyond this
# What a unit does in an image (N, units, h, w) -> (N, units): all of it, or the paper's largest value.
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "rms": lambda r: r.square().mean((2, 3)).sqrt(),
    "peak": lambda r: r.amax((2, 3)),
}


def checked(activation: str) -> str:
    """Raises `GanatomyError` when images cannot be ordered by that."""
    if activation not in ACTIVATIONS:
        raise GanatomyError(f"Images cannot be ordered by '{activation}'; choose {' or '.join(ACTIVATIONS)}.")
    return activation


def amounts(images: int, features: int) -> tuple[int, int]:
    """How many images of a unit are compared, a tenth and 50 at least, and on how many axes."""
    many = min(max(50, images // 10), images)
    return many, min(many // PER_FEATURE, features)


def distances(
    known: Floats, made: Floats, order: NDArray[np.int64], size: int, activation: str
) -> NDArray[np.float64]:
    """The distance of each unit's images (units, many) from the reference, on `size` axes."""
    axes = varying if activation == "peak" else differing
    known, made = axes(known, made, size)
    yardstick = Yardstick(known)
    return np.array([yardstick.fid(made[best], errors=False).value for best in order])


def varying(known: Floats, made: Floats, size: int) -> tuple[Floats, Floats]:
    """Both on the axes along which features vary most."""
    axes = np.linalg.eigh(np.cov(np.concatenate([known, made]), rowvar=False))[1][:, ::-1][:, :size]
    return known @ axes, made @ axes


def differing(known: Floats, made: Floats, size: int) -> tuple[Floats, Floats]:
    """Both in units of the reference's own spread, on the axes along which `made` differs most from it.

    What varies most is what pictures show. Damage lies where reference pictures hardly vary, so features are
    whitened by the reference. The axes are of all images together, and so favour no unit.
    """
    values, vectors = np.linalg.eigh(np.cov(known, rowvar=False))
    white = vectors / np.sqrt(np.maximum(values, FLOOR * values.mean()))
    known, made = ((features - known.mean(0)) @ white for features in (known, made))
    axes = np.linalg.eigh(made.T @ made)[1][:, ::-1][:, :size]
    return known @ axes, made @ axes
