"""Requests about a generator seen by a segmenter: both are looked up, and their weights name the run."""

from __future__ import annotations

from typing import Annotated, Self

from analysis.shared.options import Ge, Le, Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Name, Request, run_id


class ModelRequest(Request):
    """A request about a generator and a segmenter."""

    generator: Annotated[
        Name,
        Option("Generator", "A registered generator, as `ganatomy models list` names it.", names="generator"),
    ]
    segmenter: Annotated[
        Name | None,
        Option("Segmenter", "A registered segmenter.", empty="the generator's own", names="segmenter"),
    ] = None
    seed: Annotated[
        int,
        Ge(0),
        Le(2**53),
        Option("Seed", "Every image follows from the seed and its number.", advanced=True),
    ] = 1

    def with_defaults(self, layout: Layout) -> Self:
        _generator, segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        return self.model_copy(update={"segmenter": segmenter.name})

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        """The models that decide the result, for a request whose defaults are filled in."""
        return list(catalogue.pair(layout, self.generator, self.segmenter))

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        filled = self.with_defaults(layout)
        models = filled.models(layout)
        for info in models:
            catalogue.must_be_here(layout, info)
        return filled, filled.run_id(*map(catalogue.weights_key, models))

    def run_id(self, *hashes: str) -> str:
        """The run of this request, given the weights' hashes. The same request has the same run."""
        return run_id(self.generator, self.kind.command, self.content(), *hashes)
