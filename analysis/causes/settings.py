"""What a search for causes measures, how alpha is learned, and what keeps it small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from analysis.shared.errors import GanatomyError
from analysis.shared.options import Ge, Le, Option

if TYPE_CHECKING:
    from torch import Tensor

Penalty = Literal["norm", "squared"]


@dataclass(frozen=True)
class CausesSettings:
    """What a person chooses of a search for causes."""

    images: Annotated[
        int, Ge(2), Le(6000), Option("Images", "Test images, which give the effects; latents of their own.")
    ] = 64
    seeds: Annotated[
        int, Ge(2), Le(10), Option("Seeds", "Times that alpha is learned, from other latents.", advanced=True)
    ] = 3
    steps: Annotated[
        int, Ge(1), Le(5000), Option("Steps", "The most steps that one learning takes.", advanced=True)
    ] = 200
    penalty: Annotated[
        Penalty,
        Option(
            "Penalty", "What keeps alpha small: its norm, or squared as in the authors' code.", advanced=True
        ),
    ] = "norm"
    penalty_weight: Annotated[
        float | None,
        Ge(0),
        Le(100),
        Option(
            "Penalty weight",
            "How strongly alpha is kept small.",
            advanced=True,
            empty="chosen from the images",
        ),
    ] = None
    insert: Annotated[
        Literal["mean", "double", "q99"],
        Option(
            "Insert",
            "What an insertion sets a unit to: its mean where the concept is (k), double (2k), or its 99 % "
            "quantile (q99).",
            advanced=True,
        ),
    ] = "mean"
    ablate: Annotated[
        Literal["zero", "mean"],
        Option("Ablate", "What an ablation sets a unit to: zero, or its mean.", advanced=True),
    ] = "zero"
    training: Annotated[
        int,
        Ge(4),
        Le(6000),
        Option("Training", "Training images of each learning, with latents of their own.", advanced=True),
    ] = 128
    choosing: Annotated[
        int, Ge(1), Le(6000), Option("Choosing", "Training images that rank single units.", advanced=True)
    ] = 32
    single_images: Annotated[
        int | None,
        Ge(2),
        Le(6000),
        Option(
            "Single images", "Test images on which every single unit is measured.", advanced=True, empty="all"
        ),
    ] = 32
    random_sets: Annotated[
        int,
        Ge(0),
        Le(500),
        Option("Random sets", "Sets of random units of equal energy to compare with.", advanced=True),
    ] = 50
    random_images: Annotated[
        int,
        Ge(1),
        Le(6000),
        Option("Random images", "Test images on which each random set is measured.", advanced=True),
    ] = 8
    top: Annotated[
        int | None,
        Ge(1),
        Le(10_000),
        Option(
            "Top",
            "Units of the causal set.",
            advanced=True,
            empty="4 % of the layer's units, but 8 at least",
        ),
    ] = None


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
