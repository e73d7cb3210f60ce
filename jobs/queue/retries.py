"""Jobs that are put back in the queue, and with them what was dropped because they failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from jobs.kinds import catalogue
from jobs.kinds.requests import Request, When, parse
from jobs.queue import database, fairness, workers
from jobs.queue import rows as reading
from jobs.queue.records import Job, Submission
from jobs.system import live

if TYPE_CHECKING:
    from jobs.queue.client import Client


def retry(client: Client, job: Job) -> Submission:
    """Put a job back, and behind it, in order, what waited for it. Raises `GanatomyError` when it neither
    failed nor was cancelled."""
    if job.state not in ("failed", "cancelled"):
        raise GanatomyError(f"Job {job.id} is {job.state}; only failed and cancelled jobs can be retried.")
    again = _again(client, job, parse(job.kind, job.request))
    back = _bring_back(client, job.id, again.job_id)
    stages = "later stage waits" if back == 1 else "later stages wait"
    behind = f" {back} {stages} behind it again." if back and again.job_id else ""
    return replace(again, message=again.message + behind)


def _again(client: Client, job: Job, request: Request) -> Submission:
    """Put one job back, unless its results are there by now or another job is at them."""
    _, run = catalogue.resolve(client.layout, request)
    twin = any(reading.arguments(row)[2] == run for row in client.active())
    if run != job.run_id or twin or catalogue.finished(client.layout, run):
        # Other weights by now are another run, so another job; the rest `submit` recognises.
        return client.submit(request, When(priority=job.priority))
    workers.must_have(client.layout, request.device)
    live.forget(client.layout, job.id, "progress", "watch")  # what the last attempt said
    client.queue.rewind_workflow(job.id, application_version=database.VERSION, queue_name=database.JOBS)
    return Submission(job.id, run, False, f"Queued again as job {job.id}.")


def _bring_back(client: Client, job_id: str, behind: str | None) -> int:
    """Queue again what was dropped since it waited for `job_id`, and what waited for that: now behind job
    `behind`, or at once when there is no need to wait. New first, then the old row goes: a kill between the
    two loses nothing. How many."""
    rows = client.queue.list_workflows(name=database.RUN_JOB, status="CANCELLED", load_output=False)
    count = 0
    for row in rows:
        said = row.attributes or {}
        if said.get("after") != job_id or reading.DROPPED not in said:  # without it somebody cancelled it
            continue
        kind, values, _run = reading.arguments(row)
        when = When(priority=fairness.urgency(row.priority), after=behind, at=said.get(reading.NOT_BEFORE))
        try:
            made = client.submit(parse(kind, values), when, schedule=said.get("schedule"))
        except (GanatomyError, StoreError):
            continue  # its model is gone, say; the row stays, and says that it was dropped
        count += 1 + _bring_back(client, row.workflow_id, made.job_id or behind)
        _repoint(client, row.workflow_id, made.job_id)
        client.queue.delete_workflow(row.workflow_id)
    return count


def _repoint(client: Client, gone: str, behind: str | None) -> None:
    """What was not dropped yet and waits for a job that was queued anew: now it waits for the new one."""
    waiting = client.queue.list_workflows(name=database.RUN_JOB, status="DELAYED", load_input=False)
    for row in waiting:
        if (row.attributes or {}).get("after") == gone:
            client.queue.update_workflow_attributes(row.workflow_id, {"after": behind}, merge=True)
            if behind is None:
                client.queue.set_workflow_delay(row.workflow_id, delay_seconds=0)
