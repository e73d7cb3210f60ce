"""The words with a special meaning, once: tooltips and `docs/glossary.md` are made from them.

`python -m dashboard.guide.glossary > docs/glossary.md`
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word: what it means, its formula, and where it comes from."""

    word: str
    meaning: str
    formula: str = ""
    source: str = ""

    @property
    def help(self) -> str:
        """The tooltip, as Markdown."""
        parts = [self.meaning]
        if self.formula:
            parts.append(f"`{self.formula}`")
        if self.source:
            parts.append(f"Source: {self.source}.")
        return "\n\n".join(parts)


_BAU = "Bau et al. 2019, GAN Dissection"

TERMS = {
    "always_on": Term(
        "always-on score",
        "The IoU of a unit that is on everywhere: the concept's share of the pixels.",
        "pixels of the concept / all pixels",
    ),
    "arm": Term("arm", "One layer of one run, as a column on the Compare page."),
    "average_effect": Term(
        "average causal effect",
        "The share of pixels with the concept after inserting the units, minus that after ablating them.",
        "E[concept, inserted] - E[concept, ablated]",
        _BAU,
    ),
    "average_precision": Term(
        "average precision",
        "The area under the curve of precision and recall, over all thresholds. Luck gives the concept's "
        "frequency.",
    ),
    "ceiling_iou": Term(
        "averaged map",
        "The concept's own map, averaged over a layer's cells. Its IoU says how well the layer's grid can "
        "show the concept. An optimised map may reach more, up to 2.2 times on 4x4 cells.",
    ),
    "mask_iou": Term(
        "best constant mask",
        "The fixed set of pixels that predicts a concept best without looking at the image. It is fitted on "
        "calibration images. A unit that does not beat it may respond only to the concept's usual position.",
    ),
    "bundle": Term(
        "bundle", "The folder of files that holds the results of one run. It never changes once written."
    ),
    "calibrated": Term(
        "calibrated score",
        "The IoU, rescaled: 0 is the mismatched null, and 1 is full agreement.",
        "(IoU - null) / (1 - null)",
    ),
    "causal_set": Term(
        "causal set",
        "The units that together cause a concept: the first n by learned strength, alpha.",
        source=_BAU,
    ),
    "composition": Term(
        "composition",
        "Either of two concepts, or one without the other, where that explains the unit better than any "
        "single concept: its lift is over theirs in 97.5 % of 200 bootstraps of the images.",
    ),
    "control": Term(
        "control",
        "A run or a score made to show what chance alone would give: random units, random weights, rotated "
        "units.",
    ),
    "correlation": Term(
        "correlation", "Pearson's r of the unit's activation with the concept's mask, over pixels."
    ),
    "detector": Term(
        "detector",
        "A unit that detects its name: on evaluation images its lift is over 0, and it depends on the "
        "concept across images, at a false discovery rate of 5 %.",
    ),
    "edit": Term(
        "edit",
        "A change to some units of a layer, at some or all cells. Its text is an operation, a layer, units, "
        "and optionally cells and a strength. Examples: `ablate layer3 4,17`, "
        "`insert layer4 12=3.5,40=2 at 8-11:3-6 by 0.5`, `scale layer2 7=2`. Join several with `;`.",
    ),
    "frechet": Term(
        "Fréchet distance",
        "How far the generated images are from the reference: 0 means equal means and covariances of the "
        "features. It depends on the features, so compare it within one run only.",
        "(m1 - m2)^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))",
        "Heusel et al. 2017; extrapolated to endless images after Chong and Forsyth 2020",
    ),
    "iou": Term(
        "IoU",
        "Intersection over union: the pixels where unit and concept are both on, divided by the pixels where "
        "at least one is, over all evaluation images. 1 is full agreement.",
        "both on / at least one on",
        _BAU,
    ),
    "interval": Term(
        "interval",
        "The range that holds the true value in 95 % of repetitions with other images. It needs 20 images "
        "with the concept, and exists only at the scored threshold.",
    ),
    "lift": Term(
        "lift",
        "How far the unit's IoU is above its strongest control: the best constant mask, a unit that is "
        "always on, or the concept's masks of other images. 0 is what the control scores, 1 is full "
        "agreement.",
        "(IoU - control) / (1 - control)",
    ),
    "low": Term(
        "low side",
        'Where a unit\'s activation is not over its threshold. A unit named "sky (low)" is low where the '
        "sky is.",
    ),
    "off": Term(
        "off state",
        "A unit's mean where the concept is absent, on training images. An ablation sets units to it.",
    ),
    "null_iou": Term(
        "mismatched null",
        "The unit's IoU with the concept's masks in other images, those of nearby latent numbers. It shows "
        "agreement by position alone.",
    ),
    "name_share": Term(
        "name share", "The share of 200 bootstraps of the images that give the unit the same name."
    ),
    "precision": Term("precision", "The share of the unit's pixels that show the concept."),
    "provisional": Term(
        "provisional",
        "A run whose job is still going on. Its numbers are complete for the images counted so far. Later "
        "numbers replace them.",
    ),
    "q_value": Term(
        "q-value",
        "The smallest false discovery rate at which the unit counts as a detector of the concept.",
        source="Benjamini and Hochberg 1995",
    ),
    "recall": Term("recall", "The share of the concept's pixels where the unit is on."),
    "rule": Term(
        "rule",
        "**Lift**: a unit is named after the concept for which it is furthest above its strongest control, "
        "on calibration images. It is a *detector* if evaluation images confirm that, at a false discovery "
        "rate of 5 %. **IoU (paper)**: a unit is named after the concept with the largest IoU, if that is "
        "over a cut, 0.05 in Bau et al. 2019. Large concepts then name most units.",
    ),
    "shard": Term("shard", "The counts of some range of images. Shards of other ranges can be added to it."),
    "later_layers": Term("tail", "The part of a generator after a chosen layer."),
    "tail": Term("pixels on", "The share of all pixels where the unit is on."),
    "threshold": Term(
        "threshold",
        "The activation above which the unit counts as on, or, on the low side, below which. It was chosen "
        "on calibration images, which are not used for scores. When you move it, IoU and outlines follow at "
        "once.",
    ),
    "twin": Term(
        "twin",
        "The same count for the same generator with random weights. What it reaches is owed to architecture "
        "and images, and not to training.",
    ),
    "version": Term(
        "version",
        "One published state of the DuckDB file. Readers keep the version that they opened.",
    ),
}

HELP = {key: term.help for key, term in TERMS.items()}


def document() -> str:
    """The glossary as the Markdown page of the documentation."""
    lines = [
        "# Glossary",
        "",
        "Words that have a special meaning in Ganatomy. Everything else is used as in the literature. The "
        "dashboard shows",
        "the same texts beside its numbers and under *Help*. This page is made by `python -m "
        "dashboard.guide.glossary`.",
        "",
        "| word | meaning | formula | source |",
        "| --- | --- | --- | --- |",
    ]
    for term in sorted(TERMS.values(), key=lambda term: term.word.lower()):
        formula = f"`{term.formula}`" if term.formula else ""
        lines.append(f"| {term.word} | {term.meaning} | {formula} | {term.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
