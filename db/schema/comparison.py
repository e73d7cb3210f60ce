"""The tables of a comparison: generators side by side, and recipes over their trainings."""

from db.schema.base import real, table, text, whole

LAYER = ("layer", "Name of the layer; all for every layer of the generator.")
CATEGORY = ("category", "Category of the concepts; all for every category.")
RECIPE = ("recipe", "Name of the generator without the number of its training at the end.")
MEASURE = (
    "measure",
    "What is compared: detectors (as a share of the units), concepts (distinct names of detectors), "
    "lift (mean over the units of the lift of their names), "
    "beyond_twin (the share of detectors less that of the same generator with random weights), "
    "beyond_rotation, concepts_beyond_rotation and "
    "lift_beyond_rotation (less the same of the same layers with rotated units).",
)
MEASURES = (
    *("detectors", "concepts", "lift", "beyond_twin"),
    *("beyond_rotation", "concepts_beyond_rotation", "lift_beyond_rotation"),
)

comparison_layer = table(
    "comparison_layer",
    "What the units of each compared generator detect, by layer and category.",
    whole("position", "Place of the generator in the comparison, from 0.", filled=True),
    text("generator", "Name of the generator.", filled=True),
    text(*RECIPE, filled=True),
    text("dissection", "The run that dissected it.", filled=True),
    text(*LAYER, filled=True),
    text(*CATEGORY, filled=True),
    whole("units", "Units of the layer.", low=1, filled=True),
    whole("detectors", "Units that detect the concept which is their name.", filled=True),
    whole("concepts", "Distinct concepts among these names.", filled=True),
    whole(
        "twin_detectors",
        "Detectors of the same generator with random weights; NULL where it was not dissected, and for a "
        "single category.",
    ),
    whole(
        "rotated_detectors",
        "Detectors among the same layers' units, standardised and rotated at random; NULL where it was not "
        "dissected so.",
    ),
    whole("rotated_concepts", "Distinct concepts among their names; NULL where it was not dissected so."),
    real(
        "lift",
        "Mean over the units of the lift of their names, 0 for a unit without one; NULL for a single "
        "category.",
    ),
    real(
        "rotated_lift",
        "The same of the rotated units; NULL where it was not dissected so, and for a single category.",
    ),
)

comparison_mean = table(
    "comparison_mean",
    "Each measure over the trainings of a recipe.",
    text(*RECIPE, filled=True),
    text(*LAYER, filled=True),
    text(*CATEGORY, filled=True),
    text(*MEASURE, values=MEASURES, filled=True),
    whole("trainings", "Trainings of the recipe.", low=1, filled=True),
    real("mean", "Mean over the trainings.", filled=True),
    real("low", "Lower end of the 95 % interval over trainings; NULL for one training."),
    real("high", "Upper end of the 95 % interval over trainings; NULL for one training."),
)

comparison_difference = table(
    "comparison_difference",
    "Each measure of one recipe less that of another.",
    text(*RECIPE, filled=True),
    text("other", "The recipe that is subtracted.", filled=True),
    text(*LAYER, filled=True),
    text(*CATEGORY, filled=True),
    text(*MEASURE, values=MEASURES, filled=True),
    real("difference", "Mean of the recipe less mean of the other.", filled=True),
    real("low", "Lower end of the 95 % interval over trainings; NULL where either has one training."),
    real("high", "Upper end of the 95 % interval over trainings; NULL where either has one training."),
)

comparison_concept = table(
    "comparison_concept",
    "In which layer each concept has its best detector, over the trainings of a recipe.",
    text(*RECIPE, filled=True),
    text("concept", "The concept.", filled=True),
    text("category", "Category of the concept.", filled=True),
    whole("trainings", "Trainings with a detector of it.", low=1, filled=True),
    text("layer", "The layer of its best detector in most of them.", filled=True),
    whole("pairs", "Pairs of these trainings.", filled=True),
    whole("agreeing", "Pairs that have it in the same layer.", filled=True),
)
