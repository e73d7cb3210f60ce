"""How alpha is learned, and what keeps it small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from analysis.shared.errors import GanatomyError

Penalty = Literal["norm", "squared"]


@dataclass(frozen=True)
class Settings:
    """How alpha is learned. `cells` None edits as many as the concept touches; `batch` counts images of each
    edit; the learning stops after `patience` looks, `every` steps apart, without a gain of `tolerance`, which
    is in units of the penalty's weight.

    `penalty_weight` None is chosen, see `looks.choose_weight`.
    """

    steps: int = 200
    rate: float = 0.05
    penalty: Penalty = "norm"
    penalty_weight: float | None = None
    batch: int = 4
    every: int = 10
    patience: int = 4
    tolerance: float = 0.01
    stop_images: int = 32
    cells: int | None = None
    averaging: float = 0.9  # of the running mean of alpha, which is what is looked at and kept

    def __post_init__(self) -> None:
        if self.penalty not in ("norm", "squared"):
            raise GanatomyError(f"There is no penalty '{self.penalty}'; choose norm or squared.")
        if min(self.steps, self.batch, self.every, self.patience, self.stop_images) < 1:
            raise GanatomyError("Steps, batch, looks, patience and stopping images must be 1 or more.")


def penalty(alpha: Tensor, settings: Settings, weight: float) -> Tensor:
    """weight * ||alpha||_2, or its square."""
    squared = alpha.square().sum()
    # The norm has no slope at 0, where every unit is out; a tiny constant gives it one.
    kind = squared if settings.penalty == "squared" else (squared + 1e-12).sqrt()
    return weight * kind
