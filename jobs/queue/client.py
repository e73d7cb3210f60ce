"""What the dashboard and the command line do with jobs. Free of torch.

client = Client.at("store")
submission = client.submit(parse("dissect", {"generator": "faces", "images": 400, "calibration": 200}))
client.job(submission.job_id).state
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dbos import DBOSClient, EnqueueOptions

from analysis.shared.errors import GanatomyError
from db import permissions, workspace
from db.layout import Layout
from db.permissions import Person
from db.store import bundles
from db.times import utc_now
from jobs.kinds import catalogue
from jobs.kinds.base import Request
from jobs.kinds.requests import When, parse
from jobs.queue import (
    database,
    fairness,
    quotas,
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

FETCH_S = 2.0  # that a person waits while this host fetches other results


class Client:
    """Jobs, schedules, models and pictures of the store at `layout`. Threads may share it.

    A call raises `GanatomyError` when the queue stays locked for some seconds. A `patient` client waits. A
    `read_only` client opens nothing for writing, and its calls that change something raise `GanatomyError`.
    What `person` may not do raises `NotAllowedError`; what is done is kept in the audit. Without a person,
    who runs this program acts.
    """

    def __init__(
        self,
        layout: Layout,
        patient: bool = False,
        read_only: bool = False,
        person: Person | None = None,
    ) -> None:
        self.layout, self.patient, self.read_only = layout, patient, read_only
        self.person = person or permissions.operator()

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

    def acting_as(self, person: Person) -> Self:
        """This client for what a person does, on the same connection."""
        self.queue  # noqa: B018 (opened now, so that both share it)
        other = copy.copy(self)
        other.person = person
        return other

    def _allow(self, action: str, kind: str, thing: str, owner: str) -> None:
        if self.read_only:
            raise GanatomyError("This client is read-only: it shows jobs, and changes nothing.")
        workspace.allow(self.layout, self.person, action, kind, thing, owner)

    def _record(self, action: str, kind: str, thing: str, owner: str, detail: str = "") -> None:
        workspace.record(self.layout, self.person, action, kind, thing, owner, detail)

    # jobs

    def submit(self, request: Request, when: When | None = None, schedule: str | None = None) -> Submission:
        """Queue a request, unless its results or an unfinished job for them exist.

        Requests that this one needs first (`Request.before`) are queued too, and it waits for them.

        Raises:
            GanatomyError: A model, a layer or a device is missing, the job to wait for has failed, or the
                project has as many unfinished jobs as it may.
            NotAllowedError: The request's owner is somebody else.
        """
        self._allow("submit", "job", request.title(), request.owner)
        return self._submit(request, when or When(), schedule)

    def _submit(self, request: Request, when: When, schedule: str | None) -> Submission:
        if when.after is not None:
            before = self.job(when.after)
            if before.state in ("failed", "cancelled"):
                end = "failed" if before.state == "failed" else "was cancelled"
                raise GanatomyError(f"Job {before.id} {end}, so no job can wait for it; retry it first.")
        request, run = request.resolve(self.layout)
        results.collect(self.layout, run, patience=FETCH_S)
        if catalogue.finished(self.layout, run):
            return Submission(None, run, True, f"Already there: run {run}.")
        workers.require_device(self.layout, request.device)
        active = self.active()
        if twin := next((job for job in active if job.run_id == run), None):
            return Submission(twin.id, run, True, f"Already queued: job {twin.id}.")
        self.require_place(request, active)
        for needed in request.before():
            made = self._submit(needed, when, schedule)
            when = when.model_copy(update={"after": made.job_id or when.after})
        shared_models.send(self.layout, request, run)
        job_id = f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        queued = self._enqueue(job_id, request, run, when, schedule, active)
        if queued != job_id:  # somebody queued the same since we looked
            return Submission(queued, run, True, f"Already queued: job {queued}.")
        self._record("submit", "job", job_id, request.owner, request.title())
        return Submission(job_id, run, False, f"Queued as job {job_id}.")

    def require_place(self, request: Request, active: Sequence[database.ActiveJob]) -> None:
        """Raise `GanatomyError` where the project cannot have the job, and those that it needs first, too."""
        if not (limits := Settings().project_jobs):
            return
        taken = {job.run_id for job in active}
        needed = [each.resolve(self.layout)[1] for each in request.before()]
        more = [run for run in needed if run not in taken and not catalogue.finished(self.layout, run)]
        unfinished = sum(job.project == request.project for job in active)
        if full := quotas.refusal(limits, request.project, unfinished, 1 + len(more)):
            raise GanatomyError(full)

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
        self._allow("cancel", "job", job_id, job.owner)
        if job.ended:
            raise GanatomyError(f"Job {job_id} is {job.state}; there is nothing to cancel.")
        self.queue.cancel_workflow(job_id)
        self._record("cancel", "job", job_id, job.owner, job.title)
        return self.job(job_id)

    def retry(self, job_id: str) -> Submission:
        """Queue a failed or cancelled job again; it continues from what it saved.

        Jobs that were dropped because this one failed are queued behind it again, in order.
        """
        job = self.job(job_id)
        self._allow("retry", "job", job_id, job.owner)
        submission = retries.retry(self, job)
        self._record("retry", "job", job_id, job.owner, job.title)
        return submission

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
        self._allow("add", "schedule", name, request.owner)
        if (before := schedules.owner(self.queue, name)) is not None:
            self._allow("replace", "schedule", name, before)
        workers.require_device(self.layout, request.device)
        created = schedules.create(self.queue, name, request, cron, when or When())
        self._record("add", "schedule", name, request.owner, f"{cron} {created.title}")
        return created

    def next_time(self, cron: str) -> datetime:
        """The next time of a cron expression (five fields), naive UTC; `GanatomyError` if it is invalid."""
        return schedules.next_time(cron)

    def schedules(self) -> list[Schedule]:
        """Every schedule, by name."""
        return schedules.listed(self.queue)

    def pause(self, name: str) -> None:
        """Stop a schedule until it is resumed."""
        self._change_schedule("pause", name, self.queue.pause_schedule)

    def resume(self, name: str) -> None:
        """Start a paused schedule again."""
        self._change_schedule("resume", name, self.queue.resume_schedule)

    def unschedule(self, name: str) -> None:
        """Remove a schedule. Jobs that it queued stay."""
        self._change_schedule("remove", name, self.queue.delete_schedule)

    def trigger(self, name: str) -> None:
        """Queue a schedule's request now, once."""
        self._change_schedule("trigger", name, lambda name: schedules.trigger(self.queue, name))

    def _change_schedule(self, action: str, name: str, change: Callable[[str], object]) -> None:
        owner = schedules.owner(self.queue, schedules.existing(self.queue, name)["schedule_name"]) or ""
        self._allow(action, "schedule", name, owner)
        change(name)
        self._record(action, "schedule", name, owner)

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

        self._allow("pin", "picture", made.key, author)
        if before := bundles.owner(self.layout.bundles / made.key):
            self._allow("pin again", "picture", made.key, before)
        run = pins.pin(self.layout, made, author, shared, run_id)
        self._record("pin", "picture", run, author, made.edit)
        return run

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
