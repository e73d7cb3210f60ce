"""The tables of interventions, by runs that stand on a dissection: what units cause, and what goes wrong."""

from db.schema import metadata as metadata  # all tables: those of db.schema and these
from db.schema import real, table, text, truth, whole

ace_unit = table(
    "ace_unit",
    "The units that together cause a concept, ranked by learned alpha (Bau et al. 2019, section 3.2).",
    text("layer", "Layer of the units."),
    text("concept", "The concept caused."),
    whole("unit", "Number of the unit, from 0."),
    real("alpha", "Learned strength, 0 to 1; the mean over the learning seeds."),
    real("alpha_low", "Least alpha over the learning seeds."),
    real("alpha_high", "Greatest alpha over the learning seeds."),
    whole("rank", "Place by alpha, 1 being the largest; equal alphas by calibration IoU."),
    real("insert_value", "The constant k that an insertion sets the unit to."),
)

ace_curve = table(
    "ace_curve",
    "Effect of the first n units of a ranking on a concept, on latents that chose no ranking.",
    text("layer", "Layer of the units."),
    text("concept", "The concept measured."),
    text("ranking", "How the units are ranked: ace, iou, single (effect of the unit alone), random."),
    text("edit", "ablate, insert, or both: insert minus ablate, the average causal effect."),
    whole("units", "Number n of units edited, at all cells."),
    real("effect", "Mean change of the concept's share of pixels; positive: removed or added."),
    real("effect_low", "Lower end of the 95 % interval over images; of random sets, their 2.5 % quantile."),
    real("effect_high", "Upper end of the 95 % interval over images; of random sets, their 97.5 % quantile."),
    real("relative_effect", "Effect over the concept's share before the edit (whole map)."),
    real("relative_low", "Lower end of the relative effect, likewise."),
    real("relative_high", "Upper end of the relative effect, likewise."),
    real("one_cell_effect", "Share removed from, or of area added to, a cell that alone is edited."),
    real("created", "Share of pixels that newly carry the concept."),
    real("image_distance", "Root mean square change of the pixels, images being in [-1, 1]."),
    real("realism", "Mean realism score of the edited images (Kynkäänniemi et al. 2019); n = 0 unedited."),
    whole("sets", "Number of random sets; 1 for a ranking."),
    whole("images", "Number of test images scored, each set."),
)

unit_effect = table(
    "unit_effect",
    "What ablating each single unit does to every concept, chosen and scored on other latents.",
    text("layer", "Layer of the unit."),
    text("concept", "The concept measured."),
    whole("unit", "Number of the unit, from 0."),
    text("edit", "What is done: ablate."),
    real("choosing_effect", "Mean share of pixels removed, on the choosing latents."),
    real("effect", "The same on test latents."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of the 95 % interval."),
    real("relative_effect", "Effect over the concept's share before the edit."),
    whole("rank", "Place by choosing_effect among the layer's units, 1 being the largest."),
)

side_effect = table(
    "side_effect",
    "What editing the units of one concept does to every concept.",
    text("layer", "Layer of the units."),
    text("concept", "The concept whose units are edited."),
    text("ranking", "How the units are ranked: ace, iou, single, random."),
    text("edit", "What is done: ablate or insert."),
    whole("units", "Number n of units edited."),
    text("affected", "The concept that is measured."),
    real("before", "Its share of pixels before the edit."),
    real("change", "Mean change of that share; negative: removed."),
    real("change_low", "Lower end of the 95 % interval over images; of random sets, their 2.5 % quantile."),
    real("change_high", "Upper end of the 95 % interval over images; of random sets, their 97.5 % quantile."),
    real("relative_change", "Change over the share before."),
)

ace_learning = table(
    "ace_learning",
    "How alpha was learned: the loss on training and on stopping latents, step by step.",
    text("layer", "Layer of the units."),
    text("concept", "The concept caused."),
    whole("seed", "Number of the learning seed, from 0."),
    whole("step", "Number of the step."),
    real("train_loss", "Mean loss over the steps since the last row: penalty minus stratified effect."),
    real("stop_loss", "The same loss on the stopping latents, at fixed cells."),
    truth("stopped", "Whether the learning stopped here because the stop loss had reached a plateau."),
)

ace_summary = table(
    "ace_summary",
    "One row a scoring segmenter: how a concept's causes were learned, and what that cost.",
    text("layer", "Layer of the units."),
    text("concept", "The concept caused."),
    text("segmenter", "The segmenter that scored."),
    whole("seeds", "Number of learning seeds."),
    whole("steps", "Most steps that a seed could take."),
    text("penalty", "norm or squared."),
    real("penalty_weight", "Weight lambda of the penalty; the mean over the learning seeds."),
    text("insert_kind", "The constants inserted: mean (k), double (2k) or q99 (99 % quantile)."),
    whole("top_units", "Number n of units of the causal set."),
    real("top_overlap", "Mean share that the seeds' first n units have in common, over pairs of seeds."),
    real("effect", "Average causal effect of the first n units, whole map, by this segmenter."),
    real("effect_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of its 95 % interval."),
    real("removed", "Share of the concept removed by ablating them, whole map, by this segmenter."),
    real("stratified_effect", "The learned sets' effect on the stopping latents, at the stratified cells."),
    real("uniform_effect", "The first n units' average causal effect at one cell drawn uniformly."),
    whole("generator_passes", "Images that went through the whole generator."),
    whole("tail_passes", "Images that went through its tail."),
    whole("segmenter_passes", "Images that were segmented."),
    real("seconds", "Seconds that it took."),
)

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
        "Lower end of the 95 % interval of the distance after; random: 2.5 % quantile of the sets.",
    ),
    real("after_high", "Upper end of the 95 % interval of the distance after; random: 97.5 % quantile."),
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
    whole("reference_images", "Pictures of the reference."),
    whole("ranking_images", "Images that ranked the units."),
    whole("scoring_images", "Images that scored the lists, of other latents."),
    whole("top_images", "Images that activate a unit most, in the ranking images."),
    whole(
        "top_features", "Principal components that their distance is taken on: five images or more for each."
    ),
    whole("tail_passes", "Images made by the generator's tail."),
    real("seconds", "Seconds of work, without what was kept from before."),
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
