"""What a sample of maps says about each unit: k, 99 % quantile, mean and mean square.

docs/method.md section 3 defines k. Tensors go in and arrays come out, so that any study can measure its own
sample:

>>> sums = UnitSums(images=2)
>>> sums.add(torch.tensor([[[[1.0, 3.0]]], [[[0.0, 4.0]]]]), torch.tensor([[[0.0, 1.0]], [[0.0, 0.5]]]))
>>> float(sums.statistics().k[0])  # (3 * 1 + 4 * 0.5) / (1 + 0.5)
3.3333333333333335
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import gcd

import numpy as np
import torch
from torch import Tensor

from analysis.shared.arrays import Floats, Ints
from analysis.shared.errors import GanatomyError

CONSTANTS = ("k", "2k", "q99")
TOP = 0.01  # the share of a unit's cells that exceed its quantile q99
VALUES = 1 << 17  # values per unit that quantiles are read from


@dataclass(frozen=True)
class UnitStatistics:
    """Statistics of each unit of a layer over a sample, (units,)."""

    k: Floats  # mean activation where the concept is (Bau et al. 2019, section 3.2)
    q99: Floats  # the activation that 1 % of the cells exceed
    mean: Floats
    square: Floats  # mean of the squared activation

    @property
    def varies(self) -> np.ndarray:
        """Which units are not constant over the sample, bool (units,)."""
        return np.asarray(self.square - self.mean**2 > 1e-12)

    def constant(self, name: str) -> Floats:
        """Return what an insertion sets every unit to: `k`, `2k` or `q99`.

        Raises:
            GanatomyError: there is no such constant.
        """
        if name not in CONSTANTS:
            raise GanatomyError(f"There is no constant '{name}'; choose from {', '.join(CONSTANTS)}.")
        return self.q99 if name == "q99" else self.k * (2 if name == "2k" else 1)

    def energy(self, values: Floats, units: Sequence[int] | Ints | None = None) -> Floats:
        """Return the energy of setting each unit to a value, in the shape of `values`.

        `values` belong to `units`; by default to all units of the layer. The energy of an edit of several
        units is their sum.
        """
        mean, square = (self.mean, self.square) if units is None else (self.mean[units], self.square[units])
        # E (v - r)^2 = v^2 - 2 v E r + E r^2, so two moments give the energy of every value. Rounding may
        # bring that slightly under 0.
        return np.maximum(values**2 - 2 * values * mean + square, 0)


class UnitSums:
    """Sums over the maps of a sample, added batch by batch; `images` is the size of the whole sample."""

    def __init__(self, images: int) -> None:
        self._images, self._cells = images, 0
        self._sums: dict[str, Tensor] = {}
        self._values: list[Tensor] = []

    def add(self, r: Tensor, concept: Tensor) -> None:
        """Add maps r (n, units, h, w) and the concept's share of each cell (n, h, w)."""
        there = concept[:, None]
        found = {
            "rs": (r * there).sum((0, 2, 3)),
            "s": there.sum(),
            "r": r.sum((0, 2, 3)),
            "absent": (there <= 0).sum(),
            "ra": (r * (there <= 0)).sum((0, 2, 3)),
            "rr": r.square().sum((0, 2, 3)),
        }
        self._sums = {name: value.double() + self._sums.get(name, 0.0) for name, value in found.items()}
        self._values.append(spread_values(r, self._images))
        self._cells += r[:, 0].numel()

    @property
    def concept_cells(self) -> float:
        """How many cells' worth of the concept the sample has; k is not defined at 0."""
        return float(self._sums["s"])

    def off(self) -> Floats:
        """Return each unit's off state (units,): its mean over the cells that hold none of the concept.

        Its mean over all cells where every cell holds some.
        """
        free = float(self._sums["absent"])
        found = self._sums["ra"] / free if free else self._sums["r"] / self._cells
        return np.asarray(found.cpu().numpy())

    def statistics(self) -> UnitStatistics:
        """Return the statistics: k_u = sum r_u s / sum s over all images and cells, and the moments."""
        total = {name: value.cpu().numpy() for name, value in self._sums.items()}
        return UnitStatistics(
            k=total["rs"] / total["s"],
            q99=levels(self._values, [TOP])[0].double().cpu().numpy(),
            mean=total["r"] / self._cells,
            square=total["rr"] / self._cells,
        )


def spread_values(r: Tensor, images: int) -> Tensor:
    """Return values of each unit (units, n) at cells spread over maps (N, units, h, w).

    They are few enough to sort: over a sample of `images` images about `VALUES` per unit.
    """
    values = r.permute(1, 0, 2, 3).flatten(1)
    least = -(-r.shape[2] * r.shape[3] * images // VALUES)
    # A step that shares no factor with the width visits every column of the map.
    step = next(step for step in count(max(least, 1)) if gcd(step, r.shape[3]) == 1)
    return values[:, ::step].clone()  # a copy, so that the maps themselves can be freed


def levels(parts: Sequence[Tensor], tails: Sequence[float]) -> Tensor:
    """Return the values (tails, units) that such shares of each unit's values exceed."""
    # torch.quantile refuses more than 2**24 numbers; sorting takes any number of them.
    ordered = torch.cat(list(parts), 1).sort(1).values
    many = ordered.shape[1]
    return torch.stack([ordered[:, min(int((1 - tail) * many), many - 1)] for tail in tails])
