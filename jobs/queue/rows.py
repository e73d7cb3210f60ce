"""The queue's rows, with the reports of their processes, as `Job` records."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import NamedTuple

from dbos import WorkflowStatus

from db.layout import Layout
from db.times import utc_now
from jobs.kinds.base import Request
from jobs.kinds.requests import KINDS
from jobs.queue import reports, workers
from jobs.queue.fairness import urgency
from jobs.queue.records import Job, State
from jobs.queue.reports import Report
from jobs.system.live import JsonObject

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
NOT_BEFORE = "not_before"  # attribute: the time that a job waits for after its predecessor is done
DROPPED = "dropped"  # attribute: why a job was cancelled before it began, when no person did it
DAMAGED = "a job that is damaged in the queue; cancel it and ask again"
INTERRUPTED = "interrupted: its worker is gone; it goes on when one starts"


class Arguments(NamedTuple):
    """The arguments of a job's workflow."""

    kind: str
    request: JsonObject
    run_id: str


def arguments(row: WorkflowStatus) -> Arguments:
    """The arguments in a job's row. A damaged row must not hide the others, and can be cancelled."""
    args = row.input.get("args", ()) if isinstance(row.input, dict) else ()
    if len(args) != 3 or not isinstance(args[1], dict):
        return Arguments(DAMAGED, {}, "")
    return Arguments(*args)


def known_request(kind: str, values: JsonObject) -> Request | None:
    """The request, or None when a version with other fields wrote it."""
    try:
        return KINDS[kind].request.model_validate(values)
    except (KeyError, ValueError):
        return None


def jobs(layout: Layout, found: Sequence[WorkflowStatus]) -> list[Job]:
    """Rows of the queue as jobs."""
    alive = {worker.slot for worker in workers.alive(layout)}
    said = reports.read(layout, [row.workflow_id for row in found])
    return [_job(row, said[row.workflow_id], alive) for row in found]


def _job(row: WorkflowStatus, report: Report, alive: Set[str]) -> Job:
    """One row, and what its worker and its job process last wrote."""
    kind, values, run = arguments(row)
    state = job_state(row.status, row.executor_id, alive)
    interrupted = row.status == "PENDING" and state == "queued"
    attributes = row.attributes or {}
    progress, watch = report.progress, report.watch
    running = state == "running"
    request = known_request(kind, values)
    return Job(
        id=row.workflow_id,
        kind=kind,
        state=state,
        title=request.title() if request else kind,
        owner=values.get("owner", ""),
        project=values.get("project", ""),
        priority=urgency(row.priority),
        created_at=time(row.created_at) or utc_now(),
        started_at=time(row.dequeued_at),
        finished_at=time(row.completed_at),
        not_before=None if attributes.get("after") else time(row.delay_until_epoch_ms),
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
        worker=row.executor_id if running else None,
        error=_error(row, state, attributes),
        command=request.command() if request else "",
        schedule=attributes.get("schedule"),
        request=values,
    )


def job_state(status: str, executor: str | None, alive: Set[str]) -> State:
    """A job's state from its row and the executors that are alive.

    A dead worker cannot change its rows, so DBOS goes on to call them PENDING until another worker recovers
    them.
    """
    return "queued" if status == "PENDING" and executor not in alive else STATES[status]


def _stage(state: State, progress: JsonObject, watch: JsonObject, attributes: JsonObject) -> str:
    if state == "waiting":
        return f"after {attributes['after']}" if attributes.get("after") else "later"
    if state == "running":
        return watch.get("waiting") or progress.get("stage") or "starting"
    return "" if state != "done" else progress.get("stage", "done")


def _error(row: WorkflowStatus, state: State, attributes: JsonObject) -> str | None:
    if row.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "Its worker died again and again while it ran; read the log, then retry it."
    if state == "failed":
        return str(row.error) if row.error else "It failed without a reason; read the log."
    return attributes.get(DROPPED) if state == "cancelled" else None


def time(milliseconds: int | None) -> datetime | None:
    """A time of DBOS (milliseconds since 1970) as naive UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
