"""ganatomy dissect GENERATOR, and the watching of a job in the terminal."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from analysis.shared.errors import GanatomyError
from db.times import duration
from jobs.cli import estimate as estimating
from jobs.cli.common import Json, Store, client, console, show_json
from jobs.kinds.requests import Request, When, parse
from jobs.queue.client import Client
from jobs.queue.records import Job, Submission
from jobs.system import processes

Wait = Annotated[
    bool, typer.Option("--wait", help="Follow it to its end; run it here if no worker is alive.")
]
Priority = Annotated[int, typer.Option(min=1, max=9, help="1 runs first, 9 last.")]
At = Annotated[datetime | None, typer.Option(help="Not before this time, UTC.")]
Owner = Annotated[str, typer.Option(envvar="GANATOMY_OWNER", help="Who asks.")]
Project = Annotated[str, typer.Option(help="A word to group jobs by.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
After = Annotated[str | None, typer.Option(help="A job that must be done before.")]
Estimated = Annotated[bool, typer.Option("--estimate", help="Say what it costs; queue nothing.")]
Width = Annotated[float, typer.Option(help="With --estimate: the interval's width that is wanted.")]


def dissect(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    segmenter: Annotated[str | None, typer.Option(help="Default: the generator's own.")] = None,
    layers: Annotated[str | None, typer.Option(help="Such as layer1,layer3. Default: all.")] = None,
    images: Annotated[int, typer.Option(help="Evaluation images.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Calibration images, in addition.")] = 500,
    seed: Annotated[int, typer.Option(help="Every image follows from it.")] = 1,
    threshold: Annotated[str, typer.Option(help="iqr, or a fraction such as 0.005.")] = "iqr",
    control: Annotated[str, typer.Option(help="none, rotation or random-weights: a baseline.")] = "none",
    wait: Wait = False,
    priority: Priority = 5,
    at: At = None,
    after: After = None,
    owner: Owner = "anyone",
    project: Project = "default",
    device: Device = "auto",
    estimate: Estimated = False,
    width: Width = 0.05,
    store: Store = None,
    json: Json = False,
) -> None:
    """Find out which unit of a generator means what."""
    values = {
        "generator": generator,
        "segmenter": segmenter,
        "layers": [name.strip() for name in layers.split(",")] if layers is not None else None,
        "images": images,
        "calibration": calibration,
        "seed": seed,
        "threshold": threshold if threshold == "iqr" else number(threshold),
        "control": control,
        "owner": owner,
        "project": project,
        "device": device,
    }
    jobs, request = client(store), parse("dissect", values)
    if estimate:
        estimating.show(jobs, request, width, json)
    else:
        ask(jobs, request, When(priority=priority, at=at, after=after), wait, json)


def number(text: str) -> float:
    """A threshold as a number, or a sentence."""
    try:
        return float(text)
    except ValueError:
        raise GanatomyError(f"{text!r} is no threshold; give iqr, or a fraction such as 0.005.") from None


def ask(jobs: Client, request: Request, when: When, wait: bool, json: bool) -> None:
    """Queue a request, and follow it when asked to. Exit 1 when it fails."""
    submission = jobs.submit(request, when)
    if not json:
        console.print(submission.message, highlight=False)
        if submission.job_id and not wait and not jobs.workers():
            console.print("No worker is running; start one with `ganatomy up` or `ganatomy worker`.")
    job = follow(jobs, submission, quiet=json) if wait and submission.job_id else None
    if json:
        show_json(answer(submission, job))
    if job is not None and job.state != "done":
        raise GanatomyError(
            f"Job {job.id} {job.state}: {job.error or 'see its log'} (ganatomy jobs logs {job.id})"
        )
    if not json and (job is not None or submission.job_id is None):
        console.print(
            f"Run {submission.run_id} is there: open it with `ganatomy dashboard`.", highlight=False
        )


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


def follow(jobs: Client, submission: Submission, quiet: bool = False) -> Job:
    """Show a job's progress until it has ended; with no worker alive, one runs here for as long."""
    assert submission.job_id is not None
    worker = None if jobs.workers() else here(jobs)
    try:
        return _follow(jobs, submission.job_id, quiet, worker)
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
