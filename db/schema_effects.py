"""The tables of interventions, by runs that stand on a dissection: what units cause, and what goes wrong."""

from db.schema import metadata as metadata  # all tables: those of db.schema and these
from db.schema import real, table, text, truth, whole

ace_unit = table(
    "ace_unit",
    "The units that together cause a concept, ranked by learned alpha (Bau et al. 2019, section 3.2).",
    text("layer", "Layer of the units."),
    text("concept", "The concept caused."),
    whole("unit", "Number of the unit, from 0."),
    real("alpha", "Learned strength, 0 to 1."),
    whole("rank", "Place by alpha, 1 being the largest."),
)

ace_curve = table(
    "ace_curve",
    "Effect of the first n units of a ranking on a concept, on test latents.",
    text("layer", "Layer of the units."),
    text("concept", "The concept measured."),
    text("ranking", "How the units are ranked: ace, iou, single, random."),
    text("edit", "What is done: ablate or insert."),
    whole("units", "Number n of units edited."),
    real("effect", "Mean change of the concept's share of pixels."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of the 95 % interval."),
    real("relative_effect", "Effect over the concept's share before the edit."),
)

insertion_context = table(
    "insertion_context",
    "What inserting a concept's units does, by what was there before (Bau et al. 2019, section 4.4).",
    text("layer", "Layer of the units."),
    text("concept", "The concept inserted."),
    text("context", "The concept that filled the cell before."),
    whole("locations", "Number of cells tried."),
    real("effect", "Mean change of the concept over the image, in areas of one cell."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of the 95 % interval."),
)

artifact_unit = table(
    "artifact_unit",
    "Units that may cause visible errors, ranked.",
    text("layer", "Layer of the unit."),
    whole("unit", "Number of the unit, from 0."),
    text("ranking", "How the units are ranked: activating images, or fall of the distance when ablated."),
    real("score", "The ranking's score; larger is worse."),
    whole("rank", "Place by score, 1 being the worst."),
)

artifact_effect = table(
    "artifact_effect",
    "Distance to real images before and after units are ablated, beside random units.",
    text("layer", "Layer of the units."),
    text("ranking", "How the units were chosen; random for the controls."),
    text("metric", "The distance: FID or KID."),
    whole("units", "Number of units ablated."),
    real("before", "Distance before the ablation."),
    real("after", "Distance after the ablation."),
    real("after_low", "Lower end of the 95 % interval of the distance after."),
    real("after_high", "Upper end of the 95 % interval of the distance after."),
)

render = table(
    "render",
    "Rendered edits that somebody pinned.",
    text("name", "Name of the images in renders/: the hash of their content."),
    text("edit", "The edit, as text."),
    whole("latent", "Number of the latent."),
    whole("seed", "Seed of the latents."),
    text("author", "Who pinned it."),
    truth("shared", "Whether others see it on their pages."),
)
