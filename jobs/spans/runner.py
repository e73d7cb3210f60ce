"""What counts spans for a job: one interface, three implementations (`local`, `queue`, `ray`).

runner = LocalRunner(...)
for span in runner.map(spans):     # in the order in which they are finished
    counts = Counts.load(folder.counts(span))
runner.close()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from analysis.dissection.spans import Span
from jobs.spans.folder import SpanFolder

POLL_S = 0.1  # between two looks for files of finished spans


class SpanRunner(Protocol):
    """Counts spans somewhere."""

    def map(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Count spans, and yield each as soon as its counts are in the run's span folder, in any order.

        It survives the death of any process but its own. Counts of an earlier attempt are yielded first.

        Raises:
            GanatomyError: a span cannot be counted, with the reason.
        """
        ...

    def close(self) -> None:
        """End what was started. Counts that are there stay."""
        ...


def finished(
    folder: SpanFolder, spans: Sequence[Span], supervise: Callable[[Sequence[Span]], None]
) -> Iterator[Span]:
    """Yield each span as soon as its file is there; `supervise` is called with those that lack, till then."""
    left = list(spans)
    while left:
        there = folder.names()
        done = [span for span in left if folder.counts(span).name in there]
        left = [span for span in left if span not in done]
        supervise(left)  # also when nothing is left: nobody may count again what is merged and removed below
        yield from done
        if left and not done:
            time.sleep(POLL_S)
