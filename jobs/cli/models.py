"""`ganatomy models list | show | fetch | inspect | add | remove | restore | rename | set`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from analysis.models import generators, segmenters
from analysis.models.inputs import Inputs as RunInputs
from analysis.shared.errors import GanatomyError
from db import store as published
from db.errors import StoreError
from db.layout import Layout
from db.permissions import operator
from db.queries import runs as queries
from jobs.cli import common
from jobs.cli.common import Json, Store, client, console, show_facts, show_json, show_table
from jobs.cli.plugins import add_plugin, list_plugins
from jobs.cli.segmenters import add_segmenter, check, inspect_segmenter
from jobs.kinds import catalogue
from jobs.models import changes, references, removal
from jobs.models.shelf import REGISTRIES
from jobs.queue.client import Client
from jobs.system.live import JsonObject
from jobs.system.text import visible

app = typer.Typer(help="List, show, fetch and add generators and segmenters.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The model's name.")]
Weights = Annotated[
    Path,
    typer.Argument(help="The checkpoint: of torch.save, safetensors, a pickle, or a folder with a config."),
]
Family = Annotated[
    str | None, typer.Option(help="The architecture, where it is not recognised: dcgan, stylegan2 ...")
]
Key = Annotated[
    str | None, typer.Option(help="The weights' key in the checkpoint, where it holds several generators.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="What the checkpoint does not say, as activation=leaky_relu_0.2. Repeatable."),
]
Segmenter = Annotated[str | None, typer.Option(help="A generator's default segmenter.")]
Title = Annotated[str | None, typer.Option(help="The model's name for people.")]
Licence = Annotated[str | None, typer.Option(help="The weights' licence.")]
Source = Annotated[str | None, typer.Option(help="Where the weights come from.")]
TrainedOn = Annotated[str | None, typer.Option(help="A generator's data set, for comparisons.")]
Inputs = Annotated[
    str | None, typer.Option(help="A generator's own defaults, as 'truncation=0.7 class=207'.")
]
MemoryGb = Annotated[
    float | None,
    typer.Option(help="Memory for reading it, in GB; the default follows its size.", min=0.5),
]
Role = Annotated[str, typer.Option(help="generator or segmenter")]
AnyRole = Annotated[str | None, typer.Option(help="generator or segmenter, where one of each has this name")]
Vocabulary = Annotated[
    str | None, typer.Option(help="A segmenter's concepts: a JSON file, or a name such as ade20k-150.")
]
ORIGINS = {
    "fetched": "of a published package, fetched when asked for",
    "bundled": "come with Ganatomy",
    "planted": "made on the spot",
    "added": "added to this store",
    "plugged": "made by the code of an installed package",
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
    models = client(store).layout.models
    show_notes([*generators.damaged(models).values(), *segmenters.damaged(models).values()])


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
        damaged = generators.damaged(layout.models) | segmenters.damaged(layout.models)
        unknown = f"There is no model {name!r}; `ganatomy models list` shows all."
        raise GanatomyError(damaged.get(name, unknown))
    if json:
        show_json(found[0] if len(found) == 1 else found)
        return
    for model in found:
        here = {key: _in_words(key, value) for key, value in model.items() if value not in ("", None, [])}
        show_facts(here)


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
    joint = " " if key == "notes" else ", " if key == "takes" else "x"
    return joint.join(map(str, value)) if isinstance(value, list) else str(value)


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
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"fetching {name}", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        registry.fetch(name, layout.models, report)
    console.print(f"{name}: fetched")


@app.command()
def inspect(
    weights: Weights,
    family: Family = None,
    key: Key = None,
    choices: Set = None,
    memory_gb: MemoryGb = None,
    role: Role = "generator",
    vocabulary: Vocabulary = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write the first images here, as a PNG.", dir_okay=False)
    ] = None,
    json: Json = False,
) -> None:
    """Say what a checkpoint holds: family, layers, image size, and what seems odd. Nothing is kept."""
    if must_be_role(role) == "segmenter":
        refuse("a segmenter", memory_gb=memory_gb, sheet=sheet)
        inspect_segmenter(weights, family, key, common.changes(choices), vocabulary, json)
        return
    refuse("a generator", vocabulary=vocabulary)
    found = generators.inspect(weights, key, family, common.changes(choices), memory_gb=memory_gb)
    if sheet is not None:
        sheet.write_bytes(found.sheet)
    if json:
        show_json(found.as_json())
        return
    show_facts(_facts(found))
    rows = [
        [y.name, y.path, y.units, f"{y.height}x{y.width}", "extra" if y.extra else ""] for y in found.layers
    ]
    show_table(["layer", "module", "units", "grid", ""], rows, "No layers.")
    show_notes(found.notes)


def _facts(found: generators.Inspection) -> dict[str, str]:
    """An inspection in words."""
    facts = {
        "file": f"{found.file}, {found.format}" + (f", under {found.key}" if found.key else ""),
        "family": f"{found.title} ({found.family})",
        "images": f"{found.image_size[0]}x{found.image_size[1]}, {found.seconds_per_image:.2g} s each here",
        "latents": "x".join(map(str, found.latent_shape)),
        "parameters": f"{found.parameters:,}",
    }
    if found.classes is not None:
        facts["classes"] = str(found.classes)
    if found.takes:
        facts["a run may choose"] = ", ".join(found.takes)
    for choice in found.choices:
        chosen = found.answers.get(choice.name, choice.default)
        others = ", ".join(choice.values) or "any value"
        facts[f"--set {choice.name}={chosen}"] = f"{choice.help} ({others})"
    return facts


def show_notes(notes: Sequence[str]) -> None:
    """Print what a user should know of a model, a line each."""
    for note in notes:
        console.print(Text(f"Note: {visible(note)}"))


@app.command()
def add(
    name: Name,
    weights: Annotated[
        Path | None,
        typer.Argument(
            help="The checkpoint: of torch.save, safetensors, a pickle, or a folder with a config."
        ),
    ] = None,
    family: Family = None,
    key: Key = None,
    choices: Set = None,
    segmenter: Segmenter = None,
    role: Role = "generator",
    title: Title = None,
    licence: Licence = None,
    source: Source = None,
    trained_on: TrainedOn = None,
    inputs: Inputs = None,
    vocabulary: Vocabulary = None,
    memory_gb: MemoryGb = None,
    plugin: Annotated[
        str | None,
        typer.Option(help="Instead of a file: a plug-in of an installed package, whose code is run."),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Add your own weights, whose family is recognised, or a plug-in."""
    layout = client(store).layout
    of_generators = {"segmenter": segmenter, "trained_on": trained_on, "inputs": inputs}
    if must_be_role(role) == "segmenter":
        refuse("a segmenter", **of_generators, memory_gb=memory_gb)
    elif plugin is None:
        refuse("a generator", vocabulary=vocabulary)
    if segmenter is not None:
        segmenters.describe(segmenter, layout.models)
    given = _given(title=title, licence=licence, source=source)
    if plugin is not None:
        beside = {"set": choices, "family": family, "key": key, "memory_gb": memory_gb}
        # Its default inputs are set afterwards, with `models set`, once what it takes is known.
        later = ", and use `models set` afterwards"
        refuse("a plug-in", later, file=weights, **beside, vocabulary=vocabulary, inputs=inputs)
        info = add_plugin(layout, name, plugin, role, segmenter, trained_on or "", given)
    elif weights is None:
        raise GanatomyError("Name the checkpoint's file, or a plug-in with --plugin.")
    elif role == "generator":
        info = generators.add(
            name,
            family,
            weights,
            layout.models,
            key,
            answers=common.changes(choices),
            default_segmenter=segmenter,
            trained_on=trained_on or "",
            inputs=inputs or "",
            memory_gb=memory_gb,
            **given,
        )
    else:
        info = add_segmenter(layout, name, weights, family, key, common.changes(choices), vocabulary, given)
    changes.register(layout, info, operator(), key)
    if json:
        show_json(catalogue.plain(info))
        return
    show_notes(info.notes)
    size = f", {info.image_size[0]}x{info.image_size[1]}" if info.image_size else ""
    remedy = f" Dissect it: ganatomy dissect {name}" if role == "generator" else ""
    console.print(f"Added {name} ({info.family}{size}).{remedy}", markup=False)


@app.command()
def remove(name: Name, role: AnyRole = None, store: Store = None) -> None:
    """Remove a model that was added; `models restore` brings it back within a week. Its runs stay."""
    jobs = client(store)
    found = own_role(jobs.layout, name, role)
    _say_references(jobs, found, name)
    removal.remove(jobs.layout, found, name, operator())
    console.print(f"{name} is removed, and kept for a week: ganatomy models restore {name}")


@app.command()
def restore(name: Name, role: AnyRole = None, store: Store = None) -> None:
    """Put back the newest model of this name that was removed within a week."""
    layout = client(store).layout
    roles = {each.role for each in removal.removed(layout) if each.name == name}
    removal.restore(layout, _only(roles or {role or "generator"}, name, role), name, operator())
    console.print(f"{name} is restored.")


@app.command()
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    role: AnyRole = None,
    store: Store = None,
) -> None:
    """Rename a model that was added. Generators whose default it is follow; runs keep the old name."""
    jobs = client(store)
    found = own_role(jobs.layout, old, role)
    _say_references(jobs, found, old, renamed=True)
    changes.rename(jobs.layout, found, old, new, operator())
    console.print(f"{old} is now {new}.")


@app.command("set")
def set_(
    name: Name,
    title: Title = None,
    licence: Licence = None,
    source: Source = None,
    trained_on: TrainedOn = None,
    segmenter: Segmenter = None,
    inputs: Inputs = None,
    role: AnyRole = None,
    store: Store = None,
) -> None:
    """Change what is said of a model that was added."""
    layout = client(store).layout
    found = own_role(layout, name, role)
    if found == "segmenter":
        refuse("a segmenter", trained_on=trained_on, segmenter=segmenter, inputs=inputs)
    info = REGISTRIES[found].describe(name, layout.models)
    if segmenter is not None:
        segmenters.describe(segmenter, layout.models)
    if inputs is not None:
        generators.given_inputs(info, RunInputs.parse(inputs))
    given = _given(title=title, licence=licence, source=source, trained_on=trained_on)
    given |= _given(default_segmenter=segmenter, inputs=inputs)
    if not given:
        raise GanatomyError(
            "Say what to change: --title, --licence, --source, --trained-on, --segmenter or --inputs."
        )
    changes.change(layout, found, name, operator(), **given)
    console.print(f"{name} is changed.")


def own_role(layout: Layout, name: str, role: str | None) -> str:
    """The role of a model that was added to a store, damaged or not; `role` where both have the name."""
    found = {each for each, registry in REGISTRIES.items() if registry.is_own(name, layout.models)}
    if found:
        return _only(found, name, role)
    for registry in REGISTRIES.values():
        if name in registry.names():
            raise GanatomyError(f"{name} comes with Ganatomy and stays as it is.")
    raise GanatomyError(f"There is no model {name[:80]!r} in this store; `ganatomy models list` shows all.")


def _only(found: set[str], name: str, role: str | None) -> str:
    """The one of the roles that have a name, or the given one of them."""
    if role is not None and must_be_role(role) not in found:
        raise GanatomyError(f"There is no {role} {name[:80]!r}; it is a {' and a '.join(sorted(found))}.")
    if role is None and len(found) > 1:
        raise GanatomyError(
            f"There are a generator and a segmenter {name!r}; give --role generator or --role segmenter."
        )
    return role or next(iter(found))


def _say_references(jobs: Client, role: str, name: str, renamed: bool = False) -> None:
    """Print what names a model: runs, schedules, watched folders, waiting jobs and, as a default, models."""
    try:
        named = queries.naming_models(published.open(jobs.layout, make=False))
        own = named[(named.role == role) & (named.name == name)]
        runs = references.in_words([str(kind) for kind in own.kind])
    except StoreError:  # nothing is published yet, or it is damaged: another command's concern
        runs = ""
    if runs:
        console.print(f"Runs that name it, and stay: {runs}.", markup=False)
    if found := references.referring(jobs, role, name, renamed):
        console.print(f"Still naming it: {visible(', '.join(found))}.", markup=False)


app.command("plugins")(list_plugins)
app.command()(check)


def _given(**values: str | None) -> dict[str, str]:
    """The options that were given, by name."""
    return {name: value for name, value in values.items() if value is not None}


def must_be_role(role: str) -> str:
    """The role, if it is one."""
    if role not in REGISTRIES:
        raise GanatomyError(f"{role[:40]!r} is not a role; give --role generator or --role segmenter.")
    return role


def refuse(what: str, later: str = "", /, **given: object) -> None:
    """Refuse options that say nothing about what is added or changed; `later` says where --inputs go.

    Raises:
        GanatomyError: one of them was given.
    """
    named = [name.replace("_", "-") for name, value in given.items() if value not in (None, [])]
    flags = ["the file" if name == "file" else f"--{name}" for name in named]
    if flags:
        verb, them = ("does", "it") if len(flags) == 1 else ("do", "them")
        hint = later if "--inputs" in flags else ""
        raise GanatomyError(f"{' and '.join(flags)} {verb} not apply to {what}; leave {them} out{hint}.")
