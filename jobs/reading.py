"""The queue's rows, with the live files beside them, as `JobView`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from dbos import WorkflowStatus

from analysis.errors import GanatomyError
from db.layout import Layout
from jobs import live
from jobs.fairness import urgency
from jobs.requests import KINDS, Request
from jobs.views import JobView, State

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


def view(layout: Layout, status: WorkflowStatus) -> JobView:
    """One row of the queue and what its heavy process last said."""
    kind, values, run = arguments(status)
    state = STATES[status.status]
    attributes = status.attributes or {}
    progress = live.read(live.path(layout, status.workflow_id, "progress"))
    watch = live.read(live.path(layout, status.workflow_id, "watch"))
    running = state == "running"
    request = _request(kind, values)
    return JobView(
        id=status.workflow_id,
        kind=kind,
        state=state,
        title=request.title() if request else kind,
        owner=values.get("owner", ""),
        project=values.get("project", ""),
        priority=urgency(status.priority),
        created_at=_time(status.created_at) or live.now(),
        started_at=_time(status.dequeued_at),
        finished_at=_time(status.completed_at),
        not_before=None if attributes.get("after") else _time(status.delay_until_epoch_ms),
        run_id=run,
        stage=_stage(state, progress, watch, attributes),
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
        error=_error(status, state, watch),
        command=request.command() if request else "",
        schedule=attributes.get("schedule"),
        request=values,
    )


def arguments(status: WorkflowStatus) -> tuple[str, dict[str, Any], str]:
    """Kind, request and run of a job's row."""
    args = (status.input or {"args": ()})["args"] if isinstance(status.input, dict) else ()
    if len(args) != 3:
        raise GanatomyError(f"The job {status.workflow_id} is damaged in the queue; cancel it and ask again.")
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


def _error(status: WorkflowStatus, state: State, watch: dict[str, Any]) -> str | None:
    if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "Its worker died again and again while it ran; read the log, then retry it."
    if state == "failed":
        return str(status.error) if status.error else "It failed without a reason; read the log."
    return watch.get("error") if state == "cancelled" else None


def _time(milliseconds: int | None) -> datetime | None:
    """Naive UTC, as everywhere in the store."""
    return (
        None
        if milliseconds is None
        else datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    )
