"""What a dissection counts. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from analysis.shared.options import Ge, Gt, Le, Lt, Option

REFERENCE_IMAGES = 1000  # generated images, and reference pictures, that are compared at most


@dataclass(frozen=True)
class DissectionSettings:
    """How many images are counted, and how thresholds are chosen."""

    images: Annotated[
        int, Ge(1), Le(1_000_000), Option("Images", "Evaluation images, which give the numbers.")
    ] = 1000
    calibration: Annotated[
        int,
        Ge(1),
        Le(1_000_000),
        Option("Calibration", "Further images, used only to choose thresholds and names."),
    ] = 500
    threshold: Annotated[
        Literal["iqr"] | Annotated[float, Gt(0), Lt(1)],
        Option(
            "Threshold",
            "How a unit's threshold is chosen: iqr (by information quality), or the fraction of its values "
            "that is on, such as 0.005.",
            advanced=True,
        ),
    ] = "iqr"
    sides: Annotated[
        Literal["both", "high"],
        Option(
            "Sides",
            "Which activations may mark a concept: both high and low ones, whichever knows more of it, or "
            "only high ones, as in the paper. A fixed share of pixels always has the highest.",
            advanced=True,
        ),
    ] = "both"
    compositions: Annotated[
        bool,
        Option(
            "Compositions",
            "Whether to look for formulas, such as 'roof or dome' or 'building and not window', that explain "
            "units better than any single concept.",
            advanced=True,
        ),
    ] = True
