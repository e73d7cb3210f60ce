"""The tables of interventions, by runs that stand on a dissection: what units cause, and what goes wrong."""

from db.schema.base import real, table, text, truth, whole
from db.schema.causes import metadata as metadata  # all tables: those of db.schema.base, of causes, and these

insertion_context = table(
    "insertion_context",
    "What forcing a concept's units on at one cell does, by what was there (Bau et al. 2019, section 4.4).",
    text("layer", "Layer of the units."),
    text("concept", "The concept inserted."),
    text("strength", "What the units are forced to: k, 2k or q99 (their 99 % quantile)."),
    text(
        "context",
        "What filled half of the cell or more before; mixed: no concept did; nothing: no label did.",
    ),
    whole("locations", "Number of cells tried."),
    whole("images", "Images that have such a cell."),
    real("effect", "Mean change of the concept over the image, in areas of one cell."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster; NULL below 10 images."),
    real("effect_high", "Upper end of the 95 % interval."),
    real(
        "row_effect",
        "Effect minus that of other contexts in the same rows of cells, rows weighted by a b / (a + b).",
    ),
    real("row_effect_low", "Lower end of its 95 % interval."),
    real("row_effect_high", "Upper end of its 95 % interval."),
    real("random_effect", "The same mean when random units are forced at equal energy; NULL where not run."),
    real("random_effect_low", "Lower end of its 95 % interval, over images and sets."),
    real("random_effect_high", "Upper end of its 95 % interval."),
    real("random_row_effect", "The row-matched effect of the random units."),
    real("random_row_effect_low", "Lower end of its 95 % interval."),
    real("random_row_effect_high", "Upper end of its 95 % interval."),
    real("over_random", "Effect minus that of the random units, in the same cells of the same images."),
    real("over_random_low", "Lower end of its 95 % interval."),
    real("over_random_high", "Upper end of its 95 % interval."),
    real("row_over_random", "Row-matched effect minus that of the random units, in the same cells."),
    real("row_over_random_low", "Lower end of its 95 % interval."),
    real("row_over_random_high", "Upper end of its 95 % interval."),
    truth("left_out", "The concept's own cells: shown, but in no comparison."),
)

context_row = table(
    "context_row",
    "The effect of an insertion by context and row of cells.",
    text("layer", "Layer of the units."),
    text("concept", "The concept inserted."),
    text("strength", "What the units are forced to: k, 2k or q99."),
    text("context", "What filled half of the cell or more before."),
    whole("row", "Row of cells, 0 at the top."),
    whole("locations", "Number of cells tried."),
    whole("images", "Images that have such a cell in this row."),
    real("effect", "Mean change of the concept over the image, in areas of one cell."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster; NULL below 10 images."),
    real("effect_high", "Upper end of the 95 % interval."),
    real("random_effect", "The same mean when random units are forced at equal energy; NULL where not run."),
)

context_trace = table(
    "context_trace",
    "An insertion followed through the later layers: where it grows and where it is vetoed.",
    text("layer", "Layer of the units."),
    text("concept", "The concept inserted."),
    text("strength", "What the units are forced to: k, 2k or q99."),
    text("measured", "Where the change is measured: the edited layer, a later one, or image."),
    whole("place", "0 for the edited layer, then one more for each later place."),
    text("context", "What filled half of the cell or more before; all for every cell."),
    whole("locations", "Number of cells tried."),
    real("change", "Root mean square change in and around the cell, over the place's own typical scale."),
    real("change_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("change_high", "Upper end of the 95 % interval."),
    real("survival", "Change over that at the edited layer: over 1 it grows, near 0 it is vetoed."),
    real("outside", "Share of the squared change that lies beyond the cell and its eight neighbours."),
)

context_summary = table(
    "context_summary",
    "One insertion at one strength: its edit, its mean effect, and what position alone explains.",
    text("layer", "Layer of the units."),
    text("concept", "The concept inserted."),
    text("strength", "What the units are forced to: k, 2k or q99."),
    whole("images", "Images inserted into."),
    whole("locations", "Cells compared."),
    whole("left_out", "Cells left out: with the concept in them or beside them."),
    real("effect", "Mean change of the concept over the image, in areas of one cell."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of the 95 % interval."),
    real("random_effect", "The same mean when random units are forced at equal energy; NULL where not run."),
    real("random_effect_low", "Lower end of its 95 % interval, over images and sets."),
    real("random_effect_high", "Upper end of its 95 % interval."),
    real("random_energy", "Energy of the random edits over that of the units: 1 if equal, NULL if not run."),
    real(
        "row_share", "Share of the variance of the effect between cells that the row explains (adjusted R2)."
    ),
    real("position_share", "Share that row and column together explain."),
    real("context_share", "Share that the contexts explain."),
    real("context_beyond_row_share", "Share that the contexts explain beyond the row."),
    real("context_beyond_position_share", "Share that the contexts explain beyond row and column."),
    real("row_beyond_context_share", "Share that the row explains beyond the contexts."),
    whole("units", "Number of units forced."),
    whole("patch", "Side of the square of cells that is forced at once; 1 is a single cell."),
    text("edit", "The edit as text, everywhere; add cells to it."),
    whole("tail_passes", "Images made by the generator's tail for all strengths and controls."),
)

artifact_unit = table(
    "artifact_unit",
    "Units that may cause visible errors, ranked.",
    text("layer", "Layer of the unit."),
    whole("unit", "Number of the unit, from 0."),
    text(
        "ranking",
        "How the units are ranked: images (the Fréchet distance of those that activate it most), "
        "ablation (fall of the distance when it is ablated), hand.",
    ),
    real("score", "The ranking's score; larger is worse. NULL by hand."),
    real("error", "Standard error of the score over blocks of images; NULL where not computed."),
    whole("rank", "Place by score, 1 being the worst."),
)

artifact_effect = table(
    "artifact_effect",
    "Distance to the reference before and after units are ablated, beside random units, on other latents.",
    text("layer", "Layer of the units."),
    text("ranking", "How the units were chosen; random for the controls."),
    text("metric", "The distance: FID or KID."),
    whole("units", "Number n of units ablated."),
    real("before", "Distance before the ablation."),
    real("before_error", "Its standard error over blocks of images."),
    real("after", "Distance after the ablation, of the same latents; random: the mean over sets."),
    real("after_error", "Its standard error over blocks of images; random: NULL."),
    real(
        "after_low",
        "A list: lower end of the 95 % interval over blocks of images (Student's t). Random: what 2.5 % of "
        "the sets stay below, an interval over sets and not over images.",
    ),
    real("after_high", "A list: upper end of that interval. Random: what 2.5 % of the sets exceed."),
    real("fall", "Before minus after."),
    real("fall_error", "Its standard error over blocks of images, before and after paired; random: NULL."),
    real("as_good", "Share of random sets, this list counted among them, that fall as far; random: NULL."),
    whole("sets", "Number of random sets; 1 for a list."),
)

artifact_summary = table(
    "artifact_summary",
    "What a ranking of artifact units rests on.",
    text("layer", "Layer of the units."),
    text("reference", "The pictures that distances are measured to."),
    text("extractor", "The network whose features are compared."),
    whole("features", "Number of features."),
    whole("reference_images", "Pictures of the reference: one half ranks, the other scores."),
    whole("ranking_images", "Images that ranked the units."),
    whole("scoring_images", "Images that scored the lists, of other latents."),
    text("activation", "In which images a unit does most: by the rms of its map, or its peak."),
    whole("top_images", "Images in which a unit does most, of the ranking images."),
    whole("top_features", "Axes that their distance is taken on: five images or more for each."),
    whole("tail_passes", "Images made by the generator's tail."),
    real("seconds", "Seconds of work, in this attempt and in earlier ones."),
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
