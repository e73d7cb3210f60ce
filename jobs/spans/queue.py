"""Spans as children on the queue of jobs: every worker that shares the store takes some.

A child is a workflow of its own name, so that lists of jobs show the run's job only. Its id is the run and
the span: asking twice is asking once. A helper in the job's own slot counts too. It takes what no worker has
begun, so that a job never waits for workers that are not there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from dbos import EnqueueOptions

from analysis.dissection.spans import Span
from db.layout import Layout
from jobs.queue import database, rows
from jobs.queue.client import Client
from jobs.spans.folder import SpanFolder, plain
from jobs.spans.helpers import Helpers, span_request
from jobs.spans.runner import finished
from jobs.system import live
from jobs.system.live import JsonObject

LOOK_S = 0.5  # between two looks at the queue


class QueueRunner:
    """The runner `queue`. `beat` is called when some process got further, with the slots in use here."""

    def __init__(
        self, spec: JsonObject, layout: Layout, folder: SpanFolder, beat: Callable[[int], None]
    ) -> None:
        self.spec, self.layout, self.folder, self.beat = spec, layout, folder, beat
        self.client = Client(layout, patient=True)
        self.helpers = Helpers(spec, layout, folder, greedy=False)
        self._requested: dict[str, Span] = {}  # children that are in the queue, by id
        self._states: dict[str, str] = {}  # of those, as they were last seen
        self._refused: set[Span] = set()  # no worker could count them; they are left to the helper
        self._looked = float("-inf")
        found = self.client.queue.list_workflows(workflow_ids=[str(spec["job_id"])], load_input=False)
        self._priority = found[0].priority if found else None

    def map(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Count spans with every worker of the store."""
        return finished(self.folder, spans, self._supervise)

    def _supervise(self, left: Sequence[Span]) -> None:
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            self._look(left)
        counted = {self._requested[child] for child in self._running()}
        # The helper takes what nobody has begun, and then the rest: a worker may have died, and where it
        # lives the lock of its span keeps the helper away.
        ordered = sorted(left, key=lambda span: (span in counted, span.start))
        if self.helpers.supervise(ordered, self._running()):
            self.beat(len(self.helpers.running))

    def _running(self) -> list[str]:
        return [child for child, state in self._states.items() if state == "PENDING"]

    def _look(self, left: Sequence[Span]) -> None:
        """Take children out of the queue that are of no use any more, and put in as many as can begin now.

        More would keep the jobs of other people waiting for the whole run.
        """
        self._states = self._read_states()
        for child, state in list(self._states.items()):
            span = self._requested[child]
            if state in rows.ACTIVE:
                # Done already, or begun by the helper. One that runs ends by itself.
                if state != "PENDING" and (span not in left or self.folder.locked(span)):
                    self._dismiss(child)
                continue
            if span in left and not self.folder.counts(span).exists():
                self._refused.add(span)  # its own log says why
                structlog.get_logger().warning("a worker did not count a span", span=span.name, state=state)
            self._dismiss(child)
        slots = {(worker.host, name) for worker in self.client.workers() for name in worker.devices}
        room = len(slots) - 1 - len(self._requested)  # the job itself has a slot
        known = {*self._refused, *self._requested.values()}
        free = [span for span in left if span not in known and not self.folder.locked(span)]
        for span in free[: max(0, room)]:
            self._ask(span)

    def _read_states(self) -> dict[str, str]:
        if not self._requested:
            return {}
        found = self.client.queue.list_workflows(
            workflow_ids=list(self._requested), load_input=False, load_output=False
        )
        states = {row.workflow_id: row.status for row in found}
        return {child: states.get(child, "GONE") for child in self._requested}

    def _ask(self, span: Span) -> None:
        child = f"{self.spec['run_id']}-{span.name}"
        options: EnqueueOptions = {
            "workflow_name": database.RUN_SPAN,
            "queue_name": database.queue_name(str(self.spec["device"])),
            "workflow_id": child,
        }
        if self._priority is not None:
            options["priority"] = self._priority
        queue = self.client.queue
        old = queue.list_workflows(workflow_ids=[child], load_input=False, load_output=False)
        if old and old[0].status not in rows.ACTIVE:
            queue.delete_workflow(child)  # of an attempt before; its counts are away
        queue.enqueue(options, span_request(self.spec, [plain(span)]))
        self._requested[child] = span

    def _dismiss(self, child: str) -> None:
        """Take a child out of the queue."""
        span = self._requested.pop(child, None)
        self._states.pop(child, None)
        queue = self.client.queue
        queue.cancel_workflow(child)
        queue.delete_workflow(child)
        live.forget(self.layout, child, "progress", "watch", "error")
        if span not in self._refused:
            (self.layout.logs / f"{child}.log").unlink(missing_ok=True)

    def close(self) -> None:
        """End the helper, and take the children out of the queue, those of earlier attempts too."""
        self.helpers.close()
        found = self.client.queue.list_workflows(
            name=database.RUN_SPAN,
            workflow_id_prefix=f"{self.spec['run_id']}-",
            load_input=False,
            load_output=False,
        )
        for row in found:
            self._dismiss(row.workflow_id)
