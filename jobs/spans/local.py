"""Spans counted on this machine: by a process in the job's own slot, and one in every slot that is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from analysis.dissection.spans import Span
from db.layout import Layout
from jobs.spans.folder import SpanFolder
from jobs.spans.helpers import Helpers
from jobs.spans.runner import finished
from jobs.system.live import JsonObject


class LocalRunner:
    """The runner `local`. `beat` is called when some helper got further, with the number of slots in use."""

    def __init__(
        self, spec: JsonObject, layout: Layout, folder: SpanFolder, beat: Callable[[int], None]
    ) -> None:
        self.folder, self.beat = folder, beat
        self.helpers = Helpers(spec, layout, folder, greedy=True)

    def map(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Count spans on this machine."""
        return finished(self.folder, spans, self._supervise)

    def _supervise(self, left: Sequence[Span]) -> None:
        if self.helpers.supervise(left):
            self.beat(len(self.helpers.running))

    def close(self) -> None:
        """End the helpers."""
        self.helpers.close()
