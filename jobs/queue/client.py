"""What the dashboard and the command line do with jobs. Free of torch.

client = Client.at("store")
submission = client.submit(DissectionRequest(generator="faces", images=400, calibration=200))
client.job(submission.job_id).state
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from dbos import DBOSClient, WorkflowStatus

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.requests import Request, When, parse
from jobs.queue import database, fairness, retries, workers
from jobs.queue import rows as reading
from jobs.queue import schedules as clock
from jobs.queue.records import (
    Estimate,
    ImagesNeeded,
    Job,
    Schedule,
    Submission,
    Worker,
)
from jobs.render import client
from jobs.render.client import RenderResult
from jobs.system.settings import Settings

FAR = 10 * 365 * 86400.0  # seconds: a job that waits for another is let go by the worker, not by the clock


class Client:
    """Jobs, schedules, models and pictures of the store at `layout`. Safe to share between threads."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def at(cls, root: str | Path | None = None) -> Client:
        """The client of the store at `root`, else GANATOMY_STORE, else ./store; the folder is made if
        missing."""
        return cls(Layout.create(Path(root) if root else Settings().store))

    @cached_property
    def queue(self) -> DBOSClient:
        """The connection to the queue, made when it is first needed."""
        database.ensure(self.layout)
        return database.connect(self.layout)

    # jobs

    def submit(self, request: Request, when: When | None = None, schedule: str | None = None) -> Submission:
        """Queue a request, unless a finished run or an unfinished job of the same content is there."""
        when = when or When()
        if when.after is not None:
            self._must_not_have_failed(when.after)
        request, run = catalogue.resolve(self.layout, request)
        if catalogue.finished(self.layout, run):
            return Submission(None, run, True, f"Already there: run {run}.")
        workers.must_have(self.layout, request.device)
        active = self.active()
        twin = next((row for row in active if reading.arguments(row)[2] == run), None)
        if twin is not None:
            return Submission(twin.workflow_id, run, True, f"Already asked for: job {twin.workflow_id}.")
        for earlier in request.before():  # what it stands on is queued with it, and waited for
            made = self.submit(earlier, when, schedule)
            when = when.model_copy(update={"after": made.job_id or when.after})
        job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        holder = self._enqueue(job_id, request, run, when, schedule, active)
        if holder != job_id:
            return Submission(holder, run, True, f"Already asked for: job {holder}.")
        return Submission(job_id, run, False, f"Queued as job {job_id}.")

    def _must_not_have_failed(self, name: str) -> None:
        """A job to wait for is there, and may still be done."""
        job = self.job(name)
        if job.state in ("failed", "cancelled"):
            how = "failed" if job.state == "failed" else "was cancelled"
            raise GanatomyError(f"Job {name}, to be waited for, {how}; retry it first, or name another.")

    def _enqueue(
        self,
        job_id: str,
        request: Request,
        run: str,
        when: When,
        schedule: str | None,
        active: list[WorkflowStatus],
    ) -> str:
        delay = self._delay(when)
        behind = delay == FAR
        attributes = {"after": when.after if behind else None, "schedule": schedule}
        attributes |= {reading.NOT_BEFORE: when.at.isoformat()} if behind and when.at else {}
        handle: Any = self.queue.enqueue(
            {
                "workflow_name": database.RUN_JOB,
                "queue_name": database.JOBS,
                "workflow_id": job_id,
                "deduplication_id": run,
                "duplication_policy": "return-existing",
                "priority": fairness.number(when.priority, request.owner, _places(active)),
                "attributes": attributes,
                **({"delay_seconds": delay} if delay else {}),  # type: ignore[typeddict-item]
            },
            request.KIND,
            request.model_dump(mode="json"),
            run,
        )
        return str(handle.get_workflow_id())

    def _delay(self, when: When) -> float:
        """Seconds that the job waits: none, until its time, or for as long as it takes another job."""
        if when.after is not None and not self.job(when.after).ended:
            return FAR
        return when.seconds_left()

    def pipeline(self, requests: Sequence[Request], when: When | None = None) -> list[Submission]:
        """Queue several requests, each behind the one before; a stage whose results are there is passed
        over."""
        submissions: list[Submission] = []
        when = when or When()
        for request in requests:
            submissions.append(self.submit(request, when))
            when = when.model_copy(update={"after": submissions[-1].job_id or when.after, "at": None})
        return submissions

    def jobs(self, limit: int = 200) -> list[Job]:
        """The newest jobs, newest first."""
        rows = self.queue.list_workflows(name=database.RUN_JOB, limit=limit, sort_desc=True)
        return reading.views(self.layout, rows)

    def job(self, job_id: str) -> Job:
        """One job; `GanatomyError` when there is none of that name."""
        rows = self.queue.list_workflows(workflow_ids=[_known(job_id)], name=database.RUN_JOB)
        if not rows:
            raise GanatomyError(f"There is no job {job_id}; `ganatomy jobs list` names those that there are.")
        return reading.views(self.layout, rows)[0]

    def results(self, job: Job) -> tuple[str, str] | None:
        """Kind and run that show what a job has found so far; None while nothing of it is published."""
        try:
            shown = parse(job.kind, job.request).shows()
            run = str(job.run_id) if job.kind == shown.KIND else catalogue.resolve(self.layout, shown)[1]
        except GanatomyError:  # by a version that knew other fields, or its model is gone
            return None
        return (shown.KIND, run) if (self.layout.bundles / run).is_dir() else None

    def cancel(self, job_id: str) -> Job:
        """Stop a job, queued or running; its heavy process ends within a second or two. Shards are kept."""
        job = self.job(job_id)
        if job.ended:
            raise GanatomyError(f"Job {job_id} is {job.state}; there is nothing to cancel.")
        self.queue.cancel_workflow(job_id)
        return self.job(job_id)

    def retry(self, job_id: str) -> Submission:
        """Put a failed or cancelled job back in the queue; it goes on from the shards that it has. What was
        dropped because it failed waits behind it again, in order."""
        return retries.retry(self, self.job(job_id))

    def active(self) -> list[WorkflowStatus]:
        """The queue's rows of jobs that have not ended."""
        return self.queue.list_workflows(name=database.RUN_JOB, status=reading.ACTIVE, load_output=False)

    def log(self, job_id: str, tail: int = 20_000) -> str:
        """The last `tail` characters of a job's log; empty when it has not begun."""
        file = self.layout.logs / f"{_known(job_id)}.log"
        try:
            with file.open("rb") as stream:
                stream.seek(max(0, file.stat().st_size - tail))
                return stream.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def log_from(self, job_id: str, place: int) -> tuple[str, int]:
        """What a job's log says from a byte on, in whole lines, and the byte to go on from."""
        file = self.layout.logs / f"{_known(job_id)}.log"
        try:
            with file.open("rb") as stream:
                stream.seek(place)
                lines, newline, _rest = stream.read().rpartition(b"\n")
        except FileNotFoundError:
            return "", place
        return (lines + newline).decode(errors="replace"), place + len(lines + newline)

    def estimate(self, request: Request) -> Estimate:
        """Time and disk that a request is likely to take, from earlier runs in this store."""
        from jobs.queue import estimates  # pandas and DuckDB: a second that other commands need not spend

        return estimates.estimate(self.layout, request)

    def images_for(self, request: Request, width: float) -> ImagesNeeded | None:
        """How many evaluation images bring the named units' intervals under a width, as the newest run of
        the same generator and segmenter has it; None when there is none to go by."""
        from jobs.queue import estimates

        return estimates.images_for(self.layout, request, width)

    def workers(self) -> list[Worker]:
        """The worker processes that are alive on this machine."""
        return workers.alive(self.layout)

    # the clock

    def schedule(self, name: str, request: Request, cron: str, when: When | None = None) -> Schedule:
        """Queue `request` whenever `cron` (five fields, UTC) says so; a schedule of that name is replaced."""
        workers.must_have(self.layout, request.device)
        return clock.create(self.queue, name, request, cron, when or When())

    def next_time(self, cron: str) -> datetime:
        """When a cron expression (five fields, UTC) comes next, naive UTC; `GanatomyError` if it is none."""
        return clock.following(cron)

    def schedules(self) -> list[Schedule]:
        """Every schedule, by name."""
        return clock.listed(self.queue)

    def pause(self, name: str) -> None:
        """The schedule queues nothing until it is resumed."""
        self.queue.pause_schedule(clock.known(self.queue, name))

    def resume(self, name: str) -> None:
        """The schedule queues again."""
        self.queue.resume_schedule(clock.known(self.queue, name))

    def unschedule(self, name: str) -> None:
        """Forget a schedule; what it queued stays."""
        self.queue.delete_schedule(clock.known(self.queue, name))

    def trigger(self, name: str) -> None:
        """Queue a schedule's request now, once."""
        self.queue.trigger_schedule(clock.known(self.queue, name))

    # models and pictures

    def models(self, role: str | None = None) -> list[dict[str, Any]]:
        """Generators and segmenters that are known, and whether their weights are here."""
        return catalogue.models(self.layout, role)

    def render(self, generator: str, edit: str, seed: int, latents: Sequence[int]) -> RenderResult:
        """Before, after and difference of an edit such as "ablate layer3 4,17,31", one picture a latent."""
        return client.render(self.layout, generator, edit, seed, latents)

    def pin(
        self,
        made: RenderResult,
        generator: str,
        edit: str,
        seed: int,
        latents: Sequence[int],
        author: str,
        shared: bool = True,
        run_id: str | None = None,
    ) -> str:
        """Keep a render as rows of table `render`, standing on run `run_id`; the name of its own run."""
        from jobs.render import pins

        return pins.pin(self.layout, made, generator, edit, seed, latents, author, shared, run_id)

    def render_ready(self) -> bool:
        """True when the render process answers."""
        return client.ready(self.layout)


def _known(job_id: str) -> str:
    """A job's name that is safe in a file name."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", job_id):
        raise GanatomyError(f"{job_id!r} is no job's name; `ganatomy jobs list` names those that there are.")
    return job_id


def _places(rows: list[WorkflowStatus]) -> list[fairness.Place]:
    return [
        fairness.Place(reading.arguments(row)[1].get("owner", ""), row.priority or 0, row.status == "PENDING")
        for row in rows
    ]
