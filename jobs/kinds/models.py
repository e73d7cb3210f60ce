"""Requests about a generator seen by a segmenter: both are looked up, and their weights name the run."""

from __future__ import annotations

from typing import Annotated, Self

from analysis.models import generators
from analysis.models.inputs import Inputs
from analysis.shared.options import Ge, Le, Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import InputsText, Name, Request, run_id
from jobs.system.live import JsonObject

Seed = Annotated[
    int,
    Ge(0),
    Le(2**53),
    Option("Seed", "Every image follows from the seed and its number.", advanced=True),
]


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
    seed: Seed = 1

    inputs: Annotated[
        InputsText | None,
        Option(
            "Inputs",
            "What the generator is given beside its latents, such as truncation=0.7 or class=207:1,3:2: "
            "truncation, class (one, or several with weights), timestep, noise (a seed).",
            advanced=True,
            empty="the generator's own",
        ),
    ] = None

    def with_defaults(self, layout: Layout) -> Self:
        generator, segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        inputs = generators.given_inputs(generator, Inputs.parse(self.inputs or ""))
        return self.model_copy(update={"segmenter": segmenter.name, "inputs": str(inputs) or None})

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        """The models that decide the result, for a request whose defaults are filled in."""
        return list(catalogue.pair(layout, self.generator, self.segmenter))

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        filled = self.with_defaults(layout)
        models = filled.models(layout)
        for info in models:
            catalogue.must_be_here(layout, info)
        keys = [*map(catalogue.weights_key, models), *filled.picture_keys(layout)]
        return filled, filled.run_id(*keys)

    def picture_keys(self, layout: Layout) -> list[str]:
        """Hashes of the pictures that decide the result beside the models."""
        return []

    def content(self) -> JsonObject:
        content = super().content()
        if content["inputs"] is None:
            del content["inputs"]  # runs without keep the names that they had before there were any
        return content

    def run_id(self, *hashes: str) -> str:
        """The run of this request, given the weights' hashes. The same request has the same run."""
        return run_id(self.generator, self.kind.command, self.content(), *hashes)
