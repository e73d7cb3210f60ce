"""`ganatomy artifacts`: units that make pictures worse."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Self

from pydantic import StringConstraints

from analysis.artifacts.settings import ArtifactsSettings
from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.options import Option
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import Kind, Page
from jobs.kinds.parent import LayerRequest
from jobs.kinds.unit_lists import Units

Reference = Annotated[
    str, StringConstraints(pattern=r"^(drawn|folder|generator):[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
]


class ArtifactsRequest(LayerRequest):
    """Rank a layer's units by the damage they do, and measure pictures without the worst of them."""

    reference: Annotated[
        Reference,
        Option(
            "Reference",
            "The pictures compared with: drawn:churches, folder:NAME (a folder of pictures in the store's "
            "references/), or generator:NAME.",
        ),
    ] = "drawn:churches"
    marked: Annotated[
        Units | None,
        Option("Marked", "Units marked by hand, such as 4,17: a third ranking.", empty="no such ranking"),
    ] = None
    settings: ArtifactsSettings = ArtifactsSettings()

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        filled.check_units(layout, filled.marked)
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
        """Images of the rankings, of each unit of a usual layer, of the lists and of the random sets."""
        return self.settings.images * (2 + 64 + 12 + 3 * self.settings.sets)

    def title(self) -> str:
        return f"Artifact units of {self.generator}, {self.layer} ({self.settings.images} images)"


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


KIND = Kind(
    name="artifacts",
    command="artifacts",
    request=ArtifactsRequest,
    task="jobs.tasks.artifacts",
    title="Artifact units",
    place=50,
    pages=(Page("artifacts", "Artifacts", "bug_report", 60),),
)
