"""A request queued from the command line, and its job followed in the terminal."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from dataclasses import dataclass
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

LOOK_S = 2.0  # between two looks for other workers

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
        waits = Counter(each.kind.name for each in request.before())
        earlier = "".join(
            f" It waits for {f'{many} {kind}s' if many > 1 else f'the {kind}'}."
            for kind, many in waits.items()
        )
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
    """Show a job's progress until it has ended; while no other worker is alive, one runs here for it."""
    worker = OwnWorker(jobs)
    try:
        return _follow(jobs, job_id, quiet, worker)
    finally:
        worker.stop()


@dataclass
class OwnWorker:
    """A worker of this process, started once no other is alive: that of another command may end before us."""

    jobs: Client
    process: subprocess.Popen[bytes] | None = None
    looked_at: float = float("-inf")  # on time.monotonic()

    def look(self) -> None:
        """Start it where it is needed.

        Raises:
            GanatomyError: it has ended.
        """
        if self.process is not None and self.process.poll() is not None:
            raise GanatomyError(
                "The worker ended (logs/worker.log in the store may say why); run the same command again "
                "and it goes on from here."
            )
        if self.process is None and time.monotonic() - self.looked_at > LOOK_S:
            self.looked_at = time.monotonic()
            if not self.jobs.workers():
                with (self.jobs.layout.logs / "worker.out").open("ab") as log:
                    arguments = ["--store", str(self.jobs.layout.root)]
                    self.process = processes.start("jobs.worker", arguments, output=log)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            processes.stop(self.process, grace=8.0)


def _follow(jobs: Client, job_id: str, quiet: bool, worker: OwnWorker) -> Job:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        task = bar.add_task("queued", total=None, speed="")
        while not (job := jobs.job(job_id)).ended:
            worker.look()
            bar.update(task, description=job.stage or job.state, completed=job.done, total=job.total or None)
            bar.update(task, speed=speed(job))
            time.sleep(0.3)
        bar.update(task, description=job.state, completed=job.done, total=job.total or None)
    return job


def speed(job: Job) -> str:
    """Images a second and time left, for a line in the terminal."""
    if job.images_per_s is None:
        return ""
    left = "" if job.seconds_left is None else f", {duration(job.seconds_left)} left"
    return f"{job.images_per_s:.1f} images/s{left}"
