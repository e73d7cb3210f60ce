"""`ganatomy context`: where a concept may appear."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import MEASURING, room
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import RunName, command
from jobs.kinds.parent import ConceptRequest
from jobs.kinds.unit_lists import Units, listed

Strength = Literal["k", "2k", "q99"]
STRENGTHS: tuple[Strength, ...] = ("k", "2k", "q99")


def _parts(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ContextRequest(ConceptRequest):
    """Force a concept's units on at every cell of many images: where it may appear, by what was there."""

    KIND: ClassVar[str] = "context"
    RUN: ClassVar[str] = "context"
    MODULE: ClassVar[str] = "jobs.tasks.context"
    TITLE: ClassVar[str] = "Where a concept may appear"

    units: Units | None = Field(
        default=None,
        description="units to force on, such as 4,17,31; empty: the causal set of the newest causes run of "
        "this concept, else those of best IoU",
    )
    causes: RunName | None = Field(
        default=None, description="the causes run whose units and constants are taken; empty: the newest"
    )
    strengths: Annotated[tuple[Strength, ...], BeforeValidator(_parts)] | None = Field(
        default=None,
        min_length=1,
        description="what units are forced to: their mean k where the concept is, 2k, their 99 % quantile; "
        "empty: each of them",
    )
    images: int = Field(default=48, ge=2, le=10_000, description="images inserted into; latents of their own")
    every: int = Field(
        default=1, ge=1, le=64, description="one cell in so many is tried; 1 is every cell of every image"
    )
    patch: Literal[1, 3, 5] = Field(
        default=1,
        description="side of the square of cells that is forced at once; 3 where one cell is too small",
    )
    controls: Literal["first", "all"] = Field(
        default="first", description="strengths that have random units of equal energy beside them"
    )
    traced: int = Field(
        default=16, ge=0, le=1000, description="images in which the edit is followed through later layers"
    )
    measuring: int = Field(
        default=512,
        ge=16,
        le=room(MEASURING),
        description="images that give the constants; latents of their own",
    )

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        width = next(one.units for one in generator.layers if one.name == filled.layer)
        must_be_units(filled.units, filled.layer, width)
        if filled.units is not None:
            if filled.causes is not None:
                raise GanatomyError("Name the units, or the causes run that they come from, not both.")
            return filled
        return filled.model_copy(update={"causes": causes(layout, filled)})

    def size(self) -> int:
        """As its progress is counted: measured images, and cells forced (of a usual grid)."""
        passes = len(self.strengths or STRENGTHS)
        passes += passes if self.controls == "all" else 1
        return self.measuring + self.images * passes * 256 // self.every

    def title(self) -> str:
        return f"Where {self.concept} may appear in {self.generator}, {self.layer} ({self.images} images)"

    def command(self) -> str:
        return command(self, "generator")


def must_be_units(text: str | None, layer: str, width: int) -> None:
    """Raises `GanatomyError` when a list names units that the layer has not."""
    wrong = [unit for unit in listed(text or "0") if unit >= width]
    if wrong:
        raise GanatomyError(f"{layer} has units 0 to {width - 1}; there is no unit {wrong[0]}.")


def causes(layout: Layout, request: ContextRequest) -> str | None:
    """The causes run that units come from: the one it names, else the newest that fits, else none. Raises
    `GanatomyError` when the named one is of something else."""
    from db import store  # pandas and DuckDB, which other requests need not load
    from db.queries import context

    names = (request.generator, str(request.segmenter), request.layer, request.concept)
    found = [str(run) for run in context.causes_of(store.open(layout), *names)["run_id"]]
    if request.causes is None:
        return found[0] if found else None
    if request.causes not in found:
        raise GanatomyError(
            f"Run {request.causes} has no finished causes of {request.concept} in {request.generator}, "
            f"{request.layer}, seen by {request.segmenter}; leave causes out for the newest that has."
        )
    return request.causes
