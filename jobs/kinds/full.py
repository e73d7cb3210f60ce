"""`ganatomy full`: a dissection, and behind it the causes of what it finds."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from jobs.kinds.base import Request, command
from jobs.kinds.dissection import Counted, DissectionRequest


class FullRequest(Counted):
    """Dissect a generator, then find the causes of its best concepts.

    The dissection is a job of its own, before this one. When it has ended this one reads it, chooses the
    concepts, each at the layer that shows it best, and queues their jobs.
    """

    KIND: ClassVar[str] = "full"
    RUN: ClassVar[str] = "full"
    MODULE: ClassVar[str] = "jobs.tasks.full"
    TITLE: ClassVar[str] = "Dissection, then causes"

    best: int = Field(
        default=4, ge=1, le=50, description="concepts whose causes are learned: those with the clearest units"
    )

    def dissection(self) -> DissectionRequest:
        """The request that comes first."""
        return DissectionRequest.model_validate(self.model_dump(exclude={"best"}))

    def shows(self) -> Request:
        return self.dissection()

    def before(self) -> list[Request]:
        return [self.dissection()]

    def size(self) -> int:
        return self.best

    def title(self) -> str:
        return f"Queue the causes of the best {self.best} concepts of {self.generator}"

    def command(self) -> str:
        return command(self, "generator")
