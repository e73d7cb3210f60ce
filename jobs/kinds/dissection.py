"""`ganatomy dissect`: which unit means what."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from analysis.counting.plan import Plan
from analysis.dissection.settings import REFERENCE_IMAGES, DissectionSettings
from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue, reference_pictures
from jobs.kinds.base import Kind, LayerName, Name, Page
from jobs.kinds.models import ModelRequest
from jobs.kinds.reference_pictures import Reference
from jobs.system.live import JsonObject


class LayersRequest(ModelRequest):
    """A request that dissects some layers of a generator, or all."""

    layers: Annotated[
        tuple[LayerName, ...] | None,
        Option("Layers", "The layers to read, such as layer1,layer3.", empty="all", names="layer"),
    ] = None
    settings: DissectionSettings = DissectionSettings()

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        Plan.make(self.settings.images, self.settings.calibration, threshold=self.settings.threshold)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        return filled.model_copy(update={"layers": catalogue.layers_of(generator, self.layers)})

    def size(self) -> int:
        return self.settings.images + self.settings.calibration


class DissectionRequest(LayersRequest):
    """Find out which unit of a generator means what."""

    control: Annotated[
        Literal["none", "rotation", "random-weights"],
        Option(
            "Control",
            "A baseline beside the run: the same layers with their units standardised and rotated at random, "
            "or the same generator with random weights.",
            advanced=True,
        ),
    ] = "none"
    second_segmenter: Annotated[
        Name | None,
        Option(
            "Second segmenter",
            "Another segmenter: how far the two agree on each concept (kappa) stands beside the scores.",
            advanced=True,
            empty="none",
            names="segmenter",
        ),
    ] = None
    reference: Annotated[
        Reference | None,
        Option(
            "Reference",
            "Pictures to compare with: how much of each concept the generator draws stands beside how much "
            "they show. drawn:churches, folder:NAME (a folder in the store's references/), or "
            "generator:NAME.",
            advanced=True,
            names="reference",
            empty="none",
        ),
    ] = None

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        used = catalogue.pair(layout, filled.generator, filled.segmenter)[1]
        settings = filled.settings
        catalogue.must_know_images(used, filled.seed, settings.images, settings.calibration)
        if filled.reference is not None:
            catalogue.must_take_pictures(used)
            reference_pictures.check(layout, filled.reference, max(2, min(settings.images, REFERENCE_IMAGES)))
        if filled.second_segmenter is not None:
            first = catalogue.pair(layout, filled.generator, filled.segmenter)[1]
            second = catalogue.pair(layout, filled.generator, filled.second_segmenter)[1]
            if not {c.name for c in first.concepts} & {c.name for c in second.concepts}:
                raise GanatomyError(
                    f"{first.name} and {second.name} have no concept in common; "
                    "choose another second segmenter."
                )
        return filled

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        if self.second_segmenter is not None:
            found.append(catalogue.pair(layout, self.generator, self.second_segmenter)[1])
        kind, _, name = (self.reference or "").partition(":")
        return [*found, generators.describe(name, layout.models)] if kind == "generator" else found

    def picture_keys(self, layout: Layout) -> list[str]:
        return reference_pictures.keys(layout, self.reference)

    def content(self) -> JsonObject:
        content = super().content()
        if content["reference"] is None:
            del content["reference"]  # runs without keep the names that they had before there were any
        return content

    def title(self) -> str:
        layers = ", ".join(self.layers) if self.layers else "all layers"
        control = "" if self.control == "none" else f", control: {self.control}"
        return f"Dissect {self.generator} ({layers}, {self.settings.images} images{control})"


KIND = Kind(
    name="dissection",
    command="dissect",
    request=DissectionRequest,
    task="jobs.tasks.dissection",
    title="Dissection",
    place=10,
    pages=(
        Page("concept", "Concepts", "category", 5),
        Page("units", "Units", "grid_view", 10),
        Page("unit", "Unit", "crop_free", 11, hidden=True),
        Page("layers", "Layers", "layers", 20),
        Page("paint", "Paint", "brush", 65),
        Page("ablate", "Ablate", "content_cut", 70),
    ),
    intervals=True,
    series=True,
)
