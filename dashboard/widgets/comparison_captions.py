"""The column titles of the Compare page, and the captions of its intervals and marks."""

from typing import Any

import streamlit as st

from dashboard.widgets import words

LINES = {
    "units": (
        "Lines are 95 % intervals that treat the units of a layer as a random sample: Wilson's for shares, a "
        "bootstrap over units for concepts. For these networks themselves every unit was measured, so only "
        "the "
        "images are a sample. *Surely* and *Perhaps* in the table below show how much depends on the images. "
        "Another training seed may change the numbers by more."
    ),
    "calibrated": (
        "The calibrated rule has no cut, so there is no range from images. More images name more units. At "
        "most 1 in 20 of the names is expected to be no better than position alone."
    ),
}
BEST = (
    "Each cell shows the unit with the best IoU on calibration images, scored on evaluation images. ● "
    "means that "
    "its 95 % interval lies over the best constant mask, ○ that only its score does. The marks ignore the "
    "uncertainty of mask and ceiling. They are not corrected for the number of cells: without any real "
    "difference, about 1 cell in 40 would get a ●."
)
STATES = (
    "An arm has a concept when the whole 95 % interval of a unit with this name lies over the cut, or when "
    "the "
    "calibrated rule names a unit. It perhaps has it when an interval reaches over the cut, or when fewer "
    "than "
    "20 images show the concept, so that there is no interval. Otherwise it lacks the concept. A concept "
    "is not "
    "seen or too rare when less than 0.1 % of the pixels or fewer than 20 calibration images show it. An arm "
    "alone has a concept when all other arms lack it. With many concepts and arms, some differences are "
    "chance."
)
NO_LINES = (
    "No lines are drawn along the training, because no two of its checkpoints were dissected with the same "
    "segmenter on the same sample."
)
NUMBERS: dict[str, Any] = {
    "arm": "Arm",
    "category": "Category",
    "units": st.column_config.Column("Units", help="Units of the layer."),
    "named": "Named",
    "share_low": st.column_config.NumberColumn("Share from", format="percent"),
    "share_high": st.column_config.NumberColumn("to", format="percent"),
    "surely": st.column_config.Column(
        "Surely", help="Units whose 95 % interval over images lies over the cut."
    ),
    "perhaps": st.column_config.Column(
        "Perhaps",
        help="Units whose 95 % interval reaches over the cut. This is the largest number of named units.",
    ),
    "detectors": st.column_config.Column("Beat the mask", help=words.HELP["mask_iou"]),
    "concepts": st.column_config.Column("Concepts", help="Distinct concepts among the named units."),
    "concepts_low": st.column_config.NumberColumn("from", format="%d"),
    "concepts_high": st.column_config.NumberColumn("to ", format="%d"),
}
DIFFERENCES = {
    "alone": "Only this arm has",
    "perhaps": "Perhaps has",
    "lacks": "Lacks, most others have",
    "unseen": "Not seen or too rare",
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
