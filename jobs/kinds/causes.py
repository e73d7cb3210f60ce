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
        """Passes of images and of their edited parts, in a usual layer whose causal set is no exception."""
        chosen, units, sizes, top, steps = self.settings, 64, 6, 8, 60
        samples = chosen.images + chosen.seeds * (chosen.training + 2 * chosen.stop_images)
        path = chosen.first_steps + 3 * chosen.path_steps if chosen.penalty_weight is None else 0
        stepped = path + 2 * min(chosen.steps, steps)  # both starts, as long as they usually take
        looks = (4 if path else 1) + 2 * -(-min(chosen.steps, steps) // chosen.every)
        learning = 2 * chosen.seeds * (stepped * chosen.step_images + looks * chosen.stop_images)
        most, first = 2 * top, min(chosen.first_choosing, chosen.choosing)  # units scored on all images
        choosing = units * first + most * (chosen.choosing - first)
        single = min(chosen.single_images or chosen.images, chosen.images)
        alone = choosing + most * single + (units - most) * min(chosen.minor_images, single)
        curves = 3 * sizes * chosen.images + top * min(chosen.needed_images, chosen.images)
        drawn = chosen.random_sets + (sizes - 1) * min(chosen.other_sets, chosen.random_sets)
        cells = sizes * min(chosen.cell_images, chosen.images)
        return samples + learning + 2 * (alone + curves + drawn * chosen.random_images + cells)

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
