"""The durable workflows. A killed worker's jobs start again at the step that had not ended; that step is
idempotent, because the heavy process keeps its shards in files and goes on from them. Imported by workers
only."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from dbos import DBOS

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.times import utc_now
from jobs.kinds.requests import KINDS, When, parse
from jobs.queue import database
from jobs.queue.client import Client
from jobs.system import live
from jobs.tasks.process import Spec
from jobs.worker import notices
from jobs.worker.supervision import Watch


class JobError(Exception):
    """Why a job failed, in one sentence."""


@dataclass
class Means:
    """What the workflows of this process work with; set once, before DBOS is launched."""

    client: Client
    watch: Watch


means: Means


def use(client: Client, watch: Watch) -> None:
    """Give the workflows their means."""
    global means
    means = Means(client, watch)


@DBOS.workflow(name=database.RUN_JOB, max_recovery_attempts=1000)
def run_job(kind: str, request: dict[str, Any], run_id: str) -> str:
    """One job, from a slot to its last publication. Returns the run."""
    job_id = str(DBOS.workflow_id)
    try:
        work(job_id, kind, request, run_id)
    except JobError as error:
        tell(job_id, kind, request, run_id, f"failed: {error}")
        raise
    tell(job_id, kind, request, run_id, "done")
    return run_id


@DBOS.step(name="ganatomy.work")
def work(job_id: str, kind: str, request: dict[str, Any], run_id: str) -> str:
    """The heavy part, in processes of its own."""
    log = structlog.get_logger()
    log.info("job starts", job=job_id, run=run_id)
    now = utc_now().isoformat()
    spec = Spec(str(means.client.layout.root), job_id, run_id, kind, request, "", "", 1, now)
    outcome = means.watch.run(spec, KINDS[kind].MODULE)
    log.info("job ends", job=job_id, run=run_id, end=outcome.end, reason=outcome.reason)
    if outcome.end == "stopping":
        threading.Event().wait()  # this process is about to end; the job must stay unfinished in the queue
    if outcome.end == "cancelled":
        live.forget(means.client.layout, job_id, "watch")
        raise JobError("It was cancelled.")
    if outcome.end == "failed":
        raise JobError(outcome.reason)
    return run_id


@DBOS.step(name="ganatomy.tell")
def tell(job_id: str, kind: str, request: dict[str, Any], run_id: str, how: str) -> str:
    """Tell whoever wants to know that a job has ended."""
    try:
        title = parse(kind, request).title()
    except GanatomyError:  # asked for by a version that knew other fields; its end is told all the same
        title = kind
    return notices.send(means.watch.settings.notify, f"{title}: {how}", f"job {job_id}, run {run_id}")


@DBOS.workflow(name=database.FIRE)
def fire(scheduled_at: datetime, context: Any) -> str:
    """The clock asks: queue the schedule's request. Returns what came of it, for the schedule's page."""
    return submit(context)


@DBOS.step(name="ganatomy.submit")
def submit(context: dict[str, Any]) -> str:
    """Queue a schedule's request; a failure is an answer, so that the schedule goes on."""
    try:
        request = parse(context["kind"], context["request"])
        when = When(priority=context.get("priority", 5))
        return means.client.submit(request, when, schedule=context["name"]).message
    except (GanatomyError, StoreError) as error:
        structlog.get_logger().warning("schedule failed", schedule=context.get("name"), reason=str(error))
        return str(error)
