"""Numbers, times and names as every page writes them, and help texts."""

import re
from datetime import datetime

import pandas as pd

from db.times import duration, utc_now

HELP = {
    "iou": (
        "Intersection over union: the pixels where unit and concept are both on, divided by the pixels "
        "where at least one is, over all evaluation images. 1 is perfect agreement."
    ),
    "interval": (
        "The 95 % interval of the IoU over images. It needs 20 images with the concept, and exists only at "
        "the scored threshold."
    ),
    "always_on": "The IoU of a unit that is on everywhere, which equals the concept's frequency.",
    "mask_iou": (
        "The IoU of the best constant mask, a fixed set of pixels that was fitted on calibration images. A "
        "unit that does not beat it may respond only to the concept's usual position."
    ),
    "null_iou": ("The unit's IoU with the concept's masks of other images: agreement by position alone."),
    "ceiling_iou": (
        "The best IoU that any map on this layer's grid could reach for the concept. Coarse grids cannot "
        "outline small objects."
    ),
    "threshold": (
        "The activation above which the unit counts as on. It was chosen on calibration images, which are "
        "not used for scores. When you move it, IoU and outlines follow at once."
    ),
    "rule": (
        "**Paper**: a unit is named when its IoU is over a cut, 0.05 in Bau et al. 2019. **Calibrated**: a "
        "unit is named when its IoU is over the null of other images' masks, with a q-value of at most 0.05. "
        "*Beats the mask* means that a named unit also beats the best constant mask."
    ),
    "q_value": "The smallest false discovery rate at which the agreement counts as more than position alone.",
    "precision": "The share of the unit's pixels that show the concept.",
    "recall": "The share of the concept's pixels where the unit is on.",
    "tail": "The share of all pixels where the unit is on.",
    "edit": (
        "An edit is an operation, a layer, units, and optionally cells and a strength. Examples: "
        "`ablate layer3 4,17`, `insert layer4 12=3.5,40=2 at 8-11:3-6 by 0.5`, `scale layer2 7=2`. Join "
        "several with `;`."
    ),
    "calibrated": "(IoU - null) / (1 - null): 0 is agreement by position alone, 1 is perfect.",
}


def score(value: object) -> str:
    """An IoU or a frequency with two decimals, three when it is below 0.1; a dash when it is missing."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return "-"
    number = float(value)  # type: ignore[arg-type]
    return f"{number:.3f}" if abs(number) < 0.1 else f"{number:.2f}"


def count(number: int, one: str, many: str = "") -> str:
    """`3 units`, `1 unit`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """A duration such as 45 s, 3 min or 2.5 h; a dash when it is missing."""
    if value is None or pd.isna(value):
        return "-"
    return duration(value)


def ago(moment: datetime | None) -> str:
    """How long ago a UTC time without an offset was."""
    if moment is None or pd.isna(moment):
        return "-"
    passed = (utc_now() - moment).total_seconds()
    if passed < 90:
        return "just now"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            return f"{count(int(passed // size), unit)} ago"
    return "just now"


def plain(text: str) -> str:
    """Text with the characters escaped that Markdown would interpret."""
    return re.sub(r"([\\`*_\[\]<>:$#~])", r"\\\1", text)
