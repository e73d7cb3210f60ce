"""How artifact units are ranked and scored. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from analysis.shared.latent_ranges import RANKING, room
from analysis.shared.options import Ge, Le, Option


@dataclass(frozen=True)
class ArtifactsSettings:
    """The images that rank and score, and the random sets of units beside."""

    images: Annotated[
        int,
        Ge(20),
        Le(room(RANKING)),
        Option(
            "Images",
            "Images that rank the units, and as many others that score them, each with as many "
            "pictures of the reference. Take at least five times the segmenter's features.",
        ),
    ] = 1000
    sets: Annotated[int, Ge(2), Le(500), Option("Sets", "Sets of random units to compare with.")] = 50
    activation: Annotated[
        Literal["rms", "peak"],
        Option(
            "Activation",
            "In which images a unit does most: rms of its map, or its peak as in the paper.",
        ),
    ] = "rms"
