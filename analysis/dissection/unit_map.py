"""Which units of a layer fire together: each unit's nearest units, and a map of them all. No torch.

The correlation of two units is Pearson's r over the cells of every eighth evaluation image, from sums that
the passes count anyway (`analysis.counting.values`).

    like = values.likeness(layer.products)
    found, r = neighbours(like)            # (U, 8) each, the largest |r| first
    places = layout(like)                  # (U, 2), in [-1, 1]

The map is a t-SNE (van der Maaten and Hinton 2008) with distances sqrt(2 (1 - r)): those between the units'
standardised maps. So near units fire together, and a unit is far from its opposite. Distances between groups
that are far apart, and the axes, mean nothing.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.shared.arrays import Floats

NEAREST = 8
PERPLEXITY = 10.0  # neighbours that a unit is placed by
STEPS, EARLY = 300, 75
EXAGGERATION = 4.0  # of all likenesses during the early steps
FEWEST = 5  # units that neighbours can place; fewer are placed by their distances
F32 = NDArray[np.float32]


def neighbours(like: Floats, most: int = NEAREST) -> tuple[NDArray[np.int64], Floats]:
    """The units (U, most) that correlate most with each, whatever the sign, and the correlations.

    Of equal ones the first comes first. Where a unit has fewer, -1 and NaN.

    >>> neighbours(np.array([[1, 0.2, -0.9], [0.2, 1, 0.1], [-0.9, 0.1, 1]]), 2)[0].tolist()
    [[2, 1], [0, 2], [0, 1]]
    """
    units = len(like)
    strength = np.where(np.eye(units, dtype=bool) | np.isnan(like), -np.inf, np.abs(like))
    order = np.argsort(-strength, axis=1, kind="stable")[:, :most]
    known = np.isfinite(np.take_along_axis(strength, order, axis=1))
    found, r = np.full((units, most), -1, np.int64), np.full((units, most), np.nan)
    found[:, : order.shape[1]] = np.where(known, order, -1)
    r[:, : order.shape[1]] = np.where(known, np.take_along_axis(like, order, axis=1), np.nan)
    return found, r


def layout(like: Floats) -> Floats:
    """The place (U, 2) of each unit on the layer's map, from -1 to 1; NaN for a unit that does not vary."""
    places = np.full((len(like), 2), np.nan)
    varies = np.isfinite(np.diag(like)) if len(like) else np.zeros(0, bool)
    r = np.clip(np.nan_to_num(like[np.ix_(varies, varies)]), -1, 1)
    np.fill_diagonal(r, 1)
    found = _principal(r)
    if len(r) >= FEWEST:
        found = _embedded(2 * (1 - r), found)
    if len(found):
        found = found - (found.max(axis=0) + found.min(axis=0)) / 2
        found = found / max(float(np.abs(found).max()), 1e-12)
    places[varies] = found
    return places


def _principal(r: Floats) -> Floats:
    """Two principal coordinates (n, 2) of points whose scalar products are r, with signs made definite."""
    middle = r - r.mean(axis=0) - r.mean(axis=1)[:, None] + r.mean() if len(r) else r
    if len(r) < 3:
        return np.column_stack(
            [np.linspace(-1, 1, len(r)) if len(r) > 1 else np.zeros(len(r)), np.zeros(len(r))]
        )
    values, vectors = np.linalg.eigh(middle)
    axes = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return axes * np.where(signs == 0, 1, signs)


def _embedded(squared: Floats, start: Floats) -> Floats:
    """Places (n, 2) after gradient descent from `start`, as in van der Maaten and Hinton's section 3.4."""
    p = affinities(squared).astype(np.float32)
    y = (start / max(float(start.std()), 1e-12) * 1e-2).astype(np.float32)
    y += np.float32(1e-4) * np.random.Generator(np.random.Philox(0)).standard_normal(y.shape, np.float32)
    step, gains = np.zeros_like(y), np.ones_like(y)
    for number in range(STEPS):
        early = number < EARLY
        slope = gradient(p * np.float32(EXAGGERATION) if early else p, y)
        gains = np.where(slope * step < 0, gains + 0.2, gains * 0.8).clip(0.01).astype(np.float32)
        rate = np.float32(max(len(y) / EXAGGERATION, 20.0))
        step = np.float32(0.5 if early else 0.8) * step - rate * gains * slope
        y = y + step
    return y.astype(np.float64)


def affinities(squared: Floats, perplexity: float = PERPLEXITY) -> Floats:
    """The joint probabilities (n, n), from squared distances: a Gaussian about each, of equal perplexity."""
    many = len(squared)
    wanted = np.log(min(perplexity, (many - 1) / 3))
    others = squared + np.where(np.eye(many, dtype=bool), np.inf, 0)
    others = others - others.min(axis=1)[:, None]  # so that the nearest always counts
    low, high, beta = np.zeros(many), np.full(many, np.inf), np.ones(many)
    for _ in range(50):
        weights = np.exp(-others * beta[:, None])
        total = weights.sum(axis=1)
        finite = np.where(np.isfinite(others), others, 0)
        entropy = np.log(total) + beta * (finite * weights).sum(axis=1) / total
        wide = entropy > wanted
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
        beta = np.minimum(beta, 1e12)  # where several are at one place
    own = weights / total[:, None]
    return (own + own.T) / (2 * many)


def gradient(p: F32, y: F32) -> F32:
    """The gradient (n, 2) of the Kullback-Leibler divergence of the places' affinities from p."""
    square = (y * y).sum(axis=1)
    near = 1 / (1 + np.maximum(square[:, None] + square - 2 * (y @ y.T), 0))
    np.fill_diagonal(near, 0)
    pull = (p - near / near.sum()) * near
    found: F32 = 4 * (pull.sum(axis=1)[:, None] * y - pull @ y)
    return found
