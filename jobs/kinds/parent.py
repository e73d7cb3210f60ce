"""Requests that stand on a dissection: of one layer, and perhaps one concept."""

from __future__ import annotations

from typing import Self

import pandas as pd
from pydantic import Field

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import ConceptName, LayerName, RunName
from jobs.kinds.models import ModelRequest


class LayerRequest(ModelRequest):
    """A request about one layer, that takes names and rankings from a dissection of the same models."""

    layer: LayerName = Field(description="the layer whose units are edited")
    parent: RunName | None = Field(
        default=None,
        description="the dissection that it stands on; empty: the newest finished one of the same generator, "
        "segmenter and layer",
    )

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        (layer,) = catalogue.layers_of(generator, (self.layer,))
        filled = filled.model_copy(update={"layer": layer})
        return filled.model_copy(update={"parent": parent(layout, filled)})


class ConceptRequest(LayerRequest):
    """A request about the units of a layer and one concept."""

    concept: ConceptName = Field(description="the concept that the units are to cause")

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        known = concepts(layout, str(filled.parent))
        if filled.concept not in known:
            raise GanatomyError(
                f"{filled.segmenter} knows no concept {filled.concept!r} in {filled.parent}; its concepts "
                f"are {', '.join(known)}."
            )
        return filled


def parent(layout: Layout, request: LayerRequest) -> str:
    """The dissection that a request stands on: the one it names, else the newest that fits. Raises
    `GanatomyError` when there is none, or the named one is of something else."""
    fitting = dissections(layout, request)
    if request.parent is None and fitting:
        return fitting[0]
    if request.parent in fitting:
        return str(request.parent)
    models = f"{request.generator} seen by {request.segmenter}, with {request.layer}"
    if request.parent is not None:
        raise GanatomyError(
            f"Run {request.parent} is no finished dissection of {models} in this store; leave the parent "
            "out for the newest that is."
        )
    command = f"ganatomy dissect {request.generator} --segmenter {request.segmenter}"
    raise GanatomyError(f"There is no finished dissection of {models} yet; run `{command}` first.")


def dissections(layout: Layout, request: LayerRequest) -> list[str]:
    """Finished dissections of the request's models with its layer, newest first."""
    from db import store  # pandas and DuckDB: a second that other requests need not spend
    from db.queries import causes

    if not layout.current.exists():
        return []
    names = (request.generator, str(request.segmenter), request.layer)
    return [str(run) for run in causes.dissections(store.open(layout), *names)["run_id"]]


def concepts(layout: Layout, run_id: str) -> list[str]:
    """The concepts of a dissection, most frequent first."""
    from db import store
    from db.queries import runs

    found: pd.DataFrame = runs.concepts(store.open(layout), run_id)
    return [str(name) for name in found["concept"]]
