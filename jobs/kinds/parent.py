"""Requests about one layer that need a dissection of the same models, their parent."""

from __future__ import annotations

from typing import Annotated, Self

import pandas as pd

from analysis.shared.errors import GanatomyError
from analysis.shared.number_lists import numbers
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import ConceptName, LayerName, RunName
from jobs.kinds.models import ModelRequest


class LayerRequest(ModelRequest):
    """A request about one layer, that takes names and rankings from a dissection of the same models."""

    layer: Annotated[LayerName, Option("Layer", "The layer whose units are edited.", names="layer")]
    parent: Annotated[
        RunName | None,
        Option(
            "Parent",
            "The dissection that names and ranks the units.",
            advanced=True,
            empty="the newest finished one of the same generator, segmenter and layer",
        ),
    ] = None

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        generator, segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        catalogue.must_take_pictures(segmenter)
        (layer,) = catalogue.layers_of(generator, (self.layer,))
        # Inputs that were not chosen are those of the dissection, not the generator's own.
        wanted = filled.inputs if self.inputs is not None else None
        found, inputs = parent(layout, filled.model_copy(update={"layer": layer, "inputs": wanted}))
        return filled.model_copy(update={"layer": layer, "parent": found, "inputs": inputs})

    def check_units(self, layout: Layout, text: str | None) -> None:
        """Raise `GanatomyError` when a list names units that the layer does not have."""
        generator, _segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        width = next(layer.units for layer in generator.layers if layer.name == self.layer)
        wrong = [unit for unit in numbers(text or "0") if unit >= width]
        if wrong:
            raise GanatomyError(f"{self.layer} has units 0 to {width - 1}; there is no unit {wrong[0]}.")


class ConceptRequest(LayerRequest):
    """A request about the units of a layer and one concept."""

    concept: Annotated[ConceptName, Option("Concept", "The concept that the units cause.", names="concept")]

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        known = concepts(layout, str(filled.parent))
        if filled.concept not in known:
            raise GanatomyError(
                f"{filled.segmenter} knows no concept {filled.concept!r} in {filled.parent}; its concepts "
                f"are {', '.join(known)}."
            )
        return filled


def parent(layout: Layout, request: LayerRequest) -> tuple[str, str | None]:
    """The dissection that a request needs, and its inputs: the one it names, else the newest that fits.

    Raises:
        GanatomyError: there is none, or the named one is of something else.
    """
    fitting = dissections(layout, request)
    if request.parent is None and fitting:
        return next(iter(fitting.items()))
    if request.parent in fitting:
        return str(request.parent), fitting[str(request.parent)]
    models = f"{request.generator} seen by {request.segmenter}, with {request.layer}"
    if request.inputs is not None:
        models += f" and {request.inputs or 'no inputs'}"
    if request.parent is not None:
        raise GanatomyError(
            f"Run {request.parent} is no finished dissection of {models} in this store; leave the parent "
            "out for the newest that is."
        )
    command = f"ganatomy dissect {request.generator} --segmenter {request.segmenter}"
    if request.inputs:
        command += f" --inputs '{request.inputs}'"
    raise GanatomyError(f"There is no finished dissection of {models} yet; run `{command}` first.")


def dissections(layout: Layout, request: LayerRequest) -> dict[str, str | None]:
    """The inputs of finished dissections of the request's models with its layer, newest first.

    Where the request has inputs, only those with the same ones.
    """
    from db import store  # pandas and DuckDB: a second that other requests need not spend
    from db.queries import causes

    if not layout.current.exists():
        return {}
    names = (request.generator, str(request.segmenter), request.layer)
    found = causes.dissections(store.open(layout), *names)
    inputs = [str(text) if isinstance(text, str) and text else None for text in found["inputs"]]
    return {
        str(run): given
        for run, given in zip(found["run_id"], inputs, strict=True)
        if request.inputs is None or given == (request.inputs or None)
    }


def concepts(layout: Layout, run_id: str) -> list[str]:
    """The concepts of a dissection, most frequent first."""
    from db import store
    from db.queries import runs

    found: pd.DataFrame = runs.concepts(store.open(layout), run_id)
    return [str(name) for name in found["concept"]]
