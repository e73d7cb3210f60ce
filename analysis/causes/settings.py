"""How the causes of a concept are learned and measured. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from analysis.shared.errors import GanatomyError
from analysis.shared.options import Ge, Le, Option

Penalty = Literal["norm", "squared"]
Insertion = Literal["mean", "double", "q99"]
Ablation = Literal["off", "zero", "mean"]
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
        Option(
            "Images",
            "Test images on which effects are measured; up to eight times as many for a rare concept. "
            "Nothing else uses their latents.",
        ),
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
        Option(
            "Ablate",
            "What an ablation sets a unit to: its off state, which is its mean where the concept is absent; "
            "zero, as in the paper; or its mean everywhere.",
            advanced=True,
        ),
    ] = "off"
    training: Annotated[
        int,
        Ge(4),
        Le(6000),
        Option(
            "Training",
            "Training images of each learning, with latents of their own; up to eight times as many for a "
            "rare concept.",
            advanced=True,
        ),
    ] = 128
    choosing: Annotated[
        int,
        Ge(1),
        Le(6000),
        Option(
            "Choosing",
            "How many training images rank single units. Units that do little on the first 4 are left there.",
            advanced=True,
        ),
    ] = 16
    single_images: Annotated[
        int | None,
        Ge(2),
        Le(6000),
        Option(
            "Single images",
            "Test images on which single units are measured; 8 for those that did little on the choosing "
            "images.",
            advanced=True,
            empty="all",
        ),
    ] = 32
    random_sets: Annotated[
        int,
        Ge(0),
        Le(500),
        Option(
            "Random sets",
            "Sets of random units of equal energy to compare the causal set with; for other numbers of units "
            "20 at the most.",
            advanced=True,
        ),
    ] = 50
    random_images: Annotated[
        int,
        Ge(1),
        Le(6000),
        Option("Random images", "Test images on which each random set is measured.", advanced=True),
    ] = 4
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
    step_images: int = 2  # images of each edit in one step
    first_steps: int = 20  # steps with the lightest penalty that is tried
    path_steps: int = 10  # steps with each heavier one
    every: int = 10  # steps between two looks at the stopping images
    patience: int = 2  # looks without a gain, after which the learning stops
    tolerance: float = 0.01  # the least gain that counts, in units of the penalty's weight
    stop_images: int = 16  # stopping images of each learning and edit
    cells: int | None = None  # cells edited per image; None: as many as the concept touches
    averaging: int = 3  # order of the running mean of alpha, which is the result; 0 is the mean of all steps

    shown: int = 20  # images with the concept, until which more are drawn for learning, stopping and testing
    drawn: int = 8  # times as many images as asked for are drawn at the most
    first_choosing: int = 4  # choosing images of every unit; those that do most see all
    minor_images: int = 8  # test images of single units that did little on the choosing images
    other_sets: int = (
        20  # random sets of a number of units that is not the causal set's or the list's by hand
    )
    needed_images: int = 32  # test images on which the causal set is tried without each unit
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
        least = {
            "images": 2,
            "random_sets": 0,
            "cell_images": 0,
            "shown": 0,
            "other_sets": 0,
            "drawn": 1,
        } | dict.fromkeys(("seeds", "steps", "training", "choosing", "random_images", "batch"), 1)
        least |= dict.fromkeys(
            (
                "step_images",
                "first_steps",
                "path_steps",
                "every",
                "patience",
                "stop_images",
                "first_choosing",
                "minor_images",
                "needed_images",
            ),
            1,
        )
        for name, number in least.items():
            if not isinstance(getattr(self, name), int):
                raise GanatomyError(f"{name} is {getattr(self, name)!r}; it must be a whole number.")
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
    """Return the numbers n of units on the curves: 0, some up to 20, and beyond it up to 4 % of the width."""
    share = -(-4 * width // 100)
    wanted = {0, 1, 2, 4, 8, 12, 20, *(n for n in (round(share / 2), share) if n > 20)}
    return sorted(n for n in wanted if n <= width)
