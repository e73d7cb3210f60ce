"""A request queued from the command line, and its job followed in the terminal."""

from __future__ import annotations

import subprocess
import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from analysis.shared.errors import GanatomyError
from db.times import duration
from jobs.cli.common import console, show_json
from jobs.kinds.base import Request
from jobs.kinds.requests import When
from jobs.queue.client import Client
from jobs.queue.records import Job, Submission
from jobs.system import processes

Wait = Annotated[
    bool, typer.Option("--wait", help="Follow it to its end; run it here if no worker is alive.")
]


def submit(jobs: Client, request: Request, when: When, wait: bool, json: bool) -> None:
    """Queue a request and, with `wait`, follow its job and what that queues.

    Raises:
        GanatomyError: the request cannot be queued, or a job that is followed fails.
    """
    submission = jobs.submit(request, when)
    if not json:
        earlier = "".join(f" It waits for the {each.kind.name}." for each in request.before())
        console.print(f"{submission.message}{earlier}")
        if submission.job_id and not wait and not jobs.workers():
            console.print("No worker is running; start one with `ganatomy up` or `ganatomy worker`.")
    ended = []
    if wait and submission.job_id:
        ended = [follow(jobs, submission.job_id, quiet=json)]
        ended += [follow(jobs, job.id, quiet=json) for job in queued_by(jobs, request, ended[0])]
    if json:
        show_json(answer(submission, ended[0] if ended else None))
    for job in ended:
        require_done(job)
    if not json and (ended or submission.job_id is None):
        shown = request.shows()
        run = submission.run_id if shown is request else shown.resolve(jobs.layout)[1]
        console.print(f"Run {run} is there: open it with `ganatomy dashboard`.")


def queued_by(jobs: Client, request: Request, job: Job) -> list[Job]:
    """The jobs that an ended job has queued (some may have failed by now), or found queued and not ended."""
    began = job.started_at or job.created_at
    return [
        later
        for later in jobs.jobs()
        if request.queues(later.kind, later.request, jobs.layout)
        and (not later.ended or later.created_at >= began)
    ]


def require_done(job: Job) -> None:
    """Raise `GanatomyError` when an ended job failed or was cancelled."""
    if job.state != "done":
        end = "was cancelled" if job.state == "cancelled" else "failed"
        reason = job.error or "see its log"
        raise GanatomyError(f"Job {job.id} {end}: {reason} (ganatomy jobs logs {job.id})")


def answer(submission: Submission, job: Job | None) -> dict[str, object]:
    """What a script needs to go on."""
    state = job.state if job else "done" if submission.job_id is None else "queued"
    return {
        "job_id": submission.job_id,
        "run_id": submission.run_id,
        "already": submission.already,
        "state": state,
        "message": submission.message,
        "error": job.error if job else None,
    }


def follow(jobs: Client, job_id: str, quiet: bool = False) -> Job:
    """Show a job's progress until it has ended; with no worker alive, one runs here for as long."""
    worker = None if jobs.workers() else here(jobs)
    try:
        return _follow(jobs, job_id, quiet, worker)
    finally:
        if worker is not None:
            processes.stop(worker, grace=8.0)


def here(jobs: Client) -> subprocess.Popen[bytes]:
    """A worker for as long as this process lives."""
    with (jobs.layout.logs / "worker.out").open("ab") as log:
        return processes.start("jobs.worker", ["--store", str(jobs.layout.root)], output=log)


def _follow(jobs: Client, job_id: str, quiet: bool, worker: subprocess.Popen[bytes] | None) -> Job:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        task = bar.add_task("queued", total=None, speed="")
        while not (job := jobs.job(job_id)).ended:
            bar.update(task, description=job.stage or job.state, completed=job.done, total=job.total or None)
            bar.update(task, speed=speed(job))
            if worker is not None and worker.poll() is not None:
                raise GanatomyError(
                    "The worker ended (logs/worker.log in the store may say why); run the same command again "
                    "and it goes on from here."
                )
            time.sleep(0.3)
        bar.update(task, description=job.state, completed=job.done, total=job.total or None)
    return job


def speed(job: Job) -> str:
    """Images a second and time left, for a line in the terminal."""
    if job.images_per_s is None:
        return ""
    left = "" if job.seconds_left is None else f", {duration(job.seconds_left)} left"
    return f"{job.images_per_s:.1f} images/s{left}"
