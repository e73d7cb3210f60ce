"""Means of cells by context, within rows, and what position alone explains. Pure numpy.

Effects are (N, h, w), and cells are chosen by bool masks of that shape. Intervals are clustered by image.
docs/context.md states the estimators.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.shared.arrays import Floats

Mask = NDArray[np.bool_]
FEWEST = 10  # with fewer images that have such a cell there is no interval


class Estimate(NamedTuple):
    """A mean with its 95 % interval (NaN where there is none), and the cells and images behind it."""

    value: float
    low: float
    high: float
    cells: int
    images: int


def mean_in(effect: Floats, chosen: Mask) -> Estimate:
    """Return the mean over the chosen cells of all images."""
    many = chosen.sum((1, 2)).astype(float)
    sums = np.where(chosen, effect, 0).sum((1, 2), dtype=float)
    total, shown = many.sum(), int((many > 0).sum())
    if total == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    value = sums.sum() / total
    effective = min(total**2 / (many**2).sum(), shown)
    return _estimate(value, sums - value * many, total, effective, shown, int(total))


def row_matched(effect: Floats, inside: Mask, eligible: Mask) -> Estimate:
    """Return a context's effect minus that of the other eligible cells in the same rows.

    It is the coefficient of `inside` in a regression of the effect on `inside` and one constant per row. That
    is the difference of the two means in each row, weighted by a b / (a + b), where a row has a cells in the
    context and b outside. A row with one kind only has no weight. NaN where no row has both.
    """
    # Frisch-Waugh: with x and y centred within rows, the coefficient is sum x y / sum x^2.
    x, y = (inside & eligible).astype(float), np.where(eligible, effect, 0.0).astype(float)
    rows = np.maximum(eligible.sum((0, 2)), 1)[None, :, None]
    x = np.where(eligible, x - x.sum((0, 2))[None, :, None] / rows, 0)
    y = np.where(eligible, y - y.sum((0, 2))[None, :, None] / rows, 0)
    total = float((x * x).sum())
    cells, shown = int((inside & eligible).sum()), int((inside & eligible).any((1, 2)).sum())
    if total < 1e-9:
        return Estimate(np.nan, np.nan, np.nan, cells, shown)
    value = float((x * y).sum() / total)
    weight = (x * x).sum((1, 2))
    effective = min(total**2 / float((weight**2).sum()), shown)
    return _estimate(value, (x * (y - value * x)).sum((1, 2)), total, effective, shown, cells)


def _estimate(
    value: float, parts: Floats, total: float, effective: float, shown: int, cells: int
) -> Estimate:
    """Return the value with Student's interval over effective images.

    `parts` (N,) are each image's part of the estimator's error, `total` its denominator.
    """
    if shown < FEWEST or effective <= 1.5:
        return Estimate(float(value), np.nan, np.nan, cells, shown)
    error = np.sqrt(effective / (effective - 1) * np.sum(parts**2)) / total
    wide = stats.t.ppf(0.975, effective - 1) * error
    return Estimate(float(value), float(value - wide), float(value + wide), cells, shown)


def kinds(members: Mask) -> NDArray[np.int64]:
    """Number cells so that those with the same contexts share a number: (contexts, N, h, w) to (N, h, w)."""
    flat = np.packbits(members.reshape(len(members), -1), axis=0)
    return np.unique(flat, axis=1, return_inverse=True)[1].reshape(members.shape[1:])


class Explained(NamedTuple):
    """Shares of the variance of the effect between cells, adjusted for the number of fitted constants."""

    row: float
    position: float
    context: float
    context_beyond_row: float
    context_beyond_position: float
    row_beyond_context: float


def explained(effect: Floats, kind: NDArray[np.int64], eligible: Mask) -> Explained:
    """Return what rows, positions and contexts explain, each alone and one beyond the other.

    Shares are adjusted R^2, 1 - (1 - R^2) (n - 1) / (n - constants), so that many positions do not explain
    noise. `kind` numbers the cells' contexts, as `kinds` does. NaN if all effects are equal.
    """
    where = np.nonzero(eligible)
    y, context = effect[where].astype(float), _numbered(kind[where])
    row, position = _numbered(where[1]), _numbered(where[1] * effect.shape[2] + where[2])
    if len(y) < 3 or y.std() < 1e-12:
        return Explained(*[np.nan] * 6)
    alone = {name: _share(y, by, None) for name, by in (("r", row), ("p", position), ("c", context))}
    with_row, with_position = _share(y, row, context), _share(y, position, context)
    return Explained(
        alone["r"],
        alone["p"],
        alone["c"],
        with_row - alone["r"],
        with_position - alone["p"],
        with_row - alone["c"],
    )


def _numbered(values: NDArray) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1].ravel()


def _share(y: Floats, group: NDArray[np.int64], other: NDArray[np.int64] | None) -> float:
    """Return the adjusted R^2 of one constant per group, and one per group of `other` (Frisch-Waugh)."""
    left, constants = _centred(y[:, None], group), int(group.max()) + 1
    if other is not None:
        columns = _centred(np.eye(int(other.max()) + 1)[other], group)
        left = left - columns @ np.linalg.lstsq(columns, left, rcond=None)[0]
        constants += int(np.linalg.matrix_rank(columns, tol=1e-8 * np.sqrt(len(y))))
    rest = float((left**2).sum() / ((y - y.mean()) ** 2).sum())
    return 1 - rest * (len(y) - 1) / max(len(y) - constants, 1)


def _centred(columns: Floats, group: NDArray[np.int64]) -> Floats:
    """Return columns (n, c) minus their means within groups."""
    sums = np.zeros((int(group.max()) + 1, columns.shape[1]))
    np.add.at(sums, group, columns)
    return np.asarray(columns - (sums / np.bincount(group)[:, None])[group])
