"""The task of a full dissection: `python -P -m jobs.tasks.full`.

It reads the dissection that has ended, chooses concepts, and queues their causes. It loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from db.permissions import WORKER
from db.queries import causes
from jobs.kinds import catalogue
from jobs.kinds.causes import CausesRequest
from jobs.kinds.full import FullRequest
from jobs.kinds.requests import When
from jobs.queue.client import Client
from jobs.tasks.task import Task, main


def causes_requests(request: FullRequest, parent: str, layout: Layout) -> list[CausesRequest]:
    """The causes to learn: of the concepts with the clearest units, each at the layer of its clearest."""
    best = causes.best_pairs(store.open(layout), parent, request.best)
    same = {name: getattr(request, name) for name in ("generator", "segmenter", "seed", *request.UNHASHED)}
    return [
        CausesRequest(**same, layer=layer, concept=concept, parent=parent)
        for layer, concept in zip(best["layer"], best["concept"], strict=True)
    ]


@dataclass
class FullTask(Task[FullRequest]):
    """Queues what follows the dissection; what is queued or there already is recognised."""

    def run(self) -> None:
        layout = self.spec.layout
        dissection, parent = self.request.dissection().resolve(layout)
        if not catalogue.finished(layout, parent):
            raise GanatomyError(
                f"The dissection that this needs is not there; run `{dissection.command()}` first."
            )
        client = Client(layout, patient=True, person=WORKER)
        when = When(priority=client.job(self.spec.job_id).priority)
        requests = causes_requests(self.request, parent, layout)
        self.progress.total = len(requests)
        self.progress.begin("queueing")
        for request in requests:
            structlog.get_logger().info(client.submit(request, when).message, what=request.title())
            self.progress.advance(1)


if __name__ == "__main__":
    main(FullTask)
