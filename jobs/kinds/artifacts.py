"""`ganatomy artifacts`: units that make pictures worse."""

from __future__ import annotations

from typing import Annotated, Self

from analysis.artifacts.reference_names import DRAWN_DATA
from analysis.artifacts.settings import ArtifactsSettings, feature_count
from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue, reference_pictures
from jobs.kinds.base import Kind, Page
from jobs.kinds.parent import LayerRequest
from jobs.kinds.reference_pictures import Reference
from jobs.kinds.unit_lists import Units


class ArtifactsRequest(LayerRequest):
    """Rank a layer's units by the damage they do, and measure pictures without the worst of them."""

    reference: Annotated[
        Reference | None,
        Option(
            "Reference",
            "The pictures compared with: drawn:churches, drawn:rooms, folder:NAME (a folder of pictures in "
            "the store's references/), or generator:NAME.",
            empty="the generator's training pictures, where Ganatomy draws them",
            names="reference",
        ),
    ] = None
    marked: Annotated[
        Units | None,
        Option("Marked", "Units marked by hand, such as 4,17: a third ranking.", empty="no such ranking"),
    ] = None
    settings: ArtifactsSettings = ArtifactsSettings()

    def with_defaults(self, layout: Layout) -> Self:
        self.check_images(layout)  # before the store is read: no dissection would help
        generator, _segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        wanted = self.reference or DRAWN_DATA.get(generator.trained_on)
        if wanted is None:
            raise GanatomyError(
                f"Ganatomy cannot draw what {generator.name} was trained on; choose a reference for its "
                "pictures: a folder of pictures (folder:NAME) or another generator (generator:NAME)."
            )
        filled = super().with_defaults(layout)
        filled.check_units(layout, filled.marked)
        reference_pictures.check(layout, wanted, self.settings.images)
        return filled.model_copy(update={"reference": wanted})

    def check_images(self, layout: Layout) -> None:
        """Raise `GanatomyError` for fewer images than a Fréchet distance on these features needs."""
        from analysis.shared.distances import check_enough  # SciPy: other requests need not load it

        _generator, segmenter = catalogue.pair(layout, self.generator, self.segmenter)
        count = feature_count(self.settings.features, segmenter.family, len(segmenter.concepts))
        if count is not None:
            check_enough(self.settings.images, count)

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        kind, _, name = str(self.reference).partition(":")
        return [*found, generators.describe(name, layout.models)] if kind == "generator" else found

    def picture_keys(self, layout: Layout) -> list[str]:
        return reference_pictures.keys(layout, self.reference)

    def size(self) -> int:
        """Images of the rankings, of each unit of a usual layer, of the lists and of the random sets."""
        return self.settings.images * (2 + 64 + 12 + 3 * self.settings.sets)

    def title(self) -> str:
        return f"Artifact units of {self.generator}, {self.layer} ({self.settings.images} images)"


KIND = Kind(
    name="artifacts",
    command="artifacts",
    request=ArtifactsRequest,
    task="jobs.tasks.artifacts",
    title="Artifact units",
    place=50,
    pages=(Page("artifacts", "Artifacts", "bug_report", 60),),
)
