"""Counts of a long part of a run, made of spans that other processes count.

Spans are merged in order, so that the counts so far are always those of one range of images: they are saved,
continued and published like the counts of a single process. Those that are finished early wait in files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from analysis.counting.counts import Counts
from analysis.counting.edges import Edges
from analysis.counting.thresholds import Thresholds
from analysis.dissection.spans import Part, Range, Span, plan, size_of
from analysis.shared.errors import GanatomyError
from db.store import files
from jobs.spans.folder import SpanFolder
from jobs.spans.local import LocalRunner
from jobs.spans.runner import SpanRunner
from jobs.system.settings import Settings
from jobs.tasks.process import Spec
from jobs.tasks.progress import Progress

TRIES = 3  # at a span whose counts cannot be read


@dataclass
class SplitCounting:
    """Counts the parts of one run with a runner of spans."""

    folder: SpanFolder
    runner: SpanRunner
    progress: Progress
    seconds: float  # of work in a span

    @classmethod
    def of(cls, spec: Spec, folder: Path, progress: Progress) -> Self | None:
        """As GANATOMY_SPANS says; None where it is off."""
        settings = Settings()
        if settings.spans == "off":
            return None
        spans = SpanFolder(folder)
        spans.create()
        runner: SpanRunner

        def beat(slots: int) -> None:
            progress.extra["slots"] = max(1, slots)
            progress.beat()

        if settings.spans == "ray":
            from jobs.spans.ray import RayRunner  # an extra
            from jobs.tasks.ray_span import counted_bytes

            runner = RayRunner(vars(spec), spec.layout, spans, counted_bytes)
        elif settings.spans == "queue":
            from jobs.spans.queue import QueueRunner  # DBOS: 20 MB, which no other dissection needs

            runner = QueueRunner(vars(spec), spec.layout, spans, beat)
        else:
            runner = LocalRunner(vars(spec), spec.layout, spans, beat)
        return cls(spans, runner, progress, settings.span_seconds)

    def count(
        self,
        whole: Range,
        edges: Edges,
        thresholds: Thresholds | None,
        counts: Counts | None,
        pace: float,
        fits: Callable[[Counts], bool],
    ) -> Iterator[tuple[Range, Counts]]:
        """Count what is missing of a part of the run; yields each span with the counts up to its end.

        Args:
            whole: The latents of the part.
            edges: The bin edges.
            thresholds: The thresholds, in the evaluation.
            counts: The counts so far, of one range from the first latent on.
            pace: Seconds that an image takes.
            fits: Whether counts are of this run.
        """
        part: Part = "evaluation" if thresholds else "calibration"
        key = thresholds.hash if thresholds else edges.hash
        with files.replacing(self.folder.edges(key)) as aside:
            edges.save(aside)
        if thresholds is not None:
            with files.replacing(self.folder.thresholds(key)) as aside:
                thresholds.save(aside)
        known = counts.ranges if counts else []
        spans = plan(part, key, whole, known, self.folder.found(part, key), size_of(self.seconds, pace))
        structlog.get_logger().info("spans", part=part, spans=len(spans))
        tried: dict[Span, int] = {}
        ready: set[Span] = set()
        while spans:
            for span in self.runner.map([span for span in spans if span not in ready]):
                ready.add(span)
                self.progress.begin(f"{part}, {len(ready)} of {len(ready | {*spans})} spans")
                while spans and spans[0] in ready:
                    more = self._read(spans[0], fits)
                    if more is None:
                        tried[spans[0]] = tried.get(spans[0], 0) + 1
                        if tried[spans[0]] >= TRIES:
                            raise GanatomyError(f"The counts of {spans[0].name} are damaged again and again.")
                        ready.discard(spans[0])
                        break
                    done = spans.pop(0)
                    counts = more if counts is None else counts.merge(more)
                    yield (done.start, done.stop), counts

    def _read(self, span: Span, fits: Callable[[Counts], bool]) -> Counts | None:
        """The counts of a span; None where they are damaged or of another run, and then they are removed."""
        file = self.folder.counts(span)
        try:
            counts = Counts.load(file)
            if fits(counts):
                return counts
            reason = "they are of other models or images"
        except GanatomyError as error:
            reason = str(error)
        structlog.get_logger().warning("a span is counted again", span=span.name, reason=reason)
        file.unlink(missing_ok=True)
        return None

    def close(self) -> None:
        """End what the runner started."""
        self.runner.close()
        self.progress.extra.pop("slots", None)
