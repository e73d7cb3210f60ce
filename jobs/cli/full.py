"""ganatomy full GENERATOR: a dissection, and behind it the causes of what it finds."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.shared.errors import GanatomyError
from jobs.cli.common import Json, Store, client, console, show_json
from jobs.cli.dissect import (
    After,
    At,
    Device,
    Owner,
    Priority,
    Project,
    Wait,
    answer,
    follow,
    number,
)
from jobs.kinds.requests import CausesRequest, When, parse
from jobs.queue.client import Client
from jobs.queue.records import Submission


def full(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    segmenter: Annotated[str | None, typer.Option(help="Default: the generator's own.")] = None,
    layers: Annotated[str | None, typer.Option(help="Such as layer1,layer3. Default: all.")] = None,
    images: Annotated[int, typer.Option(help="Evaluation images.")] = 1000,
    calibration: Annotated[int, typer.Option(help="Calibration images, in addition.")] = 500,
    seed: Annotated[int, typer.Option(help="Every image follows from it.")] = 1,
    threshold: Annotated[str, typer.Option(help="iqr, or a fraction such as 0.005.")] = "iqr",
    best: Annotated[int, typer.Option(help="Concepts whose causes are learned.")] = 4,
    wait: Wait = False,
    priority: Priority = 5,
    at: At = None,
    after: After = None,
    owner: Owner = "anyone",
    project: Project = "default",
    device: Device = "auto",
    store: Store = None,
    json: Json = False,
) -> None:
    """Dissect a generator; when that has ended, learn the causes of the concepts with the clearest units."""
    values = {
        "generator": generator,
        "segmenter": segmenter,
        "layers": [name.strip() for name in layers.split(",")] if layers is not None else None,
        "images": images,
        "calibration": calibration,
        "seed": seed,
        "threshold": threshold if threshold == "iqr" else number(threshold),
        "best": best,
        "owner": owner,
        "project": project,
        "device": device,
    }
    jobs, request = client(store), parse("full", values)
    submission = jobs.submit(request, When(priority=priority, at=at, after=after))
    if not json:
        console.print(f"{submission.message} It waits for the dissection.", highlight=False)
    if wait:
        job = follow(jobs, submission, quiet=json)
        later = causes(jobs, submission)
        ended = [follow(jobs, one, quiet=json) for one in later]
        if failed := next((one for one in (job, *ended) if one.state != "done"), None):
            raise GanatomyError(f"Job {failed.id} {failed.state}: {failed.error or 'see its log'}")
    if json:
        show_json(answer(submission, jobs.job(str(submission.job_id))))


def causes(jobs: Client, submission: Submission) -> list[Submission]:
    """The jobs that a full dissection has queued (some may have failed by now), or recognised and that have
    not ended."""
    full = jobs.job(str(submission.job_id))
    dissection, began = parse("full", full.request), full.started_at or full.created_at
    parent = dissection.before()[0].resolve(jobs.layout)[1]
    return [
        Submission(job.id, job.run_id, True, "")
        for job in jobs.jobs()
        if job.kind == CausesRequest.KIND
        and job.request.get("parent") == parent
        and (not job.ended or job.created_at >= began)
    ]
