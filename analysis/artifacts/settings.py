"""How artifact units are ranked and scored. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import RANKING, room
from analysis.shared.options import Ge, Le, Option

Activation = Literal["rms", "peak"]
UNET_FEATURES = 160  # of the U-Nets of drawn worlds, the only segmenters with features of their own
COLOURS = 48  # a 4x4 grid of colours, compared beside the share of each concept
Features = Literal["auto", "imagenet", "segmenter"]


def feature_count(features: str, family: str, concepts: int) -> int | None:
    """The numbers that describe a picture, for a segmenter of this family with so many concepts.

    None where they are as many as the pictures allow, and for a segmenter that brings its own code.
    """
    if family == "unet":
        return None if features == "imagenet" else UNET_FEATURES
    return concepts + COLOURS if features == "segmenter" and family != "plugin" else None


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
            "pictures of the reference. Take at least five times the features.",
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

    features: Annotated[
        Features,
        Option(
            "Features",
            "What pictures are compared by. imagenet: EfficientNet-Lite0, which knows any picture and is "
            "fetched once. segmenter: the segmenter's own, or its shares and colours where it has none. "
            "auto: the segmenter's own where it has them, else imagenet.",
            advanced=True,
        ),
    ] = "auto"

    counts: tuple[int, ...] = (1, 2, 4, 8, 12, 20)  # how many units of a ranking are ablated
    random_counts: tuple[int, ...] = (1, 4, 20)  # sizes of the random sets, which are most of the work

    def __post_init__(self) -> None:
        if self.features not in get_args(Features):
            raise GanatomyError(
                f"Pictures cannot be compared by '{self.features}'; choose {', '.join(get_args(Features))}."
            )
        kinds = get_args(Activation)
        if self.activation not in kinds:
            raise GanatomyError(
                f"Images cannot be ordered by '{self.activation}'; choose {' or '.join(kinds)}."
            )
