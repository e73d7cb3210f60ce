"""`ganatomy jobs list | show | cancel | retry | logs | clone`, and `ganatomy jobs watch ...`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from db.times import duration
from jobs.cli import schedule
from jobs.cli.common import Json, Store, changes, client, console, show_facts, show_json, show_table
from jobs.cli.submission import Wait, answer, follow, require_done, submit
from jobs.kinds.requests import When, parse
from jobs.queue.client import Client
from jobs.system.text import visible
from jobs.worker import folders

app = typer.Typer(help="List, follow, cancel, retry and schedule jobs.", no_args_is_help=True)
watch = typer.Typer(help="Dissect the new checkpoints in a folder.", no_args_is_help=True)
app.add_typer(schedule.app, name="schedule")
app.add_typer(watch, name="watch")
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `jobs list` shows it.")]
Watch = Annotated[str, typer.Argument(help="The watch's name, with which its models' names begin.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="List at most this many jobs.")] = 50,
    store: Store = None,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    jobs = client(store).jobs(limit)
    if json:
        show_json([job.plain() for job in jobs])
        return
    rows = [
        [
            job.id,
            job.state,
            job.title,
            job.owner,
            job.project,
            f"{job.done}/{job.total}" if job.total else "",
            duration(job.seconds_left) if job.seconds_left is not None else "",
        ]
        for job in jobs
    ]
    columns = ["job", "state", "what", "owner", "project", "images", "left"]
    show_table(columns, rows, "No jobs yet: `ganatomy dissect churches`.")


@app.command()
def show(job: JobId, store: Store = None, json: Json = False) -> None:
    """Show everything about a job."""
    found = client(store).job(job)
    if json:
        show_json(found.plain())
        return
    show_facts({key: value for key, value in asdict(found).items() if value not in (None, "", {})})


@app.command()
def cancel(job: JobId, store: Store = None, json: Json = False) -> None:
    """Stop a job. What it saved stays, so a retry continues from there."""
    ended = client(store).cancel(job)
    show_json(ended.plain()) if json else console.print(f"Job {job} is cancelled.")


@app.command()
def retry(job: JobId, wait: Wait = False, store: Store = None, json: Json = False) -> None:
    """Queue a failed or cancelled job again. It continues from what it saved."""
    jobs = client(store)
    submission = jobs.retry(job)
    if not json:
        console.print(submission.message)
    ended = follow(jobs, submission.job_id, quiet=json) if wait and submission.job_id else None
    if json:
        show_json(answer(submission, ended))
    if ended is not None:
        require_done(ended)


@app.command()
def clone(
    job: JobId,
    change: Annotated[list[str] | None, typer.Option("--set", help="A change: --set images=2000.")] = None,
    wait: Wait = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Queue a job again with changes."""
    jobs = client(store)
    old = jobs.job(job)
    request = parse(old.kind, {**old.request, **changes(change)})
    submit(jobs, request, When(priority=old.priority), wait, json)


@app.command()
def logs(
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until it ends.")] = False,
    store: Store = None,
) -> None:
    """Print a job's log."""
    jobs = client(store)
    position = _print_log(jobs, job, 0)
    while follow:
        follow = not jobs.job(job).ended  # asked before the log is read, so that its last lines are printed
        time.sleep(0.3)
        position = _print_log(jobs, job, position)


def _print_log(jobs: Client, job: str, position: int) -> int:
    """Print a log from a byte on, part by part, as it may be larger than the memory. Returns its end."""
    while True:
        text, end = jobs.log_from(job, position)
        print(visible(text), end="", flush=True)
        if end == position:
            return end
        position = end


@watch.command("list")
def list_watches(store: Store = None, json: Json = False) -> None:
    """List watched folders."""
    found = folders.watches(client(store).layout)
    if json:
        show_json([asdict(each) for each in found])
        return
    rows = [[each.name, each.folder, each.family or "recognised"] for each in found]
    show_table(["name", "folder", "family"], rows, "No folder is watched.")


@watch.command("add")
def add_watch(
    name: Watch,
    folder: Annotated[Path, typer.Argument(help="The folder to which a training run writes checkpoints.")],
    segmenter: Annotated[str, typer.Option(help="The segmenter of the dissections.")],
    family: Annotated[str, typer.Option(help="The architecture, where it is not recognised.")] = "",
    key: Annotated[str | None, typer.Option(help="The generator's key inside a checkpoint.")] = None,
    images: Annotated[int, typer.Option(help="Evaluation images.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Calibration images, in addition.")] = 500,
    seed: Annotated[int, typer.Option(help="The seed of the images.")] = 1,
    inputs: Annotated[
        str | None, typer.Option(help="What the generators are given, as 'truncation=0.7 class=207'.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another setting of the dissections: --set layers=layer3. Repeatable."),
    ] = None,
    owner: Annotated[str, typer.Option(help="The jobs' owner.")] = "anyone",
    project: Annotated[str, typer.Option(help="The jobs' project.")] = "default",
    store: Store = None,
) -> None:
    """Dissect each new checkpoint in a folder while a worker runs."""
    sizes = {"images": images, "calibration": calibration, "seed": seed}
    given = changes(change) | ({"inputs": inputs} if inputs is not None else {})
    request = {**sizes, "owner": owner, "project": project, **given, "segmenter": segmenter}
    added = folders.FolderWatch(name, str(folder.absolute()), family, key, request)
    folders.add(client(store).layout, added)
    console.print(f"{folder} is watched.")


@watch.command("remove")
def remove_watch(name: Watch, store: Store = None) -> None:
    """Stop watching a folder."""
    folders.remove(client(store).layout, name)
    console.print(f"{name} is removed.")
