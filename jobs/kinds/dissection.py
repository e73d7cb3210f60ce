"""`ganatomy dissect`: which unit means what."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import LayerName, command
from jobs.kinds.models import ModelRequest

Tail = Annotated[float, Field(gt=0, lt=1)]


class Counted(ModelRequest):
    """Which images of which layers are counted, and how thresholds are chosen."""

    layers: tuple[LayerName, ...] | None = Field(default=None, description="layers to read; empty: all")
    images: int = Field(
        default=1000, ge=1, le=1_000_000, description="evaluation images, which give the numbers"
    )
    calibration: int = Field(
        default=500, ge=1, le=1_000_000, description="calibration images, which choose thresholds and names"
    )
    threshold: Literal["iqr"] | Tail = Field(
        default="iqr",
        description="iqr: by information quality; a number: that fraction of each unit's values is on",
    )

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        return filled.model_copy(update={"layers": catalogue.layers_of(generator, self.layers)})

    def size(self) -> int:
        return self.images + self.calibration


class DissectionRequest(Counted):
    """Dissect a generator: which unit means what, with IoU over evaluation images."""

    KIND: ClassVar[str] = "dissect"
    RUN: ClassVar[str] = "dissection"
    MODULE: ClassVar[str] = "jobs.tasks.dissection"
    TITLE: ClassVar[str] = "Dissection"

    control: Literal["none", "rotation", "random-weights"] = Field(
        default="none",
        description="a baseline beside the run: the same layers with their units' axes rotated at random, "
        "or the same generator with random weights",
    )

    def title(self) -> str:
        layers = ", ".join(self.layers) if self.layers else "all layers"
        control = "" if self.control == "none" else f", control: {self.control}"
        return f"Dissect {self.generator} ({layers}, {self.images} images{control})"

    def command(self) -> str:
        return command(self, "generator")
