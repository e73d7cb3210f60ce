"""ganatomy ace GENERATOR --layer L --concept C"""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import estimate as estimating
from jobs.cli.common import Json, Store, client
from jobs.cli.dissect import After, At, Device, Estimated, Owner, Priority, Project, Wait, ask
from jobs.kinds.requests import When, parse


def ace(
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    layer: Annotated[str, typer.Option(help="The layer whose units are edited.")],
    concept: Annotated[str, typer.Option(help="The concept that the units are to cause.")],
    segmenter: Annotated[str | None, typer.Option(help="Default: the generator's own.")] = None,
    parent: Annotated[str | None, typer.Option(help="A dissection. Default: the newest that fits.")] = None,
    seed: Annotated[int, typer.Option(help="Every image follows from it.")] = 1,
    seeds: Annotated[int, typer.Option(help="Times that alpha is learned, from other latents.")] = 3,
    steps: Annotated[int, typer.Option(help="Most steps of a learning.")] = 200,
    penalty: Annotated[str, typer.Option(help="norm, or squared as in the authors' code.")] = "norm",
    penalty_weight: Annotated[
        float | None, typer.Option(help="How strongly alpha is kept small. Default: chosen.")
    ] = None,
    insert: Annotated[str, typer.Option(help="What an insertion sets: mean (k), double, q99.")] = "mean",
    images: Annotated[int, typer.Option(help="Test images, which give the effects.")] = 64,
    ablate: Annotated[str, typer.Option(help="What an ablation sets: zero, or mean.")] = "zero",
    training: Annotated[int, typer.Option(help="Training images of each learning.")] = 128,
    choosing: Annotated[int, typer.Option(help="Training images that rank single units.")] = 32,
    single_images: Annotated[int, typer.Option(help="Test images that measure single units.")] = 32,
    random_sets: Annotated[int, typer.Option(help="Random sets of equal energy beside.")] = 50,
    random_images: Annotated[int, typer.Option(help="Test images of each random set.")] = 8,
    marked: Annotated[str | None, typer.Option(help="Units marked by hand, such as 4,17.")] = None,
    top: Annotated[int | None, typer.Option(help="Units of the causal set. Default: 4 %, or 8.")] = None,
    second_segmenter: Annotated[str | None, typer.Option(help="Scores the same edits again.")] = None,
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
    """Learn which units of a layer together cause a concept, and measure what editing them does."""
    values = {
        "generator": generator,
        "layer": layer,
        "concept": concept,
        "segmenter": segmenter,
        "parent": parent,
        "seed": seed,
        "seeds": seeds,
        "steps": steps,
        "penalty": penalty,
        "penalty_weight": penalty_weight,
        "insert": insert,
        "images": images,
        "ablate": ablate,
        "training": training,
        "choosing": choosing,
        "single_images": single_images,
        "random_sets": random_sets,
        "random_images": random_images,
        "marked": marked,
        "top": top,
        "second_segmenter": second_segmenter,
        "owner": owner,
        "project": project,
        "device": device,
    }
    jobs, request = client(store), parse("ace", values)
    if estimate:
        estimating.show(jobs, request, 0.05, json)
    else:
        ask(jobs, request, When(priority=priority, at=at, after=after), wait, json)
