"""The tables of insertion contexts: where a concept may appear when its units are forced on."""

from db.schema.base import real, share, table, text, truth, whole

insertion_context = table(
    "insertion_context",
    "What forcing a concept's units on at one cell does, by what was there (Bau et al. 2019, section 4.4).",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept inserted.", filled=True),
    text(
        "strength",
        "What the units are forced to: k, 2k or q99 (their 99 % quantile).",
        values=("k", "2k", "q99"),
        filled=True,
    ),
    text(
        "context",
        "What filled half of the cell or more before; mixed: no concept did; nothing: no label did.",
        filled=True,
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
    truth("left_out", "The concept's own cells: shown, but in no comparison.", filled=True),
)

context_row = table(
    "context_row",
    "The effect of an insertion by context and row of cells.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept inserted.", filled=True),
    text("strength", "What the units are forced to: k, 2k or q99.", values=("k", "2k", "q99"), filled=True),
    text("context", "What filled half of the cell or more before.", filled=True),
    whole("row", "Row of cells, 0 at the top.", filled=True),
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
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept inserted.", filled=True),
    text("strength", "What the units are forced to: k, 2k or q99.", values=("k", "2k", "q99"), filled=True),
    text("measured", "Where the change is measured: the edited layer, a later one, or image.", filled=True),
    whole("place", "0 for the edited layer, then one more for each later place.", filled=True),
    text("context", "What filled half of the cell or more before; all for every cell.", filled=True),
    whole("locations", "Number of cells tried."),
    real(
        "change", "Root mean square change in and around the cell, over the place's own typical scale.", low=0
    ),
    real("change_low", "Lower end of the 95 % interval, the image being the cluster."),
    real("change_high", "Upper end of the 95 % interval."),
    real("survival", "Change over that at the edited layer: over 1 it grows, near 0 it is vetoed.", low=0),
    share("outside", "Share of the squared change that lies beyond the cell and its eight neighbours."),
)

context_summary = table(
    "context_summary",
    "One insertion at one strength: its edit, its mean effect, and what position alone explains.",
    text("layer", "Layer of the units.", filled=True),
    text("concept", "The concept inserted.", filled=True),
    text("strength", "What the units are forced to: k, 2k or q99.", values=("k", "2k", "q99"), filled=True),
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
        "random_energy",
        "Energy of the random edits over that of the units: 1 if equal, NULL if not run.",
        low=0,
    ),
    real(
        "row_share", "Share of the variance of the effect between cells that the row explains (adjusted R2)."
    ),
    real("position_share", "Share that row and column together explain."),
    real("context_share", "Share that the contexts explain."),
    real("context_beyond_row_share", "Share that the contexts explain beyond the row."),
    real("context_beyond_position_share", "Share that the contexts explain beyond row and column."),
    real("row_beyond_context_share", "Share that the row explains beyond the contexts."),
    whole("units", "Number of units forced.", low=1),
    whole("patch", "Side of the square of cells that is forced at once; 1 is a single cell.", low=1),
    text("edit", "The edit as text, everywhere; add cells to it."),
    real("cells_together", "Cells forced in one pass on average; 1 where each was alone.", low=1),
    whole(
        "checked_cells", "Cells that were forced both together and alone, to measure the difference.", low=0
    ),
    real("together_difference", "Mean effect together minus that alone, over the checked cells."),
    real("together_error", "Its standard error.", low=0),
    real("together_spread", "Root mean square difference of a single cell, together minus alone.", low=0),
    whole("tail_passes", "Images made by the generator's tail for all strengths, controls and the check."),
)
