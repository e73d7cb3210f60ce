"""`ganatomy ace`: which units of a layer together cause a concept."""

from __future__ import annotations

from typing import Annotated, Self

from analysis.causes.settings import CausesSettings
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Kind, Name, Page
from jobs.kinds.parent import ConceptRequest
from jobs.kinds.unit_lists import Units


class CausesRequest(ConceptRequest):
    """Learn which units of a layer together cause a concept, and measure what editing them does."""

    marked: Annotated[
        Units | None,
        Option(
            "Marked",
            "Units marked by hand, in order, such as 4,17: a further ranking.",
            empty="no such ranking",
        ),
    ] = None
    second_segmenter: Annotated[
        Name | None,
        Option(
            "Second segmenter",
            "Another segmenter, which scores the same edits again.",
            advanced=True,
            empty="none",
            names="segmenter",
        ),
    ] = None
    settings: CausesSettings = CausesSettings()

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        filled.check_units(layout, filled.marked)
        if filled.second_segmenter is not None:
            must_know(catalogue.pair(layout, filled.generator, filled.second_segmenter)[1], filled.concept)
        return filled

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        if self.second_segmenter is not None:
            found.append(catalogue.pair(layout, self.generator, self.second_segmenter)[1])
        return found

    def size(self) -> int:
        """Images made, steps learned, and the sets that the curves score."""
        chosen, units, sizes = (
            self.settings,
            64,
            9,
        )  # of a usual layer; what is not counted is added as it comes
        learning = chosen.seeds * (chosen.training + 32 + chosen.steps)
        alone = 2 * units * (chosen.choosing + (chosen.single_images or chosen.images))
        curves = 6 * sizes * chosen.images + 2 * sizes * chosen.random_sets * chosen.random_images
        return chosen.images + learning + alone + curves

    def title(self) -> str:
        return f"Causes of {self.concept} in {self.generator}, {self.layer} ({self.settings.images} images)"


def must_know(segmenter: catalogue.ModelInfo, concept: str) -> None:
    """Raise `GanatomyError` when a segmenter does not know a concept."""
    known = [each.name for each in segmenter.concepts]
    if concept not in known:
        raise GanatomyError(
            f"The second segmenter {segmenter.name} knows no concept {concept!r}; its concepts are "
            f"{', '.join(known)}."
        )


KIND = Kind(
    name="causes",
    command="ace",
    request=CausesRequest,
    task="jobs.tasks.causes",
    title="Causes of a concept",
    place=30,
    pages=(Page("causes", "Causes", "account_tree", 40),),
)
