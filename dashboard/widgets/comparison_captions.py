"""The Compare page's column titles, and what it says about its intervals and marks."""

from typing import Any

import streamlit as st

from dashboard.widgets import words

LINES = {
    "units": (
        "Lines: 95 % intervals, as if a layer's units were drawn anew, each on its own, from what its "
        "training makes (shares: Wilson; concepts: bootstrap over units, and where a layer names nothing as "
        "many as Wilson's bound allows units). All units of these networks were measured, so for the "
        "networks themselves only the images are a sample: what they leave open is *surely* and *perhaps* in "
        "the digits below. Another training seed may move more than either."
    ),
    "calibrated": (
        "Under the calibrated rule evidence decides, not a cut: there is no range from images, more images "
        "name more units, and at most one in twenty names says nothing of its own image."
    ),
}
BEST = (
    "The unit that agrees best on calibration images, measured on the others. ● its interval lies over the "
    "best constant mask, ○ its score does but not its interval. The interval is the unit's alone: mask and "
    "ceiling were measured on the same images, and their own errors are in no mark. Every cell is judged by "
    "itself, without correction for how many there are: were all just at the mask's level, about one in "
    "forty would still get a ●."
)
HELD = (
    "Has: a unit of that name lies over the cut, interval and all (calibrated rule: is named). Perhaps: "
    "an interval reaches over the cut; or there is none, the concept being on fewer than 20 images. Lacks: "
    "no unit of that name does either. Not seen or too rare: under 0.1 % of the pixels or 20 images of the "
    "calibration show the concept, so that no unit can have its name, whatever it does. *Alone* asks that "
    "all other arms lack it. With many concepts and arms, some difference is chance."
)
UNJOINED = (
    "There are several checkpoints of one training, but no two that one segmenter saw on one sample; so no "
    "line is drawn along the training."
)
NUMBERS: dict[str, Any] = {
    "arm": "Arm",
    "category": "Category",
    "units": st.column_config.Column("Units", help="Units of the layer."),
    "named": "Named",
    "share_low": st.column_config.NumberColumn("Share from", format="percent"),
    "share_high": st.column_config.NumberColumn("to", format="percent"),
    "surely": st.column_config.Column(
        "Surely", help="Units whose own 95 % interval, from images, lies over the cut."
    ),
    "perhaps": st.column_config.Column(
        "Perhaps", help="Units whose own 95 % interval reaches over the cut: no more would be named."
    ),
    "detectors": st.column_config.Column("Beat the mask", help=words.HELP["mask_iou"]),
    "concepts": st.column_config.Column("Concepts", help="Distinct concepts among the named units."),
    "concepts_low": st.column_config.NumberColumn("from", format="%d"),
    "concepts_high": st.column_config.NumberColumn("to ", format="%d"),
}
HOLDINGS = {
    "alone": "It alone has",
    "perhaps": "It perhaps has",
    "lacks": "It lacks, most others have",
    "unseen": "Not seen, or too rare there",
}
SCORES = {
    "concept": "Concept",
    "arm": "Arm",
    "unit": "Best unit",
    "iou": "IoU",
    "iou_low": "low",
    "iou_high": "high",
    "always_on": "Always on",
    "mask_iou": "Constant mask",
    "null_iou": "Null",
    "ceiling_iou": "Ceiling",
    "over_ceiling": "IoU / ceiling",
    "beats_mask": "Beats the mask",
    "named": "Names it",
}
