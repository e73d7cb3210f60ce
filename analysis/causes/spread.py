"""Which few images of a sample stand for all of them, where the concept is rare. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.shared.arrays import Floats, Ints, Mask


@dataclass(frozen=True)
class Spread:
    """Rows of a sample in such an order that the first few stand for all of its images.

    Attributes:
        rows: (n,) the rows.
        shown: (n,) whether they show the concept.
        share: The share of all images of the sample that show it. None where the rows are simply the first.
    """

    rows: Ints
    shown: Mask
    share: float | None

    def __len__(self) -> int:
        return len(self.rows)

    def weights(self, first: int) -> Floats:
        """Return weights of the first so many rows, whose mean is then one over all images of the sample."""
        shown = self.shown[:first]
        if self.share is None or shown.all() or not shown.any():
            return np.full(first, 1 / first)
        return np.where(shown, self.share / shown.sum(), (1 - self.share) / (~shown).sum())


def spread(shown: Mask, count: int) -> Spread:
    """Choose `count` rows of a sample, given which show the concept, bool (N,); all if there are fewer.

    Where half of the images show it or more, the first rows. Else rows with and without it alternate, while
    there are both, because on others an ablation can do nothing.
    """
    count = min(count, len(shown))
    if shown.mean() >= 0.5 or not shown.any():
        return Spread(np.arange(count), shown[:count], None)
    # The i-th row with the concept is in place 2 i, the i-th one without it in place 2 i + 1.
    place = np.where(shown, 2 * np.cumsum(shown) - 2, 2 * np.cumsum(~shown) - 1)
    rows = np.argsort(place, kind="stable")[:count]
    return Spread(rows, shown[rows], float(shown.mean()))
