"""Bootstraps of the images, drawn while they are counted: how sure a unit's name is. No torch.

Each of 200 replicas is a sample of the images with replacement. An image that is seen once cannot be drawn
later, so each replica takes it a number of times with a Poisson distribution, which is the same for many
images (Chamandy et al. 2012). The numbers follow from latents alone: shards in any order give the same.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.shared.arrays import Array, Floats

REPLICAS = 200
CANDIDATES = 8  # concepts that may be a unit's name


def weights(first: int, images: int, rate: float) -> NDArray[np.float64]:
    """How often each replica takes each image of a block that begins at latent `first`, (images, REPLICAS).

    `rate` is the mean: a replica of n images then has about rate * n.

    >>> once = weights(64, 3, 1.0)
    >>> once.shape, bool((weights(64, 64, 1.0)[:3] == once).all())
    ((3, 200), True)
    """
    random = np.random.Generator(np.random.Philox(key=first))
    return random.poisson(rate, (images, REPLICAS)).astype(np.float64)


def add(both: Array, union: Array, weight: Array, out: Array) -> None:
    """Add a block to replicas (K, 2, REPLICAS): intersections and unions (K, images), by weights."""
    out[:, 0] += (both @ weight).astype(np.int64)
    out[:, 1] += (union @ weight).astype(np.int64)


def add_constant(
    sizes: Array, present: Array, both: Array, areas: Array, weight: Array, spread: Array, out: Array
) -> None:
    """Add a block of images to the spread (C, 5) of the constant controls, and to their replicas.

    sizes (C,) are the controls' pixels. Of the concepts present (K,): intersections and areas (images, K).
    """
    a = np.zeros((len(both), len(sizes)), np.int64)
    shown = a.copy()
    a[:, present], shown[:, present] = both, areas
    b = sizes + shown - a
    spread += np.stack([a, b, a * a, a * b, b * b], axis=-1).sum(axis=0)
    add(a.T, b.T, weight, out)


def name_shares(own: Array, control: Array, candidates: Array) -> tuple[NDArray[np.int64], Array]:
    """The names that replicas choose, and the share that each has: (U, K + 1), the most frequent first.

    own (U, K, 2, R) are the replicas of the candidates (U, K), control (C, 2, R) of the constant controls.
    A replica's name is its candidate of the largest lift over 0, else none (-1).

    >>> own = np.array([[[[6, 6, 1], [10, 10, 10]], [[1, 1, 1], [10, 10, 10]]]])
    >>> control = np.array([[[2, 2, 2], [10, 10, 10]], [[2, 2, 2], [10, 10, 10]]])
    >>> names, shares = name_shares(own, control, np.array([[1, 0]]))
    >>> names.tolist(), shares.round(2).tolist()
    ([[1, -1, 0]], [[0.67, 0.33, 0.0]])
    """
    units, many = candidates.shape
    lift = _lifts(own, control, candidates)
    best = np.where(lift.max(axis=1) > 0, lift.argmax(axis=1), many)  # (U, R) places; the last is no name
    shares = np.stack([(best == place).mean(axis=1) for place in range(many + 1)], axis=1)
    named = np.concatenate([candidates, np.full((units, 1), -1)], axis=1).astype(np.int64)
    order = np.argsort(-shares, axis=1, kind="stable")
    return np.take_along_axis(named, order, 1), np.take_along_axis(shares, order, 1)


def gains(own: Array, control: Array, candidates: Array, composition: Array) -> Floats:
    """The share of replicas (U,) in which a unit's formula has a larger lift than each of its candidates.

    own (U, K + 1, 2, R) has the formula last; `composition` (U,) is its column in control (C, 2, R). 0 for
    a unit without one (-1).
    """
    lift = _lifts(own, control, np.concatenate([candidates, composition[:, None]], axis=1))
    return (lift[:, -1] > lift[:, :-1].max(axis=1)).mean(axis=1)


def _lifts(own: Array, control: Array, candidates: Array) -> Floats:
    """The lift of each candidate (U, K) over its constant control in each replica: (U, K, R).

    -inf for none.
    """
    known = candidates >= 0
    both, union = own[:, :, 0].astype(float), own[:, :, 1].astype(float)
    score = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    hit, of = control[:, 0].astype(float), control[:, 1].astype(float)
    floor = np.divide(hit, of, out=np.zeros_like(hit), where=of > 0)[np.maximum(candidates, 0)]
    with np.errstate(all="ignore"):
        return np.where(known[:, :, None] & (floor < 1), (score - floor) / (1 - floor), -np.inf)
