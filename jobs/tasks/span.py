"""The task of a process that counts spans of a dissection: `python -P -m jobs.tasks.span`.

A worker starts it for one span that came over the queue. A job starts it as its helper, and then it counts
what the job asks for in the run's span folder, span after span, until the job ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from analysis.counting.compilation import cold
from analysis.counting.counts import Counts
from analysis.counting.edges import Edges
from analysis.counting.passes import LabelStore, Source, count_from
from analysis.counting.preparation import prepare
from analysis.counting.thresholds import Thresholds
from analysis.dissection.spans import Span
from analysis.shared.errors import GanatomyError
from db.store import files
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.spans.folder import SpanFolder, parsed
from jobs.tasks import process
from jobs.tasks.dissection import DissectionTask
from jobs.tasks.progress import Progress

POLL_S = 0.1  # between two looks for a span
LOOK_S = 2.0  # between two looks whether the run's job is still there


def counted(task: DissectionTask, span: Span, edges: Edges, thresholds: Thresholds | None,
            labels: LabelStore | None, tick: Callable[[], None]) -> Counts:  # fmt: skip
    """The counts of a span; `tick` is called after each block.

    Raises:
        GanatomyError: the edges or thresholds are not those that the span is named after.
    """
    if (thresholds.hash if thresholds else edges.hash)[: len(span.key)] != span.key:
        raise GanatomyError(f"The edges or thresholds of {span.name} are others; count it again.")
    if cold():
        prepare()
    if task.progress.stage != "counting":
        task.progress.begin("counting")
    before = 0

    def report(done: int, _total: int) -> None:
        nonlocal before
        task.reported.block_done(done - before, found=False)
        before = done
        tick()

    source = task.source if labels is not None else Source(task.generator, task.reported, task.plan, None)
    return count_from(source, (span.start, span.stop), edges, thresholds, report)


@dataclass
class SpanTask:
    """Counts spans of one run, in the run's span folder."""

    spec: process.Spec
    progress: Progress
    _looked: float = float("-inf")

    @cached_property
    def dissection(self) -> DissectionTask:
        """The run, with its models loaded once. Nothing of it is published here."""
        request = DissectionRequest.model_validate(self.spec.request["request"])
        spec = replace(self.spec, run_id=str(self.spec.request["run"]))
        return DissectionTask(spec, self.progress, request)

    @property
    def folder(self) -> SpanFolder:
        """The run's span folder."""
        return SpanFolder(self.spec.layout.work / str(self.spec.request["run"]) / "spans")

    def run(self) -> None:
        """Count the spans of the request or, where it has none, those that the job asks for."""
        if given := self.spec.request["spans"]:
            self._look()
            for values in given:
                self.progress.total += parsed(values).images
                self.count(parsed(values))
            return
        _ = self.dissection.source  # loaded while the job is at its pilot
        self.progress.begin("waiting for spans")
        while True:
            if not any(self.count(span) for span in self.folder.requested()):
                time.sleep(POLL_S)

    def count(self, span: Span) -> bool:
        """Count a span, unless its counts are there or another process is at it."""
        file = self.folder.counts(span)
        if file.exists():
            return False
        lock = self.folder.lock(span)
        if lock is None:
            return False
        try:
            # Asked for a while ago, perhaps: by now its counts may be there, or be merged and removed.
            if file.exists() or not (self.spec.request["spans"] or span in self.folder.requested()):
                return False
            task = self.dissection
            edges = Edges.load(self.folder.edges(span.key))
            thresholds = None
            if span.part == "evaluation":
                thresholds = Thresholds.load(self.folder.thresholds(span.key))
            counts = counted(task, span, edges, thresholds, task.labels, self._look)
            with files.replacing(file) as aside:
                counts.save(aside)
        finally:
            lock.release()
        return True

    def _look(self) -> None:
        """End when the run's job has ended. A helper need not look: it dies with its job."""
        if not self.spec.request["spans"] or time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        job = str(self.spec.request["job"])
        if not self._client.unfinished(job):
            raise GanatomyError(f"Job {job}, which this is a part of, has ended.")

    @cached_property
    def _client(self) -> Client:
        return Client(self.spec.layout, patient=True)


def work(spec: process.Spec, progress: Progress) -> None:
    """Count spans for the job on standard input."""
    SpanTask(spec, progress).run()


if __name__ == "__main__":
    process.main(work, alone=False)
