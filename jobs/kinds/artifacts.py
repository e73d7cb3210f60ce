"""`ganatomy artifacts`: units that make pictures worse."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar, Literal, Self

from pydantic import Field

from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import RANKING, room
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import command
from jobs.kinds.context import must_be_units
from jobs.kinds.parent import LayerRequest
from jobs.kinds.unit_lists import Units

REFERENCE = r"^(drawn|folder|generator):[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class ArtifactsRequest(LayerRequest):
    """Rank a layer's units by the damage they do to pictures, and ablate the worst on other images."""

    KIND: ClassVar[str] = "artifacts"
    RUN: ClassVar[str] = "artifacts"
    MODULE: ClassVar[str] = "jobs.tasks.artifacts"
    TITLE: ClassVar[str] = "Artifact units"

    reference: str = Field(
        default="drawn:churches",
        pattern=REFERENCE,
        description="the pictures compared with: drawn:churches, folder:NAME (a folder of pictures in the "
        "store's references/), or generator:NAME",
    )
    images: int = Field(
        default=1000,
        ge=20,
        le=room(RANKING),
        description="images that rank the units, and as many others that score, each with as many pictures "
        "of the reference; five times the features of the segmenter, at least",
    )
    sets: int = Field(default=50, ge=2, le=500, description="sets of random units to compare with")
    activation: Literal["rms", "peak"] = Field(
        default="rms",
        description="in which images a unit does most: rms of its map, or its peak as in the paper",
    )
    marked: Units | None = Field(
        default=None, description="units marked by hand, such as 4,17: a third ranking; empty: none"
    )

    def meant(self, layout: Layout) -> Self:
        filled = super().meant(layout)
        generator, _segmenter = catalogue.pair(layout, filled.generator, filled.segmenter)
        width = next(one.units for one in generator.layers if one.name == filled.layer)
        must_be_units(filled.marked, filled.layer, width)
        return filled

    def models(self, layout: Layout) -> list[catalogue.ModelInfo]:
        found = super().models(layout)
        kind, _, name = self.reference.partition(":")
        return [*found, generators.describe(name, layout.models)] if kind == "generator" else found

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        filled, run = super().resolve(layout)
        if not filled.reference.startswith("folder:"):
            return filled, run
        keys = [catalogue.weights_key(info) for info in filled.models(layout)]
        return filled, filled.run_id(*keys, pictures_key(layout, filled.reference))

    def size(self) -> int:
        """As its progress is counted: images, each unit's, and the lists' and random sets' (of a usual
        layer)."""
        return self.images * (2 + 64 + 12 + 3 * self.sets)

    def title(self) -> str:
        return f"Artifact units of {self.generator}, {self.layer} ({self.images} images)"

    def command(self) -> str:
        return command(self, "generator")


def pictures_key(layout: Layout, reference: str) -> str:
    """A hash of the names, sizes and times of a reference folder's files.

    Raises:
        GanatomyError: there is no such folder.
    """
    folder = layout.references / reference.partition(":")[2]
    if not folder.is_dir():
        raise GanatomyError(
            f"The store has no folder references/{folder.name}; put the pictures there, or choose "
            "drawn:churches or generator:NAME."
        )
    found = ((str(f.relative_to(folder)), f.stat()) for f in folder.rglob("*") if f.is_file())
    files = sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
