"""ganatomy jobs watch list | add | remove"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.common import Json, Store, client, console, show_json, show_table
from jobs.worker import folders

app = typer.Typer(help="Folders whose new checkpoints are dissected.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The watch's name; models are called after it.")]


@app.command("list")
def list_(store: Store = None, json: Json = False) -> None:
    """List watched folders."""
    found = folders.watches(client(store).layout)
    if json:
        show_json([asdict(watch) for watch in found])
        return
    show_table(
        ["name", "folder", "family"], [[w.name, w.folder, w.family] for w in found], "No folder is watched."
    )


@app.command()
def add(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Where a training run writes its checkpoints.")],
    family: Annotated[str, typer.Option(help="How they are built: dcgan, progan ...")],
    segmenter: Annotated[str, typer.Option(help="What they are dissected with.")],
    key: Annotated[str | None, typer.Option(help="The generator's key inside a checkpoint.")] = None,
    images: Annotated[int, typer.Option()] = 1000,
    calibration: Annotated[int, typer.Option()] = 500,
    seed: Annotated[int, typer.Option()] = 1,
    owner: Annotated[str, typer.Option()] = "anyone",
    project: Annotated[str, typer.Option()] = "default",
    store: Store = None,
) -> None:
    """Dissect each new checkpoint in a folder, for as long as a worker runs."""
    request = {
        "segmenter": segmenter,
        "images": images,
        "calibration": calibration,
        "seed": seed,
        "owner": owner,
        "project": project,
    }
    watch = folders.FolderWatch(name, str(folder.absolute()), family, key, request)
    folders.add(client(store).layout, watch)
    console.print(f"{folder} is watched.", highlight=False)


@app.command()
def remove(name: Name, store: Store = None) -> None:
    """Watch it no more."""
    folders.remove(client(store).layout, name)
    console.print(f"{name} is removed.", highlight=False)
