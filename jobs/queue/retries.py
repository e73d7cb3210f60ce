"""Retries: a failed or cancelled job goes back in the queue, and with it what was dropped because of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from jobs.kinds import catalogue
from jobs.kinds.requests import When, parse
from jobs.queue import database, fairness, reports, rows, workers
from jobs.queue.records import Job, Submission

if TYPE_CHECKING:
    from jobs.queue.client import Client


def retry(client: Client, job: Job) -> Submission:
    """Queue a job again, and behind it, in order, the jobs that waited for it.

    Raises:
        GanatomyError: The job neither failed nor was cancelled.
    """
    if job.state not in ("failed", "cancelled"):
        raise GanatomyError(f"Job {job.id} is {job.state}; only failed and cancelled jobs can be retried.")
    submission = _requeue(client, job)
    count = _requeue_dropped(client, job.id, submission.job_id)
    if not count or not submission.job_id:
        return submission
    stages = "later stage waits" if count == 1 else "later stages wait"
    return replace(submission, message=f"{submission.message} {count} {stages} behind it again.")


def _requeue(client: Client, job: Job) -> Submission:
    """Queue one job again, unless its results exist by now or another job makes them."""
    request = parse(job.kind, job.request)
    _, run = request.resolve(client.layout)
    twin = any(active.run_id == run for active in client.active())
    if run != job.run_id or twin or catalogue.finished(client.layout, run):
        # With other weights it is another run, so another job. `submit` recognises the other two cases.
        return client.submit(request, When(priority=job.priority))
    workers.require_device(client.layout, request.device)
    reports.forget(client.layout, job.id)  # they describe the last attempt
    queue = database.queue_name(request.device)
    client.queue.rewind_workflow(job.id, application_version=database.VERSION, queue_name=queue)
    return Submission(job.id, run, False, f"Queued again as job {job.id}.")


def _requeue_dropped(client: Client, job_id: str, after: str | None) -> int:
    """Queue again the jobs that were dropped because `job_id` failed, and those that waited for them.

    They now wait for job `after`, or for none. Returns their number. Each new row is written before the old
    one is deleted, so that a kill between the two loses nothing.
    """
    cancelled = client.queue.list_workflows(name=database.RUN_JOB, status="CANCELLED", load_output=False)
    count = 0
    for row in cancelled:
        attributes = row.attributes or {}
        if attributes.get("after") != job_id or rows.DROPPED not in attributes:  # a person cancelled it
            continue
        kind, values, _run = rows.arguments(row)
        not_before = attributes.get(rows.NOT_BEFORE)
        when = When(priority=fairness.urgency(row.priority), after=after, at=not_before)
        try:
            made = client.submit(parse(kind, values), when, schedule=attributes.get("schedule"))
        except (GanatomyError, StoreError):  # its model is gone, say: the row stays, with the reason
            continue
        count += 1 + _requeue_dropped(client, row.workflow_id, made.job_id or after)
        _repoint(client, row.workflow_id, made.job_id)
        client.queue.delete_workflow(row.workflow_id)
    return count


def _repoint(client: Client, old: str, new: str | None) -> None:
    """Let jobs that still wait for `old` wait for `new` instead, or for none."""
    waiting = client.queue.list_workflows(name=database.RUN_JOB, status="DELAYED", load_input=False)
    for row in waiting:
        if (row.attributes or {}).get("after") == old:
            client.queue.update_workflow_attributes(row.workflow_id, {"after": new}, merge=True)
            if new is None:
                client.queue.set_workflow_delay(row.workflow_id, delay_seconds=0)
