"""ganatomy jobs list | show | cancel | retry | logs | clone, and `jobs schedule ...`"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from analysis.shared.errors import GanatomyError
from db.times import duration
from jobs.cli import schedule, watch
from jobs.cli.common import Json, Store, changes, client, console, show_json, show_table
from jobs.cli.submission import Wait, answer, follow, submit
from jobs.kinds.requests import When, parse

app = typer.Typer(help="Jobs: list, watch, cancel, retry, schedule.", no_args_is_help=True)
app.add_typer(schedule.app, name="schedule")
app.add_typer(watch.app, name="watch")
JobId = Annotated[str, typer.Argument(help="A job's name, as `jobs list` shows it.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="The newest so many.")] = 50,
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
    show_table(
        ["job", "state", "what", "owner", "project", "images", "left"],
        rows,
        "No jobs yet: `ganatomy dissect churches`.",
    )


@app.command()
def show(job: JobId, store: Store = None, json: Json = False) -> None:
    """Show everything about a job."""
    found = client(store).job(job)
    if json:
        show_json(found.plain())
        return
    for key, value in asdict(found).items():
        if value not in (None, "", {}):
            console.print(f"[bold]{key}[/]: {value}", highlight=False)


@app.command()
def cancel(job: JobId, store: Store = None, json: Json = False) -> None:
    """Stop a job; the shards that it has are kept."""
    ended = client(store).cancel(job)
    show_json(ended.plain()) if json else console.print(f"Job {job} is cancelled.", highlight=False)


@app.command()
def retry(job: JobId, wait: Wait = False, store: Store = None, json: Json = False) -> None:
    """Put a failed or cancelled job back; it goes on from what it has."""
    jobs = client(store)
    submission = jobs.retry(job)
    if not json:
        console.print(submission.message, highlight=False)
    ended = follow(jobs, submission.job_id, quiet=json) if wait and submission.job_id else None
    if json:
        show_json(answer(submission, ended))
    if ended is not None and ended.state != "done":
        raise GanatomyError(f"Job {ended.id} {ended.state}: {ended.error}")


@app.command()
def clone(
    job: JobId,
    change: Annotated[list[str] | None, typer.Option("--set", help="Such as --set images=2000.")] = None,
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
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    store: Store = None,
) -> None:
    """Print a job's log."""
    jobs = client(store)
    text, place = jobs.log_from(job, 0)
    print(text, end="", flush=True)
    going = follow
    while going:
        going = not jobs.job(job).ended  # looked at before the log, so that its last words are printed
        time.sleep(0.3)
        text, place = jobs.log_from(job, place)
        print(text, end="", flush=True)
