"""The durable workflows: a job, and the firing of a schedule. Only workers import this module.

DBOS writes the result of each finished step to the queue's file. When a worker dies, another one runs its
workflows again and takes finished steps from there, so only the interrupted step runs twice. That step is
idempotent: the job process saves what it has in files and continues from them.
"""

from __future__ import annotations

import threading
from datetime import datetime

import structlog
from dbos import DBOS

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.times import utc_now
from jobs.kinds.requests import KINDS, When, parse
from jobs.queue import database
from jobs.queue.records import Firing
from jobs.system import live
from jobs.system.live import JsonObject
from jobs.tasks.process import Spec
from jobs.worker import notices
from jobs.worker.supervision import JobRunner


class JobError(Exception):
    """Why a job failed, in one sentence."""


_runner: JobRunner | None = None  # one per process, as DBOS calls the workflows without an object of ours


def register(new: JobRunner) -> None:
    """Give the workflows a job runner. Call this before `DBOS.launch()`, which resumes old workflows."""
    global _runner
    _runner = new


def runner() -> JobRunner:
    """The registered job runner; `RuntimeError` when there is none."""
    if _runner is None:
        raise RuntimeError("There is no job runner; call workflows.register() before DBOS.launch().")
    return _runner


@DBOS.workflow(name=database.RUN_JOB, max_recovery_attempts=1000)
def run_job(kind: str, request: JsonObject, run_id: str) -> str:
    """One job, from its slot to its last publication. Returns the run's id."""
    job_id = str(DBOS.workflow_id)
    try:
        run_process(job_id, kind, request, run_id)
    except JobError as error:
        notify(job_id, kind, request, run_id, f"failed: {error}")
        raise
    notify(job_id, kind, request, run_id, "done")
    return run_id


@DBOS.step(name="ganatomy.work")
def run_process(job_id: str, kind: str, request: JsonObject, run_id: str) -> str:
    """The work itself, in a job process (or several, when one is killed)."""
    with structlog.contextvars.bound_contextvars(job=job_id, run=run_id):
        return _run_process(job_id, kind, request, run_id)


def _run_process(job_id: str, kind: str, request: JsonObject, run_id: str) -> str:
    log = structlog.get_logger()
    log.info("job starts")
    layout = runner().client.layout
    try:
        parse(kind, request)
    except GanatomyError as error:
        raise JobError(
            f"Another version of Ganatomy queued it, and this one cannot run it. {error}"
        ) from None
    spec = Spec(str(layout.root), job_id, run_id, kind, request, "", "", 1, utc_now().isoformat())
    outcome = runner().run(spec, KINDS[kind].task)
    log.info("job ends", end=outcome.end, reason=outcome.reason)
    if outcome.end == "stopping":
        # The worker is about to end. Neither a result nor an error may be recorded for this step, or the job
        # would count as ended; so the thread waits here until the process is gone.
        threading.Event().wait()
    if outcome.end == "cancelled":
        live.forget(layout, job_id, "watch")
        raise JobError("It was cancelled.")
    if outcome.end == "failed":
        raise JobError(outcome.reason)
    return run_id


@DBOS.workflow(name=database.RUN_SPAN, max_recovery_attempts=1000)
def run_span(work: JsonObject) -> str:
    """One span of a dissection that another job process merges (`jobs.spans.queue`)."""
    return count_span(str(DBOS.workflow_id), work)


@DBOS.step(name="ganatomy.count")
def count_span(child: str, work: JsonObject) -> str:
    """The span itself, in a job process. A span whose job has ended is not counted."""
    layout, run = runner().client.layout, str(work["run"])
    with structlog.contextvars.bound_contextvars(job=str(work["job"]), run=run, span=child):
        if not runner().client.unfinished(str(work["job"])):
            raise JobError(f"Job {work['job']}, which this is a part of, has ended.")
        spec = Spec(str(layout.root), child, run, "dissect", work, "", "", 1, utc_now().isoformat())
        outcome = runner().run(spec, "jobs.tasks.span", whole=False)
        structlog.get_logger().info("span ends", end=outcome.end, reason=outcome.reason)
        if outcome.end == "stopping":
            threading.Event().wait()  # as in `_run_process`
        if outcome.end != "done":
            raise JobError(outcome.reason or "It was cancelled.")
        return child


@DBOS.step(name="ganatomy.tell")
def notify(job_id: str, kind: str, request: JsonObject, run_id: str, result: str) -> str:
    """Send a notice that the job has ended, to the addresses in the settings."""
    try:
        title = parse(kind, request).title()
    except GanatomyError:  # another version of Ganatomy wrote the request; the notice is sent all the same
        title = kind
    addresses = runner().settings.notify
    with structlog.contextvars.bound_contextvars(job=job_id, run=run_id):
        return notices.send(addresses, f"{title}: {result}", f"job {job_id}, run {run_id}")


@DBOS.workflow(name=database.FIRE)
def fire(scheduled_at: datetime, schedule: JsonObject) -> JsonObject:
    """A schedule's time has come: queue its request. Returns a `Firing` as a dictionary."""
    return submit(schedule)


@DBOS.step(name="ganatomy.submit")
def submit(schedule: JsonObject) -> JsonObject:
    """Queue a schedule's request. A refusal is a result too, so that the schedule goes on."""
    try:
        request = parse(schedule["kind"], schedule["request"])
        when = When(priority=schedule.get("priority", 5))
        made = runner().client.submit(request, when, schedule=schedule["name"])
        return Firing(made.message, made.job_id, made.run_id).plain()
    except (GanatomyError, StoreError) as error:
        structlog.get_logger().warning("schedule failed", schedule=schedule.get("name"), reason=str(error))
        return Firing(str(error)).plain()
