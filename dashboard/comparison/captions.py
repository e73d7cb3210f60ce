"""The column titles of the Compare page, and the captions of its intervals and marks."""

from typing import Any

import streamlit as st

from dashboard.widgets import words

LINES = {
    "units": (
        "Lines: 95 % intervals that treat a layer's units as a random sample. Another training may change "
        "the numbers by more."
    ),
    "lift": "At most 1 in 20 of the detectors is expected to be no better than its controls.",
}
TWIN = "Ticks: the same generator with random weights, where it was dissected."
HOW = (
    "The intervals treat the units of a layer as a random sample: Wilson's for shares, a bootstrap over "
    "units for concepts. For these networks themselves every unit was measured, so only the images are a "
    "sample. *Surely* and *Perhaps* under Numbers show how much depends on the images. Names by lift "
    "have no cut, so there is no range from images; more images confirm more units."
)
BEST = (
    "Each cell is the best unit of a layer, chosen on calibration images and scored on evaluation images. "
    "Click a cell to see the units of its concept."
)
MARKS = {
    "lift": "● a unit of the layer detects the concept · ○ only its score is above the controls",
    "paper": "● a unit is surely named after the concept · ○ perhaps: its interval reaches over the cut",
}
STATES = (
    "An arm has a concept where the map shows ●, and perhaps where it shows ○. Under the paper's rule, ● is "
    "a unit whose whole 95 % interval is over the cut; ○ is one whose interval is partly over it, or a "
    "concept on fewer than 20 images, which has no interval. A concept is not seen or too rare when less "
    "than 0.1 % of the pixels or fewer than 20 calibration images show it. An arm alone has a concept when "
    "all other arms lack it. With many concepts and arms, some differences are chance."
)
NO_LINES = "To draw the training curve, dissect these checkpoints on the same images."
SAME_SAMPLE = "To compare these runs fairly, dissect them on the same images."
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
    "detectors": st.column_config.Column("Detectors", help=words.HELP["rule"]),
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
    "lift": "Lift",
    "lift_low": "low ",
    "lift_high": "high ",
    "iou": "IoU",
    "iou_low": "low",
    "iou_high": "high",
    "always_on": "Always on",
    "mask_iou": "Fixed spot",
    "null_iou": "Usual place",
    "ceiling_iou": "Averaged map",
    "over_ceiling": "IoU / averaged map",
    "detects": "Detects it",
    "named": "Names it",
}
