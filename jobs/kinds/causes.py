"""`ganatomy ace`: which units of a layer together cause a concept."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Name, command
from jobs.kinds.context import must_be_units
from jobs.kinds.parent import ConceptRequest
from jobs.kinds.unit_lists import Units


class CausesRequest(ConceptRequest):
    """Learn which units of a layer together cause a concept, and measure what editing them does."""

    KIND: ClassVar[str] = "ace"
    RUN: ClassVar[str] = "causes"
    MODULE: ClassVar[str] = "jobs.tasks.causes"
    TITLE: ClassVar[str] = "Causes of a concept"

    images: int = Field(
        default=64,
        ge=2,
        le=6000,
        description="test images, which give the effects; latents of their own",
    )
    marked: Units | None = Field(
        default=None,
        description="units marked by hand, such as 4,17, in order: a further ranking; empty: none",
    )
    seeds: int = Field(default=3, ge=2, le=10, description="times that alpha is learned, from other latents")
    steps: int = Field(default=200, ge=1, le=5000, description="most steps of a learning")
    penalty: Literal["norm", "squared"] = Field(
        default="norm", description="how alpha is kept small: its length, or (the authors' code) its square"
    )
    penalty_weight: float | None = Field(
        default=None, ge=0, le=100, description="how strongly alpha is kept small; empty: chosen"
    )
    insert: Literal["mean", "double", "q99"] = Field(
        default="mean",
        description="what an insertion sets a unit to: its mean where the concept is (k), 2k, or its 99 % "
        "quantile",
    )
    ablate: Literal["zero", "mean"] = Field(
        default="zero", description="what an ablation sets a unit to: 0, or its mean"
    )
    training: int = Field(
        default=128, ge=4, le=6000, description="training images of each learning; latents of their own"
    )
    choosing: int = Field(
        default=32, ge=1, le=6000, description="training images on which single units are ranked"
    )
    single_images: int | None = Field(
        default=32,
        ge=2,
        le=6000,
        description="test images on which every single unit is measured; empty: all test images",
    )
    random_sets: int = Field(
        default=50, ge=0, le=500, description="sets of random units of equal energy to compare with"
    )
    random_images: int = Field(
        default=8, ge=1, le=6000, description="test images on which each random set is measured"
    )
    top: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="units of the causal set; empty: 4 % of the layer's width, but 8 at least",
    )
    second_segmenter: Name | None = Field(
        default=None, description="another segmenter that scores the same edits; empty: none"
    )

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        width = next(one.units for one in generator.layers if one.name == filled.layer)
        must_be_units(filled.marked, filled.layer, width)
        if filled.second_segmenter is not None:
            must_know(catalogue.pair(layout, filled.generator, filled.second_segmenter)[1], filled.concept)
        return filled

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        if self.second_segmenter is not None:
            found.append(catalogue.pair(layout, self.generator, self.second_segmenter)[1])
        return found

    def amounts(self) -> dict[str, int | None]:
        """The fields that are amounts of `analysis.ace`."""
        names = ("training", "choosing", "single_images", "random_images")
        return {name: getattr(self, name) for name in names}

    def size(self) -> int:
        """As its progress is counted: images made, steps learned, and the sets scored on the curves."""
        units, sizes = 64, 9  # of a usual layer; what is not counted here is added as it comes
        learning = self.seeds * (self.training + 32 + self.steps)
        alone = 2 * units * (self.choosing + (self.single_images or self.images))
        curves = 6 * sizes * self.images + 2 * sizes * self.random_sets * self.random_images
        return self.images + learning + alone + curves

    def title(self) -> str:
        return f"Causes of {self.concept} in {self.generator}, {self.layer} ({self.images} images)"

    def command(self) -> str:
        return command(self, "generator")


def must_know(segmenter: catalogue.ModelInfo, concept: str) -> None:
    """Raises `GanatomyError` when a segmenter does not know a concept."""
    known = [each.name for each in segmenter.concepts]
    if concept not in known:
        raise GanatomyError(
            f"The second segmenter {segmenter.name} knows no concept {concept!r}; its concepts are "
            f"{', '.join(known)}."
        )
