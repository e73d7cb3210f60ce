"""The tables of artifact units: units that make pictures worse, and what ablating them does."""

from db.schema.base import real, share, table, text, whole

artifact_unit = table(
    "artifact_unit",
    "Units that may cause visible errors, ranked.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text(
        "ranking",
        "How the units are ranked: images (the Fréchet distance of those that activate it most), "
        "ablation (fall of the distance when it is ablated), hand.",
        values=("images", "ablation", "hand"),
        filled=True,
    ),
    real("score", "The ranking's score; larger is worse. NULL by hand."),
    real("error", "Standard error of the score over blocks of images; NULL where not computed.", low=0),
    whole("rank", "Place by score, 1 being the worst.", low=1, starts=True, filled=True),
)

artifact_effect = table(
    "artifact_effect",
    "Distance to the reference before and after units are ablated, beside random units, on other latents.",
    text("layer", "Layer of the units.", filled=True),
    text(
        "ranking",
        "How the units were chosen; random for the controls.",
        values=("images", "ablation", "hand", "random"),
        filled=True,
    ),
    text(
        "metric",
        "The distance: FID_inf (FID extrapolated to endless images), KID, or FID of the images at hand, "
        "which few images make too large. Runs of 0.1.0 have no FID_inf.",
        values=("FID_inf", "KID", "FID"),
        filled=True,
    ),
    whole("units", "Number n of units ablated.", low=1),
    real("before", "Distance before the ablation."),
    real("before_error", "Its standard error over blocks of images.", low=0),
    real("after", "Distance after the ablation, of the same latents; random: the mean over sets."),
    real("after_error", "Its standard error over blocks of images; random: NULL.", low=0),
    real(
        "after_low",
        "A list: lower end of the 95 % interval over blocks of images (Student's t). Random: what 2.5 % of "
        "the sets stay below, an interval over sets and not over images. Of FID: where other samples of "
        "as many images would lie, not where the distance lies.",
    ),
    real("after_high", "A list: upper end of that interval. Random: what 2.5 % of the sets exceed."),
    real("fall", "Before minus after."),
    real(
        "fall_error",
        "Its standard error over blocks of images, before and after paired; random: NULL.",
        low=0,
    ),
    share("as_good", "Share of random sets, this list counted among them, that fall as far; random: NULL."),
    whole("sets", "Number of random sets; 1 for a list.", low=1),
)

artifact_summary = table(
    "artifact_summary",
    "What a ranking of artifact units rests on.",
    text("layer", "Layer of the units."),
    text("reference", "The pictures that distances are measured to."),
    text("extractor", "The network whose features are compared."),
    whole("features", "Number of features.", low=1),
    whole("reference_images", "Pictures of the reference: one half ranks, the other scores.", low=1),
    whole("ranking_images", "Images that ranked the units.", low=1),
    whole("scoring_images", "Images that scored the lists, of other latents.", low=1),
    text(
        "activation",
        "In which images a unit does most: by the rms of its map, or its peak.",
        values=("rms", "peak"),
    ),
    whole("top_images", "Images in which a unit does most, of the ranking images.", low=1),
    whole("top_features", "Axes that their distance is taken on: five images or more for each."),
    whole("tail_passes", "Images made by the generator's tail."),
    real("seconds", "Seconds of work, in this attempt and in earlier ones.", low=0),
)
