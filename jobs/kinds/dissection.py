"""`ganatomy dissect`: which unit means what."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from analysis.counting.plan import Plan
from analysis.dissection.settings import DissectionSettings
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Kind, LayerName, Page
from jobs.kinds.models import ModelRequest


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
            "A baseline beside the run: the same layers with their units' axes rotated at random, or the "
            "same generator with random weights.",
            advanced=True,
        ),
    ] = "none"

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
        Page("units", "Units", "grid_view", 10),
        Page("unit", "Unit", "crop_free", 11, hidden=True),
        Page("layers", "Layers", "layers", 20),
        Page("ablate", "Ablate", "content_cut", 70),
    ),
    intervals=True,
    series=True,
)
