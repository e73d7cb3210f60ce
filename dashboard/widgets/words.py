"""Numbers, times and names the way every page writes them, and the helps that explain them."""

import re
from datetime import datetime

import pandas as pd

from db.times import duration, utc_now

HELP = {
    "iou": (
        "Intersection over union: pixels where unit and concept are both on, over pixels where either is, "
        "pooled over all evaluation images. 1 is perfect agreement."
    ),
    "interval": (
        "95 % interval of the IoU, the image being the cluster. Not shown below 20 images with the concept, "
        "nor at a threshold other than the scored one."
    ),
    "always_on": "What a unit that is on everywhere would score: the concept's frequency.",
    "mask_iou": (
        "What the best constant mask scores: a fixed set of pixels, fitted on calibration images. A unit "
        "that does not beat it may know only where the concept usually is."
    ),
    "null_iou": (
        "What the unit scores against the concept's masks of other images: agreement by place alone."
    ),
    "ceiling_iou": (
        "The best IoU that any map on this layer's grid could reach for the concept: coarse layers cannot "
        "draw small objects."
    ),
    "threshold": (
        "The activation above which the unit counts as on. It was chosen on calibration images, which give "
        "no numbers. Move it and IoU, outlines and images follow, from counts kept with the run."
    ),
    "rule": (
        "**Paper**: named when the IoU is over a cut, 0.05 in Bau et al. 2019. **Calibrated**: named when "
        "the agreement is more than luck and place: q at most 0.05 against other images' masks, and a score "
        "over that null. Under either, *beats the mask* says that the unit beats the best constant mask too."
    ),
    "q_value": "False discovery rate at which the agreement would count as more than place alone.",
    "precision": "Share of the unit's pixels that carry the concept.",
    "recall": "Share of the concept's pixels on which the unit is on.",
    "tail": "Share of all pixels on which the unit is on.",
    "edit": (
        "An edit as text: operation, layer, units, and perhaps cells and a strength. `ablate layer3 4,17`, "
        "`insert layer4 12=3.5,40=2 at 8-11:3-6 by 0.5`, `scale layer2 7=2`; several joined by `;`."
    ),
    "calibrated": "(IoU - null) / (1 - null): 0 is agreement by place alone, 1 is perfect.",
}


def score(value: object) -> str:
    """An IoU or a frequency in two digits after the point, three when small; a dash when there is none."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return "-"
    number = float(value)  # type: ignore[arg-type]
    return f"{number:.3f}" if abs(number) < 0.1 else f"{number:.2f}"


def count(number: int, one: str, many: str = "") -> str:
    """`3 units`, `1 unit`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """A duration as a person says it: 45 s, 3 min, 2.5 h."""
    if value is None or pd.isna(value):
        return "-"
    return duration(value)


def ago(moment: datetime | None) -> str:
    """How long ago a naive UTC time was."""
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
    """Text that is shown as it is: without what Markdown would make of it."""
    return re.sub(r"([\\`*_\[\]<>:$#~])", r"\\\1", text)
