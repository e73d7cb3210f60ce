"""What the dashboard and the command line do with jobs. Free of torch.

client = Client.at("store")
submission = client.submit(parse("dissect", {"generator": "faces", "images": 400, "calibration": 200}))
client.job(submission.job_id).state
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from dbos import DBOSClient, EnqueueOptions

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.times import utc_now
from jobs.kinds import catalogue
from jobs.kinds.base import Request
from jobs.kinds.requests import When, parse
from jobs.queue import (
    database,
    fairness,
    reports,
    results,
    retries,
    rows,
    schedules,
    server,
    shared_models,
    workers,
)
from jobs.queue.records import (
    Estimate,
    ImagesNeeded,
    Job,
    Overview,
    Schedule,
    State,
    Submission,
    Worker,
)
from jobs.render import client as render_client
from jobs.render.client import Activations, ActivationsRequest, MeasureRequest, MeasureResult, RenderResult
from jobs.system.settings import Settings

# The delay of a job that waits for another, in seconds. A worker releases it long before; DBOS itself knows
# no order between workflows.
UNTIL_RELEASED = 10 * 365 * 86400.0


class Client:
    """Jobs, schedules, models and pictures of the store at `layout`. Threads may share it.

    A call raises `GanatomyError` when the queue stays locked for some seconds. A `patient` client waits. A
    `read_only` client opens nothing for writing, and its calls that change something raise `GanatomyError`.
    """

    def __init__(self, layout: Layout, patient: bool = False, read_only: bool = False) -> None:
        self.layout, self.patient, self.read_only = layout, patient, read_only

    @classmethod
    def at(cls, root: str | Path | None = None) -> Client:
        """The client of the store at `root`, else GANATOMY_STORE, else ./store. Creates a missing folder."""
        return cls(Layout.create(Path(root) if root else Settings().store))

    @cached_property
    def queue(self) -> DBOSClient:
        """The connection to the queue, opened at first use."""
        if self.read_only and server.address() is None:
            if not database.ready(self.layout.queue):
                raise GanatomyError("This store has no queue that can be read, so no job can be shown.")
            return database.connect_for_reading(self.layout)
        database.ensure(self.layout)
        return database.connect(self.layout, self.patient)

    # jobs

    def submit(self, request: Request, when: When | None = None, schedule: str | None = None) -> Submission:
        """Queue a request, unless its results or an unfinished job for them exist.

        Requests that this one needs first (`Request.before`) are queued too, and it waits for them.

        Raises:
            GanatomyError: A model, a layer or a device is missing, or the job to wait for has failed.
        """
        when = when or When()
        if when.after is not None:
            before = self.job(when.after)
            if before.state in ("failed", "cancelled"):
                end = "failed" if before.state == "failed" else "was cancelled"
                raise GanatomyError(f"Job {before.id} {end}, so no job can wait for it; retry it first.")
        request, run = request.resolve(self.layout)
        results.collect(self.layout, run)
        if catalogue.finished(self.layout, run):
            return Submission(None, run, True, f"Already there: run {run}.")
        workers.require_device(self.layout, request.device)
        active = self.active()
        if twin := next((job for job in active if job.run_id == run), None):
            return Submission(twin.id, run, True, f"Already queued: job {twin.id}.")
        for needed in request.before():
            made = self.submit(needed, when, schedule)
            when = when.model_copy(update={"after": made.job_id or when.after})
        shared_models.send(self.layout, request, run)
        job_id = f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        queued = self._enqueue(job_id, request, run, when, schedule, active)
        if queued != job_id:  # somebody queued the same since we looked
            return Submission(queued, run, True, f"Already queued: job {queued}.")
        return Submission(job_id, run, False, f"Queued as job {job_id}.")

    def _enqueue(
        self,
        job_id: str,
        request: Request,
        run: str,
        when: When,
        schedule: str | None,
        active: list[database.ActiveJob],
    ) -> str:
        """Put a job in the queue; the id of the job that is there for this run afterwards."""
        waits = when.after is not None and not self.job(when.after).ended
        delay = UNTIL_RELEASED if waits else when.seconds_left()
        places = [fairness.Place(job.owner, job.priority, job.running) for job in active]
        options: EnqueueOptions = {
            "workflow_name": database.RUN_JOB,
            "queue_name": database.queue_name(request.device),
            "workflow_id": job_id,
            "deduplication_id": run,
            "duplication_policy": "return-existing",
            "priority": fairness.number(when.priority, request.owner, places),
            "attributes": {
                "after": when.after if waits else None,
                "schedule": schedule,
                **({rows.NOT_BEFORE: when.at.isoformat()} if waits and when.at else {}),
            },
        }
        if delay:
            options["delay_seconds"] = delay
        handle: Any = self.queue.enqueue(options, request.kind.command, request.model_dump(mode="json"), run)
        return str(handle.get_workflow_id())

    def pipeline(self, requests: Sequence[Request], when: When | None = None) -> list[Submission]:
        """Queue several requests, each behind the one before; finished ones are passed over."""
        submissions: list[Submission] = []
        when = when or When()
        for request in requests:
            submissions.append(self.submit(request, when))
            when = when.model_copy(update={"after": submissions[-1].job_id or when.after, "at": None})
        return submissions

    def jobs(self, limit: int = 200) -> list[Job]:
        """The newest jobs and, after them, older ones that run. Newest first."""
        found = self.queue.list_workflows(name=database.RUN_JOB, limit=limit, sort_desc=True)
        if len(found) == limit:
            newest = {row.workflow_id for row in found}
            pending = self.queue.list_workflows(name=database.RUN_JOB, status="PENDING", sort_desc=True)
            found += [row for row in pending if row.workflow_id not in newest]
        return rows.jobs(self.layout, found)

    def running(self) -> list[Job]:
        """The jobs that run, newest first."""
        return [job for job in self._newest(["PENDING"]) if job.state == "running"]

    def _newest(self, statuses: Sequence[str], limit: int | None = None) -> list[Job]:
        found = self.queue.list_workflows(
            name=database.RUN_JOB, status=[*statuses], limit=limit, sort_desc=True
        )
        return rows.jobs(self.layout, found)

    def overview(self, limit: int) -> Overview:
        """The queue as a page shows it, with up to `limit` jobs beside those that run."""
        running = self._newest(["PENDING"])  # also those whose worker is gone, which count as queued
        waiting = self._newest([status for status in rows.ACTIVE if status != "PENDING"], limit)
        ended = self._newest([status for status in rows.STATES if status not in rows.ACTIVE], limit)
        running.sort(key=lambda job: job.state != "running")
        schedules = self.schedules()
        last = [each.last_job for each in schedules if each.last_job]
        found = self.queue.list_workflows(workflow_ids=last, name=database.RUN_JOB) if last else []
        return Overview(
            jobs=_once(*running, *waiting, *ended),
            counts=self.counts(),
            workers=tuple(self.workers()),
            schedules=tuple(schedules),
            last_states={job.id: job.state for job in rows.jobs(self.layout, found)},
        )

    def counts(self) -> dict[State, int]:
        """How many jobs there are in each state, of all in the queue."""
        alive = {worker.slot for worker in self.workers()}
        counts: dict[State, int] = dict.fromkeys(rows.STATES.values(), 0)
        for status, executor, number in database.counts(self.queue):
            counts[rows.job_state(status, executor, alive)] += number
        return counts

    def oldest_queued(self) -> datetime | None:
        """When the job was queued that waits longest for a worker, naive UTC."""
        found = self.queue.list_workflows(
            name=database.RUN_JOB, status="ENQUEUED", limit=1, load_input=False, load_output=False
        )
        return rows.time(found[0].created_at) if found else None

    def job(self, job_id: str) -> Job:
        """The job of this id; `GanatomyError` when there is none."""
        found = self.queue.list_workflows(workflow_ids=[_valid(job_id)], name=database.RUN_JOB)
        if not found:
            raise GanatomyError(f"There is no job {job_id}; `ganatomy jobs list` shows all.")
        return rows.jobs(self.layout, found)[0]

    def unfinished(self, job_id: str) -> bool:
        """Whether a job is in the queue and has not ended."""
        found = self.queue.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        return bool(found) and found[0].status in rows.ACTIVE

    def active(self) -> list[database.ActiveJob]:
        """The jobs that have not ended, in the order of the queue."""
        return database.active(self.queue, rows.ACTIVE)

    def results(self, job: Job) -> tuple[str, str] | None:
        """Kind and run of a job's results so far; None while nothing is published."""
        try:
            shown = parse(job.kind, job.request).shows()
            run = str(job.run_id) if job.kind == shown.kind.command else shown.resolve(self.layout)[1]
        except GanatomyError:  # another version wrote the request, or its model is gone
            return None
        return (shown.kind.command, run) if (self.layout.bundles / run).is_dir() else None

    def cancel(self, job_id: str) -> Job:
        """Stop a job, queued or running. Its process ends within two seconds; what it saved stays."""
        job = self.job(job_id)
        if job.ended:
            raise GanatomyError(f"Job {job_id} is {job.state}; there is nothing to cancel.")
        self.queue.cancel_workflow(job_id)
        return self.job(job_id)

    def retry(self, job_id: str) -> Submission:
        """Queue a failed or cancelled job again; it continues from what it saved.

        Jobs that were dropped because this one failed are queued behind it again, in order.
        """
        return retries.retry(self, self.job(job_id))

    def log(self, job_id: str, tail: int = 20_000) -> str:
        """The last `tail` characters of a job's log; empty before the job starts."""
        return reports.log_end(self.layout, _valid(job_id), tail)

    def log_from(self, job_id: str, position: int) -> tuple[str, int]:
        """Whole lines of a job's log from a byte on, a part at a time, and the byte after them."""
        return reports.log_from(self.layout, _valid(job_id), position)

    def estimate(self, request: Request) -> Estimate:
        """The time and disk that a request is likely to take, from earlier runs in this store."""
        from jobs.queue import estimates  # pandas and DuckDB: a second that other commands need not spend

        return estimates.estimate(self.layout, request)

    def images_for(self, request: Request, width: float) -> ImagesNeeded | None:
        """The evaluation images that bring the units' intervals under `width`; None without a run to tell."""
        from jobs.queue import estimates

        return estimates.images_for(self.layout, request, width)

    def workers(self) -> list[Worker]:
        """The workers of this queue that are alive."""
        return workers.alive(self.layout)

    # schedules

    def schedule(self, name: str, request: Request, cron: str, when: When | None = None) -> Schedule:
        """Queue `request` at the times of `cron` (five fields, UTC). Replaces a schedule of the same name."""
        workers.require_device(self.layout, request.device)
        return schedules.create(self.queue, name, request, cron, when or When())

    def next_time(self, cron: str) -> datetime:
        """The next time of a cron expression (five fields), naive UTC; `GanatomyError` if it is invalid."""
        return schedules.next_time(cron)

    def schedules(self) -> list[Schedule]:
        """Every schedule, by name."""
        return schedules.listed(self.queue)

    def pause(self, name: str) -> None:
        """Stop a schedule until it is resumed."""
        self.queue.pause_schedule(schedules.existing(self.queue, name)["schedule_name"])

    def resume(self, name: str) -> None:
        """Start a paused schedule again."""
        self.queue.resume_schedule(schedules.existing(self.queue, name)["schedule_name"])

    def unschedule(self, name: str) -> None:
        """Remove a schedule. Jobs that it queued stay."""
        self.queue.delete_schedule(schedules.existing(self.queue, name)["schedule_name"])

    def trigger(self, name: str) -> None:
        """Queue a schedule's request now, once."""
        schedules.trigger(self.queue, name)

    # models and pictures

    def models(self, role: str | None = None) -> list[dict[str, Any]]:
        """The known generators and segmenters, and whether their weights are here."""
        return catalogue.models(self.layout, role)

    def render(
        self,
        generator: str,
        edit: str,
        seed: int,
        latents: Sequence[int],
        inputs: str | None = None,
        sha256: str = "",
    ) -> RenderResult:
        """Before, after and difference of an edit such as "ablate layer3 4,17,31", per latent.

        `inputs` that are None are the generator's own.
        """
        self._must_render()
        return render_client.render(self.layout, generator, edit, seed, latents, inputs, sha256)

    def measure(self, asked: MeasureRequest) -> MeasureResult:
        """What a segmenter sees in one image before and after an edit."""
        self._must_render()
        return render_client.measure(self.layout, asked)

    def activations(self, asked: ActivationsRequest) -> Activations:
        """A unit's activation on the images of some latents."""
        self._must_render()
        return render_client.activations(self.layout, asked)

    def _must_render(self) -> None:
        if self.read_only and not self.render_ready():
            raise GanatomyError(
                "No render process runs on this store, and this dashboard starts none: it is read-only."
            )

    def pin(self, made: RenderResult, author: str, shared: bool = True, run_id: str | None = None) -> str:
        """Keep a render as rows of table `render`, with run `run_id` as parent; the id of its own run."""
        from jobs.render import pins  # pandas

        return pins.pin(self.layout, made, author, shared, run_id)

    def render_ready(self) -> bool:
        """Whether the render process answers."""
        return render_client.ready(self.layout)


def _valid(job_id: str) -> str:
    """A job id that is safe in a file name."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", job_id):
        raise GanatomyError(f"{job_id!r} is not a job's id; `ganatomy jobs list` shows all.")
    return job_id


def _once(*jobs: Job) -> tuple[Job, ...]:
    """The jobs in this order; one that changed its state between two questions is in two answers."""
    found: dict[str, Job] = {}
    for job in jobs:
        found.setdefault(job.id, job)
    return tuple(found.values())
