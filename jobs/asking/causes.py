"""`ganatomy ace`: which units of a layer together cause a concept."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from db.layout import Layout
from jobs import catalogue
from jobs.asking.base import Name, command
from jobs.asking.standing import ConceptRequest


class AceRequest(ConceptRequest):
    """Learn which units of a layer together cause a concept, and measure what editing them does."""

    KIND: ClassVar[str] = "ace"
    RUN: ClassVar[str] = "causes"
    MODULE: ClassVar[str] = "jobs.causing"
    TITLE: ClassVar[str] = "Causes of a concept"

    images: int = Field(
        default=64,
        ge=2,
        le=6000,
        description="test images, which give the effects; latents of their own",
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
    random_sets: int = Field(
        default=50, ge=0, le=500, description="sets of random units of equal energy to compare with"
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

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        if self.second_segmenter is not None:
            found.append(catalogue.pair(layout, self.generator, self.second_segmenter)[1])
        return found

    def size(self) -> int:
        """As its progress is counted: images made, steps learned, and the sets scored on the curves."""
        units, sizes = 64, 9  # of a usual layer; what is not counted here is added as it comes
        learning = self.seeds * (128 + 32 + self.steps)
        scoring = (units + 6 * sizes) * self.images + 16 * sizes * self.random_sets
        return learning + scoring + 32 * (units + sizes)

    def title(self) -> str:
        return f"Causes of {self.concept} in {self.generator}, {self.layer} ({self.images} images)"

    def command(self) -> str:
        return command(self, "generator")
