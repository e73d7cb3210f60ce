"""How an insertion is measured. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import MEASURING, room
from analysis.shared.options import Ge, Le, Option

Strength = Literal["k", "2k", "q99"]
STRENGTHS: tuple[Strength, ...] = ("k", "2k", "q99")


@dataclass(frozen=True)
class ContextSettings:
    """The strengths of an insertion, and the images and cells that measure it.

    The limits are those of a form and the command line; callers in Python may go beyond.
    """

    strengths: Annotated[
        tuple[Strength, ...] | None,
        MinLen(1),
        Option(
            "Strengths",
            "What units are forced to: their mean k where the concept is, 2k, or their 99 % quantile.",
            empty="all three",
        ),
    ] = None
    images: Annotated[
        int, Ge(2), Le(10_000), Option("Images", "Images inserted into, with latents of their own.")
    ] = 48
    every: Annotated[
        int, Ge(1), Le(64), Option("Every", "Every n-th cell is tried; 1 is every cell of every image.")
    ] = 1
    patch: Annotated[
        Literal[1, 3, 5],
        Option("Patch", "Side of the square of cells that is forced at once; 3 where one cell is too small."),
    ] = 1
    controls: Annotated[
        Literal["first", "all"],
        Option("Controls", "At which strengths random units of equal energy are forced as a control."),
    ] = "first"
    traced: Annotated[
        int,
        Ge(0),
        Le(1000),
        Option("Traced", "How many images are used to follow the edit through later layers."),
    ] = 16
    measuring: Annotated[
        int,
        Ge(16),
        Le(room(MEASURING)),
        Option("Measuring", "Images that measure the constants. Nothing else uses their latents."),
    ] = 512

    def __post_init__(self) -> None:
        for name in ("images", "every", "patch", "measuring"):
            if getattr(self, name) < 1:
                raise GanatomyError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
