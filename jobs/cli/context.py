"""ganatomy context GENERATOR --layer L --concept C"""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import estimate as estimating
from jobs.cli.common import Json, Store, client
from jobs.cli.dissect import After, At, Device, Estimated, Owner, Priority, Project, Wait, ask
from jobs.kinds.requests import When, parse


def context(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    layer: Annotated[str, typer.Option(help="The layer whose units are forced on.")],
    concept: Annotated[str, typer.Option(help="The concept that they cause.")],
    units: Annotated[
        str | None,
        typer.Option(help="Such as 4,17,31. Default: the newest causes run's, else those of best IoU."),
    ] = None,
    causes: Annotated[str | None, typer.Option(help="The causes run that they come from.")] = None,
    segmenter: Annotated[str | None, typer.Option(help="Default: the generator's own.")] = None,
    parent: Annotated[str | None, typer.Option(help="A dissection. Default: the newest that fits.")] = None,
    seed: Annotated[int, typer.Option(help="Every image follows from it.")] = 1,
    strengths: Annotated[str | None, typer.Option(help="Of k,2k,q99. Default: all three.")] = None,
    images: Annotated[int, typer.Option(help="Images inserted into, cell by cell.")] = 48,
    every: Annotated[int, typer.Option(help="One cell in so many is tried.")] = 1,
    patch: Annotated[int, typer.Option(help="Side of the square of cells forced at once: 1, 3, 5.")] = 1,
    controls: Annotated[str, typer.Option(help="Strengths beside random units: first, all.")] = "first",
    traced: Annotated[int, typer.Option(help="Images followed through later layers.")] = 16,
    measuring: Annotated[int, typer.Option(help="Images that give the constants.")] = 512,
    wait: Wait = False,
    priority: Priority = 5,
    at: At = None,
    after: After = None,
    owner: Owner = "anyone",
    project: Project = "default",
    device: Device = "auto",
    estimate: Estimated = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Find out where a concept may appear: its units forced on at every cell, by what was there."""
    values = {
        "generator": generator,
        "layer": layer,
        "concept": concept,
        "units": units,
        "causes": causes,
        "segmenter": segmenter,
        "parent": parent,
        "seed": seed,
        "strengths": strengths,
        "images": images,
        "every": every,
        "patch": patch,
        "controls": controls,
        "traced": traced,
        "measuring": measuring,
        "owner": owner,
        "project": project,
        "device": device,
    }
    jobs, request = client(store), parse("context", values)
    if estimate:
        estimating.show(jobs, request, 0.05, json)
    else:
        ask(jobs, request, When(priority=priority, at=at, after=after), wait, json)
