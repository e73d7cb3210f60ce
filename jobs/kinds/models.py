"""Requests about a generator seen by a segmenter: both are looked up, and their weights name the run."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Name, Request, run_id


class ModelRequest(Request):
    """A request about a generator and a segmenter."""

    generator: Name = Field(description="a registered generator, as `ganatomy models list` names it")
    segmenter: Name | None = Field(
        default=None, description="a registered segmenter; empty: the generator's own"
    )
    seed: int = Field(
        default=1, ge=0, le=2**53, description="every image follows from the seed and its number"
    )

    def meant(self, layout: Layout) -> Self:
        """The request with its defaults filled in; weights need not be here. Raises `GanatomyError` when
        something that it names is not known."""
        _generator, segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        return self.model_copy(update={"segmenter": segmenter.name})

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        """The models that decide the result, for a request whose defaults are filled in."""
        return list(catalogue.pair(layout, self.generator, self.segmenter))

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        filled = self.meant(layout)
        models = filled.models(layout)
        for info in models:
            catalogue.must_be_here(layout, info)
        return filled, filled.run_id(*map(catalogue.weights_key, models))

    def run_id(self, *hashes: str) -> str:
        """The run that this request asks for, given the weights' hashes: the same request has the same
        run."""
        return run_id(self.generator, self.KIND, self.content(), *hashes)
