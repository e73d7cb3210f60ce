"""How the causes of a concept are learned and measured. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from analysis.shared.errors import GanatomyError
from analysis.shared.options import Ge, Le, Option

Penalty = Literal["norm", "squared"]
Insertion = Literal["mean", "double", "q99"]
Ablation = Literal["zero", "mean"]
# The field `insert` keeps its stored words; the constants have the names of method.md.
CONSTANT: dict[Insertion, str] = {"mean": "k", "double": "2k", "q99": "q99"}


@dataclass(frozen=True)
class CausesSettings:
    """How alpha is learned, and on how many images and sets everything is measured.

    Fields with an `Option` can be chosen in a form or on the command line, within their limits. The others,
    and values beyond the limits, are for callers in Python.
    """

    images: Annotated[
        int,
        Ge(2),
        Le(6000),
        Option("Images", "Test images on which effects are measured. Nothing else uses their latents."),
    ] = 64
    seeds: Annotated[
        int,
        Ge(2),
        Le(10),
        Option("Seeds", "How often alpha is learned, each time from other latents.", advanced=True),
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
        Insertion,
        Option(
            "Insert",
            "What an insertion sets a unit to: its mean where the concept is (k), double (2k), or its 99 % "
            "quantile (q99).",
            advanced=True,
        ),
    ] = "mean"
    ablate: Annotated[
        Ablation,
        Option("Ablate", "What an ablation sets a unit to: zero, or its mean.", advanced=True),
    ] = "zero"
    training: Annotated[
        int,
        Ge(4),
        Le(6000),
        Option("Training", "Training images of each learning, with latents of their own.", advanced=True),
    ] = 128
    choosing: Annotated[
        int, Ge(1), Le(6000), Option("Choosing", "How many training images rank single units.", advanced=True)
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

    # How alpha is learned.
    rate: float = 0.05  # Adam's step size
    step_images: int = 4  # images of each edit in one step
    every: int = 10  # steps between two looks at the stopping images
    patience: int = 4  # looks without a gain, after which the learning stops
    tolerance: float = 0.01  # the least gain that counts, in units of the penalty's weight
    stop_images: int = 32  # stopping images of each learning
    cells: int | None = None  # cells edited per image; None: as many as the concept touches
    averaging: float = 0.9  # weight of the past in the running mean of alpha, which is the result

    cell_images: int = 32  # test images of which single cells are edited
    batch: int = 32  # images that pass through the networks together

    def __post_init__(self) -> None:
        for what, kind, kinds in (
            ("penalty", self.penalty, get_args(Penalty)),
            ("insertion", self.insert, get_args(Insertion)),
            ("ablation", self.ablate, get_args(Ablation)),
        ):
            if kind not in kinds:
                raise GanatomyError(f"There is no {what} '{kind}'; choose {' or '.join(kinds)}.")
        least = {"images": 2, "random_sets": 0, "cell_images": 0} | dict.fromkeys(
            ("seeds", "steps", "training", "choosing", "random_images", "batch"), 1
        )
        least |= dict.fromkeys(("step_images", "every", "patience", "stop_images"), 1)
        for name, number in least.items():
            if getattr(self, name) < number:
                raise GanatomyError(f"{name} is {getattr(self, name)}; it must be {number} or more.")

    def causal_set(self, width: int) -> int:
        """Return the size of the causal set in a layer of that many units.

        Raises:
            GanatomyError: the layer has fewer units than `top`.
        """
        size = min(width, max(8, -(-4 * width // 100))) if self.top is None else self.top
        if not 1 <= size <= width:
            raise GanatomyError(f"A causal set of {size} units is not possible; the layer has {width} units.")
        return size


def curve_sizes(width: int) -> list[int]:
    """Return the numbers n of units on the curves: 0, some up to 20, and up to 4 % of the layer's width."""
    share = -(-4 * width // 100)
    wanted = {0, 1, 2, 4, 8, 12, 20, share, *(round(share * part) for part in (0.25, 0.5, 0.75))}
    return sorted(n for n in wanted if n <= width)
