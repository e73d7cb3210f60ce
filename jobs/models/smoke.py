"""What a trial does with torch: samples, a segmenter's check picture, a dissection of a few images.

Everything here runs in the process of a trial, under limits of memory and time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analysis.dissection.dissection import dissect
from analysis.models import generators, segmenters, vocabularies
from analysis.models.catalogue import ModelInfo
from analysis.models.files.inspection import examined
from analysis.models.files.limits import GB, Limits, confine
from analysis.models.generator import Generator
from analysis.models.segmentation.look import look
from analysis.models.segmenter import Segmenter
from analysis.shared.errors import GanatomyError
from analysis.shared.files import replacing
from analysis.shared.latents import latents
from jobs.models.process import Work
from jobs.system.live import JsonObject

IMAGES = 16  # of a sheet of samples
SMOKE = 8  # evaluation images of the smoke dissection
USUAL = (1000, 500)  # evaluation and calibration images of a dissection, for the estimate
SIDE = 112  # pixels of one image
PATIENCE_S = 20.0  # after which fewer images are drawn
SEED = 1
SHARE = 0.005  # of the pixels that are on: few images choose no other threshold
NAME = "trial"


def limit() -> None:
    """No more than 8 GB of memory and fifteen minutes of processor time for this process."""
    memory = min(8 * GB, int(0.8 * psutil.virtual_memory().available))
    confine(Limits(memory, 900, 4 * GB), bound=False)  # a page's thread started it, and soon ends
    torch.set_num_threads(max(1, (torch.get_num_threads() + 1) // 2))


def samples(work: Work) -> JsonObject:
    """A sheet of a registered generator's first images."""
    limit()
    work.tell("Drawing samples")
    generator = generators.load(str(work.request["name"]), work.layout.models)
    images = drawn(generator)
    sheet = work.folder / "sheet.png"
    grid([picture(image) for image in images], 4, sheet)
    place = work.layout.models / "generators"
    place.mkdir(parents=True, exist_ok=True)
    with replacing(place / f"{generator.name}.png") as aside:  # for the list of models
        shutil.copyfile(sheet, aside)
    return {"images": len(images)}


def segmenter(work: Work) -> JsonObject:
    """What a segmenter's file or folder holds: its family, questions and concepts."""
    limit()
    work.tell("Reading the segmenter")
    asked = questions(work, work.request)
    try:
        found, info = staged_segmenter(work, work.request)
    except GanatomyError as error:
        return {"refused": str(error), **asked}
    return {
        **asked,
        "concepts": [concept.name for concept in info.concepts],
        "categories": [concept.category for concept in info.concepts],
        "colours": colours_of(found),
        "notes": list(info.notes),
    }


def smoke(work: Work) -> JsonObject:
    """The check picture of a segmenter on a generator's first images, and a dissection of eight of them."""
    limit()
    work.tell("Loading the generator")
    generator = of_generator(work, work.request["generator"])
    work.tell("Loading the segmenter")
    found = of_segmenter(work, work.request["segmenter"])
    work.tell("Labelling 16 images")
    answer = seen(generator, found, work.folder / "check.png")
    if answer["problems"]:
        return answer
    work.tell("Dissecting 8 images")
    return answer | timed(generator, found)


def timed(generator: Generator, found: Segmenter) -> JsonObject:
    """The time of a dissection of eight images, and what 1,000 are likely to take on this machine's CPU."""

    def dissected(images: int) -> tuple[float, Any]:
        began = time.perf_counter()
        result = dissect(generator, found, images=images, calibration=images, seed=SEED, threshold=SHARE)
        return time.perf_counter() - began, result

    dissected(2)  # compiles and warms up
    first, result = dissected(SMOKE)
    each = first / (2 * SMOKE)
    if first < PATIENCE_S:
        # What two sizes differ by is the time of the images alone.
        each = max(0.0, dissected(3 * SMOKE)[0] - first) / (4 * SMOKE)
    return {
        "images": SMOKE,
        "seconds": first,
        "estimate": first + each * sum(USUAL),
        "usual": list(USUAL),
        "layers": len(result.evaluation_counts.layers),
    }


def drawn(generator: Generator) -> Tensor:
    """The generator's first images (N, 3, H, W) in [-1, 1], one per pass; fewer of a slow one."""
    images: list[Tensor] = []
    began = time.perf_counter()
    for number in range(IMAGES):
        z = latents(SEED, number, number + 1, generator.latent_shape)
        images.append(generator.features(z, [])[0])
        if time.perf_counter() - began > PATIENCE_S:
            break
    return torch.cat(images).detach().cpu()


def seen(generator: Generator, found: Segmenter, path: Path) -> JsonObject:
    """Writes the check picture; the report, and a legend of the concepts that were seen, largest first."""
    looked = look(generator, found, SEED, legend=False)
    looked.picture.save(path)
    report = looked.report
    rows = [
        {"name": concept.name, "colour": colour, "share": share}
        for concept, colour, share in zip(report.concepts, colours_of(found), report.shares, strict=False)
        if share
    ]
    return {
        "legend": sorted(rows, key=lambda row: -float(str(row["share"]))),
        "nothing": report.nothing,
        "grid": list(report.grid),
        "problems": list(report.problems),
        "notes": list(report.notes),
    }


def colours_of(found: Segmenter) -> list[str]:
    """A colour for each concept: the vocabulary's, or one that is made."""
    count = len(found.concepts)
    known = list(getattr(found, "colours", ()))
    return known if len(known) == count else [vocabularies.colour(number) for number in range(count)]


def picture(image: Tensor) -> Image.Image:
    """One image (3, H, W) in [-1, 1], as large as the others on a sheet."""
    values: NDArray[np.uint8] = (127.5 * (image + 1)).round().clamp(0, 255).to(torch.uint8).numpy()
    made = Image.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)))
    size = (max(1, round(SIDE * made.width / made.height)), SIDE)
    return made.resize(size, Image.Resampling.LANCZOS if made.height > SIDE else Image.Resampling.NEAREST)


def grid(tiles: Sequence[Image.Image], columns: int, path: Path) -> None:
    """Writes equal pictures in rows, with transparent gaps."""
    gap, rows = 3, -(-len(tiles) // columns)
    columns, (width, height) = min(columns, len(tiles)), tiles[0].size
    canvas = Image.new("RGBA", (columns * (width + gap) - gap, rows * (height + gap) - gap))
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        canvas.paste(tile, (column * (width + gap), row * (height + gap)))
    canvas.save(path)


def of_generator(work: Work, source: JsonObject) -> Generator:
    """A registered generator by name, or one in a file, kept in the trial's folder as a store would."""
    if source.get("name"):
        return generators.load(str(source["name"]), work.layout.models)
    models = work.folder / "generator"
    info = {"name": NAME, "title": "", "licence": "", "source": ""}
    asked = (source.get("key"), source.get("family"), source.get("answers", {}))
    memory = source.get("memory_gb")
    with examined(work.path(source), *asked, info=info, within=work.folder, memory_gb=memory) as made:
        shutil.move(made / "models", models)
    return generators.load(NAME, models)


def of_segmenter(work: Work, source: JsonObject) -> Segmenter:
    """A registered segmenter by name, or one in a file or folder."""
    if source.get("name"):
        return segmenters.load(str(source["name"]), work.layout.models)
    return staged_segmenter(work, source)[0]


def staged_segmenter(work: Work, source: JsonObject) -> tuple[Segmenter, ModelInfo]:
    """A segmenter in a file or folder, kept in the trial's folder as a store would."""
    models = work.folder / "segmenter"
    shutil.rmtree(models, ignore_errors=True)
    info = add_segmenter(NAME, source, work.path(source), models)
    return segmenters.load(NAME, models), info


def add_segmenter(name: str, source: JsonObject, path: Path, models: Path) -> ModelInfo:
    """Adds the segmenter of a file or folder to a models folder."""
    about: dict[str, Any] = {key: str(source[key]) for key in ("title", "licence") if source.get(key)}
    return segmenters.add(
        name,
        source.get("family"),
        path,
        models,
        source.get("key"),
        settings=source.get("answers", {}),
        vocabulary=source.get("vocabulary"),
        memory_gb=source.get("memory_gb"),
        **about,
    )


def questions(work: Work, source: JsonObject) -> JsonObject:
    """What the family of a file or folder asks, with the answers; nothing where no family is recognised."""
    try:
        family = source.get("family") or segmenters.recognised(work.path(source), source.get("key"))
    except GanatomyError:
        return {}
    kind = import_module(segmenters.FAMILIES[family]).FAMILY
    given = source.get("answers", {})
    return {
        "family": family,
        "title": kind.title,
        "choices": [asdict(choice) for choice in kind.choices],
        "answers": {choice.name: given.get(choice.name, choice.default) for choice in kind.choices},
    }
