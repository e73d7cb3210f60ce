"""Segmenters on the command line: adding one, a look at its label maps, and images to be labelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.cli.common import Json, Store, client, console, show_facts, show_json
from jobs.system.text import visible

if TYPE_CHECKING:
    from analysis.models.segmentation.report import SegmenterReport

Given = Annotated[str, typer.Option("--inputs", help='Beside the latents, such as "truncation=0.7".')]


def add_segmenter(
    layout: Layout,
    name: str,
    path: Path,
    family: str | None,
    key: str | None,
    settings: Mapping[str, str],
    vocabulary: str | None,
    about: Mapping[str, str],
) -> ModelInfo:
    """Register a file, a folder or a pinned revision as a segmenter; `about` is what is said of it."""
    info = segmenters.add(
        name, family, _address(path), layout.models, key, settings=settings, vocabulary=vocabulary
    )
    return segmenters.change(name, layout.models, **about) if about else info


def inspect_segmenter(
    path: Path,
    family: str | None,
    key: str | None,
    settings: Mapping[str, str],
    vocabulary: str | None,
    json: bool,
) -> None:
    """Say what a file or folder holds as a segmenter, and what it asks. Nothing is kept."""
    found = segmenters.inspect(_address(path), family, key, settings, vocabulary)
    if json:
        show_json(asdict(found))
        return
    facts = {"family": f"{found.title} ({found.family})"}
    if found.concepts:
        named = ", ".join(concept.name for concept in found.concepts[:24])
        more = len(found.concepts) - 24
        facts["concepts"] = f"{len(found.concepts)}: {named}" + (f" and {more} more" if more > 0 else "")
    for choice in found.choices:
        chosen = found.answers.get(choice.name, choice.default)
        facts[f"--set {choice.name}={chosen}"] = f"{choice.help} ({', '.join(choice.values) or 'any text'})"
    show_facts(facts)
    for word, sentences in (("Note", found.notes), ("Problem", found.problems)):
        for sentence in sentences:
            console.print(f"{word}: {visible(sentence)}", markup=False)
    if found.problems:
        raise typer.Exit(1)


def _address(path: Path) -> Path | str:
    # A path drops doubled slashes and nothing else, so an address survives it.
    return str(path) if str(path).startswith("hub:") else path


def check(
    segmenter: Annotated[str, typer.Argument(help="The segmenter's name.")],
    generator: Annotated[str, typer.Option("--generator", "-g", help="Whose pictures it labels.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the pictures and label maps to this PNG.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the pictures.")] = 1,
    inputs: Given = "",
    store: Store = None,
    json: Json = False,
) -> None:
    """Try a segmenter on 16 pictures of a generator: its label maps, and what is wrong with it."""
    models = client(store).layout.models
    look = import_module("analysis.models.segmentation.look")
    made = generators.load(generator, models, inputs=Inputs.parse(inputs))
    found = look.look(made, segmenters.load(segmenter, models), seed)
    if output is not None:
        try:
            found.picture.save(output, "PNG")
        except (OSError, ValueError) as error:
            raise GanatomyError(f"{output} cannot be written; name a file in a folder of yours.") from error
    if json:
        show_json(found.as_json())
    else:
        _print(found.report, output)
    if not found.report.ok:
        raise typer.Exit(1)


def _print(report: SegmenterReport, output: Path | None) -> None:
    for line in str(report).splitlines():
        console.print(line, markup=False)
    seen = sorted(zip(report.shares, report.concepts, strict=False), key=lambda pair: -pair[0])
    for share, concept in seen[:20]:
        if share > 0:
            console.print(f"  {concept.name}  {share:.1%}", markup=False)
    if output is not None:
        console.print(f"Label maps: {output}", markup=False)


def export_images(
    generator: Annotated[str, typer.Argument(help="The generator's name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    seed: Annotated[int, typer.Option(min=0, help="The seed of the images.")] = 1,
    images: Annotated[int, typer.Option(min=1, help="Evaluation images, as of the dissection.")] = 1000,
    calibration: Annotated[int, typer.Option(min=1, help="Calibration images, as of the dissection.")] = 500,
    inputs: Given = "",
    store: Store = None,
    json: Json = False,
) -> None:
    """Write a dissection's images as PNGs, to be labelled elsewhere and added as a segmenter."""
    models = client(store).layout.models
    made = generators.load(generator, models, inputs=Inputs.parse(inputs))
    export = import_module("analysis.dissection.exported_images").export_images
    with Progress(TextColumn("images"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("images", total=images + calibration)
        folder = export(
            made, output, images, calibration, seed, lambda done, total: bar.update(task, completed=done)
        )
    if json:
        show_json({"folder": str(folder), "images": images + calibration})
        return
    for line in (
        f"{images + calibration} images are in {folder / 'images'}.",
        f"Write the label map of each under its name to {folder / 'labels'} (numbers from 1 on, 0 is "
        "nothing), and "
        f'what the numbers mean to {folder / "vocabulary.json"}, as in ["sky", "tree"].',
        f"Then: ganatomy models add NAME {folder} --role segmenter",
        f"and: ganatomy dissect {generator} --segmenter NAME --images {images} --calibration {calibration} "
        f"--seed {seed}" + (f' --inputs "{inputs}"' if inputs else ""),
    ):
        console.print(line, markup=False)
