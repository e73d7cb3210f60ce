"""The process behind a full dissection: `python -P -m jobs.tasks.full`. It reads the dissection that has
ended, chooses concepts, and queues what comes next; it loads no model."""

from __future__ import annotations

import structlog

from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from db.queries import causes
from jobs.kinds import catalogue
from jobs.kinds.requests import CausesRequest, FullRequest, When
from jobs.queue.client import Client
from jobs.tasks import process
from jobs.tasks.progress import Progress


def chosen(request: FullRequest, parent: str, layout: Layout) -> list[CausesRequest]:
    """The causes to learn: of the concepts with the clearest units, each at the layer of its clearest."""
    best = causes.best_pairs(store.open(layout), parent, request.best)
    same = {name: getattr(request, name) for name in ("generator", "segmenter", "seed", *request.UNHASHED)}
    return [
        CausesRequest(**same, layer=layer, concept=concept, parent=parent)
        for layer, concept in zip(best["layer"], best["concept"], strict=True)
    ]


def work(spec: process.Spec, progress: Progress) -> None:
    """Queue what follows the dissection; what is queued or there already is recognised."""
    request = FullRequest.model_validate(spec.request)
    dissection, parent = request.dissection().resolve(spec.layout)
    if not catalogue.finished(spec.layout, parent):
        raise GanatomyError(
            f"The dissection that this stands on is not there; run `{dissection.command()}` first."
        )
    client = Client(spec.layout)
    when = When(priority=client.job(spec.job_id).priority)
    requests = chosen(request, parent, spec.layout)
    progress.total = len(requests)
    progress.begin("queueing")
    for one in requests:
        structlog.get_logger().info(client.submit(one, when).message, what=one.title())
        progress.advance(1)


if __name__ == "__main__":
    process.main(work)
