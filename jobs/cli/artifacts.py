"""ganatomy artifacts GENERATOR --layer L"""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import estimate as estimating
from jobs.cli.common import Json, Store, client
from jobs.cli.dissect import After, At, Device, Estimated, Owner, Priority, Project, Wait, ask
from jobs.kinds.requests import When, parse


def artifacts(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    layer: Annotated[str, typer.Option(help="The layer whose units are ranked.")],
    reference: Annotated[
        str, typer.Option(help="drawn:churches, folder:NAME (in references/), or generator:NAME.")
    ] = "drawn:churches",
    segmenter: Annotated[str | None, typer.Option(help="Gives the features. Default: its own.")] = None,
    parent: Annotated[str | None, typer.Option(help="A dissection. Default: the newest that fits.")] = None,
    seed: Annotated[int, typer.Option(help="Every image follows from it.")] = 1,
    images: Annotated[int, typer.Option(help="Images that rank, and as many that score.")] = 1000,
    sets: Annotated[int, typer.Option(help="Random sets beside.")] = 50,
    activation: Annotated[
        str, typer.Option(help="Where a unit does most: rms, or the paper's peak.")
    ] = "rms",
    marked: Annotated[str | None, typer.Option(help="Units marked by hand, such as 4,17.")] = None,
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
    """Rank a layer's units by the damage they do, and measure pictures without the worst of them."""
    values = {
        "generator": generator,
        "layer": layer,
        "reference": reference,
        "segmenter": segmenter,
        "parent": parent,
        "seed": seed,
        "images": images,
        "sets": sets,
        "activation": activation,
        "marked": marked,
        "owner": owner,
        "project": project,
        "device": device,
    }
    jobs, request = client(store), parse("artifacts", values)
    if estimate:
        estimating.show(jobs, request, 0.05, json)
    else:
        ask(jobs, request, When(priority=priority, at=at, after=after), wait, json)
