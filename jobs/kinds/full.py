"""`ganatomy full`: a dissection, and behind it the causes of what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from analysis.shared.options import Ge, Le, Option
from db.layout import Layout
from jobs.kinds import catalogue, causes
from jobs.kinds.base import Kind, Request
from jobs.kinds.dissection import DissectionRequest, LayersRequest


class FullRequest(LayersRequest):
    """Dissect a generator, then learn the causes of the concepts with the clearest units.

    The dissection is a job of its own, before this one. When it has ended this one reads it, chooses the
    concepts, each at the layer that shows it best, and queues their jobs.
    """

    best: Annotated[
        int,
        Ge(1),
        Le(50),
        Option("Best", "Concepts whose causes are learned: those with the clearest units."),
    ] = 4

    def with_defaults(self, layout: Layout) -> Self:
        filled = super().with_defaults(layout)
        catalogue.must_take_pictures(catalogue.pair(layout, filled.generator, filled.segmenter)[1])
        return filled

    def dissection(self) -> DissectionRequest:
        """The request that comes first."""
        return DissectionRequest.model_validate(self.model_dump(exclude={"best"}))

    def shows(self) -> Request:
        return self.dissection()

    def before(self) -> list[Request]:
        return [self.dissection()]

    def queues(self, kind: str, request: Mapping[str, object], layout: Layout) -> bool:
        return kind == causes.KIND.command and request.get("parent") == self.dissection().resolve(layout)[1]

    def size(self) -> int:
        return self.best

    def title(self) -> str:
        return f"Queue the causes of the best {self.best} concepts of {self.generator}"


KIND = Kind(
    name="full",
    command="full",
    request=FullRequest,
    task="jobs.tasks.full",
    title="Dissection, then causes",
    place=20,
)
