"""`ganatomy context`: where a concept may appear."""

from __future__ import annotations

from typing import Annotated, Self

from analysis.context.settings import STRENGTHS, ContextSettings
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds.base import Kind, Page, RunName
from jobs.kinds.parent import ConceptRequest
from jobs.kinds.unit_lists import Units


class ContextRequest(ConceptRequest):
    """Find out where a concept may appear: its units are forced on at every cell of many images."""

    units: Annotated[
        Units | None,
        Option(
            "Units",
            "The units to force on, such as 4,17,31.",
            empty="the causal set of the newest causes run of this concept, else those of best IoU",
        ),
    ] = None
    causes: Annotated[
        RunName | None,
        Option("Causes", "The causes run whose units and constants are taken.", empty="the newest"),
    ] = None
    settings: ContextSettings = ContextSettings()

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        filled.check_units(layout, filled.units)
        if filled.units is not None:
            if filled.causes is not None:
                raise GanatomyError("Name the units, or the causes run that they come from, not both.")
            return filled
        return filled.model_copy(update={"causes": causes(layout, filled)})

    def size(self) -> int:
        """Measured images, and cells of a usual grid that are forced on."""
        passes = len(self.settings.strengths or STRENGTHS)
        passes += passes if self.settings.controls == "all" else 1
        return self.settings.measuring + self.settings.images * passes * 256 // self.settings.every

    def title(self) -> str:
        where = f"{self.generator}, {self.layer}"
        return f"Where {self.concept} may appear in {where} ({self.settings.images} images)"


def causes(layout: Layout, request: ContextRequest) -> str | None:
    """The causes run that units come from: the one it names, else the newest that fits, else none.

    Raises:
        GanatomyError: the named run is of something else.
    """
    from db import store  # pandas and DuckDB, which other requests need not load
    from db.queries import context

    names = (request.generator, request.inputs, str(request.segmenter), request.layer, request.concept)
    found = [str(run) for run in context.causes_of(store.open(layout), *names)["run_id"]]
    if request.causes is None:
        return found[0] if found else None
    if request.causes not in found:
        raise GanatomyError(
            f"Run {request.causes} has no finished causes of {request.concept} in {request.generator}, "
            f"{request.layer}, seen by {request.segmenter}; leave causes out for the newest that has."
        )
    return request.causes


KIND = Kind(
    name="context",
    command="context",
    request=ContextRequest,
    task="jobs.tasks.context",
    title="Where a concept may appear",
    place=40,
    pages=(Page("context", "Context", "place", 50),),
)
