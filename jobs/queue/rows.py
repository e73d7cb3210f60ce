"""The queue's rows, with the live files beside them, as `Job`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any, cast

from dbos import WorkflowStatus

from db.layout import Layout
from db.times import utc_now
from jobs.kinds.requests import KINDS, Request
from jobs.queue import workers
from jobs.queue.fairness import urgency
from jobs.queue.records import Job, State
from jobs.system import live

STATES: dict[str, State] = {
    "DELAYED": "waiting",
    "ENQUEUED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
ACTIVE = ["DELAYED", "ENQUEUED", "PENDING"]
NOT_BEFORE = "not_before"  # attribute: the time that a job waits for once its predecessor is done
DROPPED = "dropped"  # attribute: why a job was cancelled, not by a person, before it began
DAMAGED = "a job that is damaged in the queue; cancel it and ask again"
INTERRUPTED = "interrupted: its worker is gone; it goes on when one starts"


def views(layout: Layout, rows: Sequence[WorkflowStatus]) -> list[Job]:
    """Rows of the queue as people see them."""
    alive = {worker.slot for worker in workers.alive(layout)}
    return [view(layout, row, alive) for row in rows]


def view(layout: Layout, status: WorkflowStatus, alive: Set[str]) -> Job:
    """One row of the queue and what its heavy process last said. `alive`: the workers of this machine that
    run; a job that none of them works on is back in the queue, whatever its row says."""
    kind, values, run = arguments(status)
    interrupted = status.status == "PENDING" and _abandoned(status.executor_id, alive)
    state: State = "queued" if interrupted else STATES[status.status]
    attributes = status.attributes or {}
    progress = live.read(live.path(layout, status.workflow_id, "progress"))
    watch = live.read(live.path(layout, status.workflow_id, "watch"))
    running = state == "running"
    request = _request(kind, values)
    return Job(
        id=status.workflow_id,
        kind=kind,
        state=state,
        title=request.title() if request else kind,
        owner=values.get("owner", ""),
        project=values.get("project", ""),
        priority=urgency(status.priority),
        created_at=moment(status.created_at) or utc_now(),
        started_at=moment(status.dequeued_at),
        finished_at=moment(status.completed_at),
        not_before=None if attributes.get("after") else moment(status.delay_until_epoch_ms),
        run_id=run,
        stage=INTERRUPTED if interrupted else _stage(state, progress, watch, attributes),
        done=progress.get("done", 0),
        total=progress.get("total", 0),
        images_per_s=progress.get("images_per_s"),
        seconds_left=progress.get("seconds_left") if running else None,
        published=progress.get("published", 0),
        device=watch.get("device"),
        cpu_percent=watch.get("cpu_percent") if running else None,
        memory_bytes=watch.get("memory_bytes") if running else None,
        gpu_memory_bytes=progress.get("gpu_memory_bytes") if running else None,
        worker=status.executor_id if running else None,
        error=_error(status, state, attributes),
        command=request.command() if request else "",
        schedule=attributes.get("schedule"),
        request=values,
    )


def arguments(status: WorkflowStatus) -> tuple[str, dict[str, Any], str]:
    """Kind, request and run of a job's row."""
    args = (status.input or {"args": ()})["args"] if isinstance(status.input, dict) else ()
    if len(args) != 3 or not isinstance(args[1], dict):
        return (DAMAGED, {}, "")  # one such row must not hide the others, and can be cancelled
    return cast("tuple[str, dict[str, Any], str]", tuple(args))


def _request(kind: str, values: dict[str, Any]) -> Request | None:
    """The request, or None when it was written by a version that knew other fields."""
    try:
        return KINDS[kind].model_validate(values)
    except (KeyError, ValueError):
        return None


def _stage(state: State, progress: dict[str, Any], watch: dict[str, Any], attributes: dict[str, Any]) -> str:
    if state == "waiting":
        return f"after {attributes['after']}" if attributes.get("after") else "later"
    if state == "running":
        return watch.get("waiting") or progress.get("stage") or "starting"
    return "" if state != "done" else progress.get("stage", "done")


def _abandoned(executor: str | None, alive: Set[str]) -> bool:
    """True when the worker of a running job was one of this machine's and is not there any more."""
    return bool(executor) and str(executor).startswith(f"{workers.host()}/") and executor not in alive


def _error(status: WorkflowStatus, state: State, attributes: dict[str, Any]) -> str | None:
    if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "Its worker died again and again while it ran; read the log, then retry it."
    if state == "failed":
        return str(status.error) if status.error else "It failed without a reason; read the log."
    return attributes.get(DROPPED) if state == "cancelled" else None


def moment(milliseconds: int | None) -> datetime | None:
    """Naive UTC, as everywhere in the store."""
    return (
        None
        if milliseconds is None
        else datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    )
