"""`ganatomy models list | show | fetch | add`."""

from __future__ import annotations

import getpass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo
from analysis.shared.errors import GanatomyError
from db import workspace
from db.layout import Layout
from jobs.cli.common import Json, Store, client, console, show_json, show_table
from jobs.kinds import catalogue
from jobs.system.live import JsonObject

app = typer.Typer(help="List, show, fetch and add generators and segmenters.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The model's name.")]
ORIGINS = {
    "fetched": "of a published package, fetched when asked for",
    "bundled": "come with Ganatomy",
    "planted": "made on the spot",
    "added": "added to this store",
}


@app.command("list")
def list_(store: Store = None, json: Json = False) -> None:
    """List every known model."""
    found = client(store).models()
    if json:
        show_json([_with_origin(model) for model in found])
        return
    rows = [[m["name"], m["role"], m["title"], "yes" if m["fetched"] else "no"] for m in found]
    show_table(["name", "role", "title", "here"], rows, "No models.")


@app.command()
def show(name: Name, store: Store = None, json: Json = False) -> None:
    """Show what is known of a model: layers, licence, source."""
    layout = client(store).layout
    found = []
    for registry in (generators, segmenters):
        try:
            info = registry.describe(name, layout.models)
        except GanatomyError:  # of the other role, or unknown; models for tests are described, not listed
            continue
        fetched = {"fetched": registry.ready(name, layout.models)}
        found.append(_with_origin(catalogue.plain(info)) | fetched)
    if not found:
        raise GanatomyError(f"There is no model {name!r}; `ganatomy models list` shows all.")
    if json:
        show_json(found[0] if len(found) == 1 else found)
        return
    for model in found:
        for key, value in model.items():
            if value not in ("", None, []):
                console.print(f"[bold]{key}[/]: {_in_words(key, value)}")


def _with_origin(model: JsonObject) -> JsonObject:
    """A model with the origin of its weights in words. The key `fetched` says whether they are here."""
    return model | {"weights": ORIGINS.get(model["weights"], model["weights"])}


def _in_words(key: str, value: Any) -> str:
    if key == "layers":
        each = "{name} ({path}): {units} units, {height}x{width}"
        return ", ".join(each.format(**layer) for layer in value)
    if key == "concepts":
        return ", ".join(f"{concept['name']} ({concept['category']})" for concept in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command()
def fetch(name: Name, store: Store = None) -> None:
    """Fetch a model's weights and check their hash. With a generator, its segmenter is fetched too."""
    layout = client(store).layout
    for each in with_segmenter(layout, name):
        _fetch(layout, each)


def with_segmenter(layout: Layout, name: str) -> list[str]:
    """A generator and its own segmenter, or another model alone."""
    if name in generators.names(layout.models):
        own = generators.describe(name, layout.models).default_segmenter
        return [name, own] if own else [name]
    return [name]


def registry_of(layout: Layout, name: str) -> ModuleType:
    """The registry that lists a model; `GanatomyError` when there is none."""
    for registry in (generators, segmenters):
        if name in registry.names(layout.models):
            return registry
    known = [*generators.names(layout.models), *segmenters.names(layout.models)]
    raise GanatomyError(f"There is no model '{name}'; choose one of {', '.join(known)}.")


def _fetch(layout: Layout, name: str) -> None:
    """Fetch one model with a progress bar."""
    registry = registry_of(layout, name)
    if registry.ready(name, layout.models):
        console.print(f"{name}: here already")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"fetching {name}", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        registry.fetch(name, layout.models, report)
    console.print(f"{name}: fetched")


@app.command()
def add(
    name: Name,
    weights: Annotated[Path, typer.Argument(help="The checkpoint: safetensors, or a state dict.")],
    family: Annotated[str, typer.Option(help="The architecture: dcgan, progan, bisenet, unet ...")],
    key: Annotated[str | None, typer.Option(help="The state dict's key inside the checkpoint.")] = None,
    segmenter: Annotated[str | None, typer.Option(help="A generator's default segmenter.")] = None,
    role: Annotated[str, typer.Option(help="generator or segmenter")] = "generator",
    trained_on: Annotated[str, typer.Option(help="A generator's data set, for comparisons.")] = "",
    store: Store = None,
    json: Json = False,
) -> None:
    """Add your own weights of a known architecture."""
    layout = client(store).layout
    models = layout.models
    if role == "generator":
        info = generators.add(
            name, family, weights, models, key, default_segmenter=segmenter, trained_on=trained_on
        )
    elif role == "segmenter":
        info = segmenters.add(name, family, weights, models, key)
    else:
        raise GanatomyError(f"{role!r} is not a role; give --role generator or --role segmenter.")
    register(layout, info)
    if json:
        show_json(catalogue.plain(info))
    else:
        console.print(f"Added {name}. Dissect it: ganatomy dissect {name}")


def register(layout: Layout, info: ModelInfo) -> None:
    """Note in the workspace who added a model and when, where SQL can join it."""
    try:
        author = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        author = "unknown"
    same = {key: getattr(info, key) for key in ("name", "role", "family", "title", "licence")}
    weights = {
        "weights_file": getattr(info.weights, "file", None),
        "weights_sha256": getattr(info.weights, "sha256", None),
    }
    workspace.open(layout).add("model", author, **same, **weights)
