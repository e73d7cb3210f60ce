"""The tables of causes: which units make a concept appear, and what editing them does."""

from db.schema.base import real, share, table, text, truth, whole

ace_unit = table(
    "ace_unit",
    "The units that together cause a concept, ranked by learned alpha (Bau et al. 2019, section 3.2).",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept caused.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    share("alpha", "Learned strength, 0 to 1; the mean over the learning seeds.", filled=True),
    share("alpha_low", "Least alpha over the learning seeds.", filled=True),
    share("alpha_high", "Greatest alpha over the learning seeds.", filled=True),
    whole(
        "rank",
        "Place by alpha, 1 being the largest; equal alphas by calibration IoU.",
        low=1,
        starts=True,
        filled=True,
    ),
    real("ablate_value", "What an ablation sets the unit to: its off state, 0, or its mean."),
    real("insert_value", "The constant that an insertion sets the unit to."),
    real(
        "ablate_needed",
        "How much less of the concept the causal set removes without this unit, over its share before; NULL "
        "outside the acting units of the set.",
    ),
    real("insert_needed", "The same of what the causal set adds."),
)

ace_curve = table(
    "ace_curve",
    "Effect of the first n units of a ranking on a concept, on latents that chose no ranking.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept measured.", filled=True),
    text(
        "ranking",
        "How units are ranked: ace, iou, single (effect of the unit alone), hand; or random.",
        values=("ace", "iou", "single", "hand", "random"),
        filled=True,
    ),
    text(
        "edit",
        "ablate, insert, or both: insert minus ablate, the average causal effect.",
        values=("ablate", "insert", "both"),
        filled=True,
    ),
    whole("units", "Number n of units edited, at all cells."),
    real(
        "effect", "Mean change of the concept's share of pixels; positive: removed or added.", low=-2, high=2
    ),
    real(
        "effect_low",
        "Lower end of the 95 % interval over images; of random sets, their 2.5 % quantile.",
        low=-2,
        high=2,
    ),
    real(
        "effect_high",
        "Upper end of the 95 % interval over images; of random sets, their 97.5 % quantile.",
        low=-2,
        high=2,
    ),
    real("relative_effect", "Effect over the concept's share before the edit (whole map)."),
    real("relative_low", "Lower end of the relative effect, likewise."),
    real("relative_high", "Upper end of the relative effect, likewise."),
    real(
        "one_cell_effect",
        "One cell alone edited: the share of that cell that loses the concept (ablate, over the cells that "
        "held it) or gains it (insert, over those that did not); both: over all cells, the ACE at one cell, "
        "of the causal set and of the list by hand alone.",
        low=-2,
        high=2,
    ),
    real("one_cell_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("one_cell_high", "Upper end of its 95 % interval."),
    real("one_cell_relative", "The same over the concept's share of those cells before; NULL for insert."),
    real("one_cell_relative_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("one_cell_relative_high", "Upper end of its 95 % interval."),
    share("created", "Share of pixels that newly carry the concept."),
    real("image_distance", "Root mean square change of the pixels, images being in [-1, 1].", low=0),
    real(
        "realism",
        "Mean realism score of the edited images (Kynkäänniemi et al. 2019); n = 0 unedited.",
        low=0,
    ),
    share(
        "as_good",
        "Share of random sets, this one counted among them, of as much effect on the same images, a tie "
        "counting half; random: NULL.",
    ),
    whole("compared_sets", "Different random sets that as_good compares with; random and n = 0: NULL."),
    real(
        "energy",
        "Energy of the edit, the sum over its units of E (value - activation)^2, over that of the first n by "
        "ACE; random: the mean over sets.",
        low=0,
    ),
    whole("sets", "Number of random sets, most for the causal set's n; 1 for a ranking.", filled=True),
    whole("images", "Number of test images scored, each set.", filled=True),
    whole("shown", "How many of them show the concept."),
)

unit_effect = table(
    "unit_effect",
    "What editing each single unit does to every concept, chosen and scored on other latents.",
    text("layer", "Layer of the unit.", filled=True),
    text("concept", "The concept measured.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text(
        "edit",
        "ablate, insert, or both: insert minus ablate, the average causal effect.",
        values=("ablate", "insert", "both"),
        filled=True,
    ),
    real("choosing_effect", "Mean share of pixels removed or added, on the choosing latents."),
    real("effect", "The same on test latents."),
    real("effect_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of the 95 % interval."),
    real("relative_effect", "Effect over the concept's share before the edit."),
    whole(
        "rank",
        "Place by this edit's choosing_effect among the layer's units, 1 being the largest.",
        low=1,
        starts=True,
    ),
    whole(
        "images",
        "Number of test images scored: few for a unit that did little on the choosing images; weighted to "
        "all test images where the concept is rare.",
    ),
    whole("shown", "How many of them show the concept."),
)

side_effect = table(
    "side_effect",
    "What editing the units of one concept does to every concept.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept whose units are edited.", filled=True),
    text(
        "ranking",
        "How the units are ranked: ace, iou, single, hand; or random.",
        values=("ace", "iou", "single", "hand", "random"),
        filled=True,
    ),
    text("edit", "What is done: ablate or insert.", values=("ablate", "insert"), filled=True),
    whole("units", "Number n of units edited."),
    text("affected", "The concept that is measured."),
    share("before", "Its share of pixels before the edit."),
    real("change", "Mean change of that share; negative: removed.", low=-1, high=1),
    real("change_low", "Lower end of the 95 % interval over images; of random sets, their 2.5 % quantile."),
    real("change_high", "Upper end of the 95 % interval over images; of random sets, their 97.5 % quantile."),
    real("relative_change", "Change over the share before."),
)

ace_overlap = table(
    "ace_overlap",
    "How far the learning seeds agree on the first n units.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept caused.", filled=True),
    whole("units", "Number n of units.", low=1, filled=True),
    share(
        "overlap",
        "Share of a seed's first n units that another seed has too, both letting them act (alpha over 0); "
        "mean over pairs of seeds.",
    ),
)

ace_learning = table(
    "ace_learning",
    "How alpha was learned: the loss on training and on stopping latents, step by step.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept caused.", filled=True),
    whole("seed", "Number of the learning seed, from 0.", filled=True),
    whole("step", "Number of the step.", filled=True),
    real("train_loss", "Mean loss over the steps since the last row: penalty minus stratified effect."),
    real("stop_loss", "The same loss on the stopping latents, at fixed cells."),
    truth("stopped", "Whether the learning stopped here because the stop loss had reached a plateau."),
)

ace_summary = table(
    "ace_summary",
    "One row a scoring segmenter: how a concept's causes were learned, and what that cost.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept caused.", filled=True),
    text("segmenter", "The segmenter that scored."),
    whole("images", "Test images drawn.", low=1),
    whole("shown", "How many of them show the concept."),
    whole("training_images", "Training images drawn, all learning seeds together.", low=1),
    whole("training_shown", "How many of them show the concept."),
    whole("stopping_images", "Stopping images drawn, all learning seeds together.", low=1),
    whole("stopping_shown", "How many of them show the concept."),
    whole("seeds", "Number of learning seeds.", low=1),
    whole("steps", "Most steps that a seed could take."),
    text("penalty", "norm or squared.", values=("norm", "squared")),
    real("penalty_weight", "Weight lambda of the penalty, the same for all learning seeds.", low=0),
    text(
        "ablate_kind",
        "What an ablation sets units to: off (their mean where the concept is absent), zero, or mean (their "
        "mean everywhere).",
        values=("off", "zero", "mean"),
    ),
    text(
        "insert_kind",
        "The constants inserted: mean (k), double (2k) or q99 (99 % quantile).",
        values=("mean", "double", "q99"),
    ),
    whole("top_units", "Number n of units of the causal set.", low=1),
    share("top_overlap", "The overlap (table ace_overlap) of the seeds' first n units."),
    share(
        "alpha_agreement",
        "How far the seeds' alphas agree: sum of the smaller over sum of the larger; mean over pairs.",
    ),
    share(
        "start_agreement",
        "The same between the two starts of a seed; mean over seeds.",
    ),
    text(
        "starts",
        "The start that each seed kept, in their order: drawn or single; in older runs flat, single or iou.",
    ),
    whole(
        "acting_units", "Units whose alpha is over 0 for any seed; beyond them ACE's order is that by IoU."
    ),
    whole("acting_least", "Units whose alpha is over 0, in the seed that has fewest."),
    whole("acting_most", "Units whose alpha is over 0, in the seed that has most."),
    real("effect", "Average causal effect of the first n units, whole map, by this segmenter."),
    real("effect_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("effect_high", "Upper end of its 95 % interval."),
    real("removed", "Share of the concept removed by ablating them, whole map, by this segmenter."),
    real("removed_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("removed_high", "Upper end of its 95 % interval."),
    real(
        "stratified_effect",
        "Effect of the learned alphas on test latents, in probability at stratified cells; mean over seeds.",
    ),
    real("uniform_effect", "The first n units' average causal effect at one cell drawn uniformly."),
    real("uniform_low", "Lower end of its 95 % interval, the image being the cluster."),
    real("uniform_high", "Upper end of its 95 % interval."),
    whole("generator_passes", "Images that went through the whole generator."),
    whole("tail_passes", "Images that went through its tail."),
    whole("segmenter_passes", "Images that were segmented."),
    real("seconds", "Seconds that it took.", low=0),
)
