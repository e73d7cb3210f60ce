"""ganatomy models list | show | fetch | add"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo
from analysis.shared.errors import GanatomyError
from db import workspace
from db.layout import Layout
from db.provenance import owner
from jobs.cli.common import Json, Store, client, console, show_json, show_table
from jobs.kinds import catalogue

app = typer.Typer(help="Generators and segmenters: what is known, fetched, added.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A model's name.")]
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
        show_json([worded(model) for model in found])
        return
    rows = [[m["name"], m["role"], m["title"], "yes" if m["fetched"] else "no"] for m in found]
    show_table(["name", "role", "title", "here"], rows, "No models.")


@app.command()
def show(name: Name, store: Store = None, json: Json = False) -> None:
    """Show what is known of a model: layers, licence, source."""
    layout = client(store).layout
    registries = [registry for registry in (generators, segmenters) if known(registry, name, layout)]
    if not registries:
        raise GanatomyError(f"There is no model {name!r}; `ganatomy models list` names those that there are.")
    found = [
        worded(catalogue.plain(registry.describe(name, layout.models)))
        | {"fetched": registry.ready(name, layout.models)}
        for registry in registries
    ]
    if json:
        show_json(found[0] if len(found) == 1 else found)
        return
    for model in found:
        for key, value in model.items():
            if value not in ("", None, []):
                console.print(f"[bold]{key}[/]: {told(key, value)}", highlight=False)


def known(registry: Any, name: str, layout: Layout) -> bool:
    """Whether there is such a model, one for tests (which is not listed) included."""
    try:
        return bool(registry.describe(name, layout.models))
    except GanatomyError:
        return False


def worded(model: dict[str, Any]) -> dict[str, Any]:
    """Where its weights come from, in words: not `fetched`, which beside says that they are here."""
    return model | {"weights": ORIGINS.get(model["weights"], model["weights"])}


def told(key: str, value: Any) -> str:
    """A fact about a model as a person says it."""
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
    """Fetch a model's weights, hash-checked; of a generator, its segmenter's too."""
    layout = client(store).layout
    for each in pair(layout, name):
        fetch_one(layout, each)


def pair(layout: Layout, name: str) -> list[str]:
    """A generator and its own segmenter, or the model alone."""
    if name in generators.names(layout.models):
        own = generators.describe(name, layout.models).default_segmenter
        return [name, own] if own else [name]
    return [name]


def fetch_one(layout: Layout, name: str) -> None:
    """Fetch one model with a progress bar."""
    known = [*generators.names(layout.models), *segmenters.names(layout.models)]
    if name not in known:
        raise GanatomyError(f"There is no model '{name}'; choose one of {', '.join(known)}.")
    registry = generators if name in generators.names(layout.models) else segmenters
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
    weights: Annotated[Path, typer.Argument(help="A checkpoint: safetensors, or a state dict.")],
    family: Annotated[str, typer.Option(help="How it is built: dcgan, progan, bisenet, unet ...")],
    key: Annotated[str | None, typer.Option(help="The state dict's key inside the checkpoint.")] = None,
    segmenter: Annotated[str | None, typer.Option(help="The segmenter it is dissected with.")] = None,
    role: Annotated[str, typer.Option(help="generator or segmenter")] = "generator",
    trained_on: Annotated[str, typer.Option(help="A generator's data set, for comparing.")] = "",
    store: Store = None,
    json: Json = False,
) -> None:
    """Register your own weights of a known family."""
    layout = client(store).layout
    models = layout.models
    if role == "generator":
        info = generators.add(
            name, family, weights, models, key, default_segmenter=segmenter, trained_on=trained_on
        )
    elif role == "segmenter":
        info = segmenters.add(name, family, weights, models, key)
    else:
        raise GanatomyError(f"{role!r} is no role; give --role generator or --role segmenter.")
    register(layout, info)
    if json:
        show_json(catalogue.plain(info))
    else:
        console.print(f"Added {name}. Dissect it: ganatomy dissect {name}")


def register(layout: Layout, info: ModelInfo) -> None:
    """Note in the workspace who added a model and when, where SQL can join it."""
    same = {key: getattr(info, key) for key in ("name", "role", "family", "title", "licence")}
    weights = {
        "weights_file": getattr(info.weights, "file", None),
        "weights_sha256": getattr(info.weights, "sha256", None),
    }
    workspace.open(layout).add("model", owner() or "unknown", **same, **weights)
