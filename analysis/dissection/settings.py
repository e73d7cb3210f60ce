"""What a dissection counts. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from analysis.shared.options import Ge, Gt, Le, Lt, Option


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
