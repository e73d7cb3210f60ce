"""How artifact units are ranked and scored. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import RANKING, room
from analysis.shared.options import Ge, Le, Option

Activation = Literal["rms", "peak"]


@dataclass(frozen=True)
class ArtifactsSettings:
    """The images that rank and score, and the random sets of units to compare with.

    Fields with an `Option` can be chosen in a form or on the command line, within their limits. The others,
    and values beyond the limits, are for callers in Python.
    """

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
        Activation,
        Option(
            "Activation",
            "In which images a unit does most: rms of its map, or its peak as in the paper.",
        ),
    ] = "rms"

    counts: tuple[int, ...] = (1, 2, 4, 8, 12, 20)  # how many units of a ranking are ablated
    random_counts: tuple[int, ...] = (1, 4, 20)  # sizes of the random sets, which are most of the work

    def __post_init__(self) -> None:
        kinds = get_args(Activation)
        if self.activation not in kinds:
            raise GanatomyError(
                f"Images cannot be ordered by '{self.activation}'; choose {' or '.join(kinds)}."
            )
