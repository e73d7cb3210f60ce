"""`ganatomy render GENERATOR EDIT`: pictures before and after an edit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from analysis.shared.number_lists import numbers
from jobs.cli.common import Json, Owner, Store, client, console, show_json
from jobs.render.client import PARTS


def render(
    generator: Annotated[str, typer.Argument(help="The generator's name.")],
    edit: Annotated[str, typer.Argument(help='An edit, such as "ablate layer3 4,17,31".')],
    seed: Annotated[int, typer.Option(min=0, help="The seed of the images.")] = 1,
    latents: Annotated[str, typer.Option(help="The numbers of the images: 0,1,2 or 0-3.")] = "0-3",
    inputs: Annotated[
        str | None,
        typer.Option(help='Beside the latents, such as "truncation=0.7"; the generator\'s own by default.'),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Copy the pictures to this folder.")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep the pictures as a run, with rows in table render.")
    ] = False,
    owner: Owner = "anyone",
    store: Store = None,
    json: Json = False,
) -> None:
    """Show images before and after an edit, and their difference."""
    jobs = client(store)
    made = jobs.render(generator, edit, seed, numbers(latents), inputs)
    run = jobs.pin(made, author=owner) if pin else None
    files = {part: list(getattr(made, part)) for part in PARTS}
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for part, sources in files.items():
            copies = [str(output / f"{part}-{number}.png") for number in range(len(sources))]
            for source, copy in zip(sources, copies, strict=True):
                shutil.copyfile(source, copy)
            files[part] = copies
    if json:
        facts = {"milliseconds": made.milliseconds, "cached": made.cached, "key": made.key}
        show_json({**files, **facts, **({"pinned": run} if run else {})})
        return
    for part, names in files.items():
        console.print(f"{part}: {' '.join(names)}")
    console.print(f"{made.milliseconds:.0f} ms{' (cached)' if made.cached else ''}")
    if run:
        console.print(f"Pinned as run {run}.")
