"""`ganatomy compare`: generators side by side, with the same sample and rule."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator

from analysis.dissection.settings import DissectionSettings
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Kind, Name, Page, Request, run_id
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.models import Seed

CONTROLS = ("random-weights", "rotation")


def _several(generators: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(generators)) < max(2, len(generators)):
        raise ValueError("name at least two generators, and each once")
    return generators


class ComparisonRequest(Request):
    """Dissect several generators with the same sample and rule, and compare them.

    One segmenter sees all. Generators of different data sets have segmenters of their own, and are compared
    at the concepts that these share. Each dissection is a job of its own, before this one; those that are
    there already are used.
    """

    generators: Annotated[
        tuple[Name, ...],
        AfterValidator(_several),
        Option(
            "Generators",
            "The generators to compare, such as mine-1 mine-2 other-1. Names that differ only in their "
            "last digit (or in -s12, -seed12) are trainings of one recipe, over which intervals are taken.",
            names="generator",
        ),
    ]
    segmenter: Annotated[
        Name | None,
        Option(
            "Segmenter",
            "The segmenter that sees all of them. Without one, generators of different data sets are "
            "compared at the concepts that their own segmenters share.",
            empty="the generators' own",
            names="segmenter",
        ),
    ] = None
    seed: Seed = 1
    controls: Annotated[
        Literal["both", "random-weights", "rotation", "none"],
        Option(
            "Controls",
            "Also dissect each generator with random weights, or with its units standardised and rotated at "
            "random: how many detectors there would be without training, or in axes other than the units.",
        ),
    ] = "both"
    settings: DissectionSettings = DissectionSettings()

    def with_defaults(self, layout: Layout) -> Self:
        found = [catalogue.pair(layout, name, self.segmenter)[1] for name in self.generators]
        if len({each.name for each in found}) == 1:
            return self.model_copy(update={"segmenter": found[0].name})
        if not set.intersection(*({concept.name for concept in each.concepts} for each in found)):
            names = ", ".join(sorted({each.name for each in found}))
            raise GanatomyError(
                f"The generators' own segmenters ({names}) share no concept; name one segmenter for all."
            )
        return self

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        filled = self.with_defaults(layout)
        needed = [each.resolve(layout)[1] for each in filled.dissections()]
        return filled, run_id("comparison", self.kind.command, filled.content(), *needed)

    def dissections(self) -> list[DissectionRequest]:
        """The dissections that are compared, in order."""
        return [self._dissection(name, "none") for name in self.generators]

    def before(self) -> list[Request]:
        controls = [name for name in CONTROLS if self.controls in ("both", name)]
        beside = [self._dissection(name, control) for control in controls for name in self.generators]
        return [*self.dissections(), *beside]

    def _dissection(self, generator: str, control: str) -> DissectionRequest:
        same = {name: getattr(self, name) for name in ("segmenter", "seed", "settings", *self.UNHASHED)}
        return DissectionRequest(generator=generator, control=control, **same)  # type: ignore[arg-type]

    def size(self) -> int:
        return len(self.generators)

    def title(self) -> str:
        return f"Compare {', '.join(self.generators)}"


KIND = Kind(
    name="comparison",
    command="compare",
    request=ComparisonRequest,
    task="jobs.tasks.comparison",
    title="Comparison",
    place=25,
    pages=(Page("compare", "Compare", "compare", 30),),
)
