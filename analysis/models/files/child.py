"""The child process of `analysis.models.files.inspection`: reads, builds and draws one model within limits.

Request: JSON on standard input. Answer: result.json, and what goes with it, in the folder that it names.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from analysis.models import checkpoints, generators
from analysis.models.catalogue import ModelInfo
from analysis.models.choice import checked_answers
from analysis.models.files import formats, recognition, states
from analysis.models.files.inspection import RESULT, SHEET, Inspection
from analysis.models.files.limits import Limits, allow, confine
from analysis.models.files.words import Unreadable, plain
from analysis.models.inputs import Inputs
from analysis.models.weights import Added
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

if TYPE_CHECKING:
    from analysis.models.families.family import Family
    from analysis.models.generator import Generator

DRAWN = 16  # images of the sheet
COMPARED = 4  # images that must be equal once the model is kept
PATIENCE_S = 20.0  # for the sheet: a slow generator draws fewer
SIDE = 192  # pixels of one image on the sheet
OUT_OF_MEMORY = (
    "alloc",
    "out of memory",
    "bad_alloc",
    "Cannot allocate",
    "too large",
    "could not create a",  # of oneDNN: a primitive, or a memory object
)


def main(request: Mapping[str, Any]) -> int:
    """Do what a request asks; the exit status, which is 0 unless the file is refused."""
    gc.disable()  # a pickle's containers are many and live to the end
    limits = Limits(**request["limits"])
    confine(limits)
    allow(limits.reading)
    return answered(request)


def answered(request: Mapping[str, Any]) -> int:
    """The same in a process that has its limits already."""
    path, folder, limits = Path(request["path"]), Path(request["folder"]), Limits(**request["limits"])
    name = formats.described(path)
    does = {"state": _kept_state, "segmenter": _segmenter}.get(request["role"], _found)
    try:
        with warnings.catch_warnings(action="ignore"):
            answer = does(request, path, folder)
    except Unreadable as error:
        answer = {"refused": _sentence(f"{name} {error}")}
    except GanatomyError as error:
        answer = {"refused": _sentence(str(error))}
    except MemoryError:
        answer = {"refused": _too_large(name, limits)}
    except Exception as error:  # whatever torch or a family makes of values that nobody foresaw
        large = any(word in str(error) for word in OUT_OF_MEMORY)
        reason = plain((str(error).splitlines() or [""])[0], 160)
        answer = {
            "refused": _too_large(name, limits)
            if large
            else f"{name} cannot be used ({type(error).__name__}: {reason}); it is damaged, or of another "
            "family."
        }
    (folder / RESULT).write_text(json.dumps(answer))
    return 3 if "refused" in answer else 0


def _too_large(name: str, limits: Limits) -> str:
    return (
        f"{name} needs more than {limits.memory / 2**30:.1f} GB of memory to be read and tried; it is "
        "damaged, made to do harm, or needs a higher limit."
    )


def _sentence(text: str) -> str:
    shown = plain(text, 1200)
    return shown if shown.endswith(".") else f"{shown}."


def _kept_state(request: Mapping[str, Any], path: Path, folder: Path) -> dict[str, Any]:
    """Only the state dict, as safetensors."""
    content = formats.read(path)
    found = recognition.single(states.states(content), request["key"])
    allow(request["limits"]["seconds"])
    state, notes = states.values(found, formats.disk_bytes(path))
    checkpoints.save_state(folder / "state.safetensors", state)
    return {"notes": notes, "format": content.format, "config": states.config_of(content, found)}


def _segmenter(request: Mapping[str, Any], path: Path, folder: Path) -> dict[str, Any]:
    """What a segmenter is, or, with `info`, that it is kept and proved."""
    proof = import_module("analysis.models.segmentation.proof")
    answer: dict[str, Any] = (
        proof.inspected(request, path)
        if request["info"] is None
        else proof.kept(request, path, folder / "models")
    )
    return answer


def _found(request: Mapping[str, Any], path: Path, folder: Path) -> dict[str, Any]:
    content = formats.read(path)
    allow(request["limits"]["seconds"])
    families = recognition.families(_families(request["family"]))
    match = recognition.match(states.states(content), families, request["key"], request["family"])
    state, notes = states.values(match.found, formats.disk_bytes(path))
    family = families[match.family]
    answers = checked_answers(family.choices, request["answers"], family.title)
    beside = states.config_of(content, match.found)
    about = dict(request["info"] or {})
    info = ModelInfo(
        **{
            "name": "generator",
            "title": "",
            "licence": "",
            "source": "",
            **about,
            "role": "generator",
            "family": match.family,
            "config": {"config": beside, **answers},
            "weights": Added("", ""),
        }
    )
    inputs = Inputs.parse(info.inputs)
    parts = generators.parts(info, state, inputs)
    info = replace(info, takes=generators.takes(family, parts))
    generators.given_inputs(replace(info, classes=parts.classes), inputs)
    generator = generators.assembled(info, parts, "cpu", inputs)
    sheet = _Sheet(generator)
    sheet.save(folder / SHEET)
    said = (
        *notes,
        *_taken_for_granted(family, answers),
        *parts.notes,
        *generator.notes,
        *_untouched(state),
        *sheet.notes,
    )
    if match.found.skipped:
        said = (*said, f"{match.found.skipped} values beside the weights were left out.")
    info = replace(
        info,
        layers=generator.layers,
        latent_shape=generator.latent_shape,
        image_size=(generator.image_shape[1], generator.image_shape[2]),
        classes=generator.classes,
        notes=tuple(plain(note, 400) for note in said),
    )
    if request["info"] is not None:
        _prove(info, state, folder / "models", sheet.first)
    return Inspection(
        file=formats.described(path),
        format=content.format,
        key=plain(match.found.name),
        family=match.family,
        title=family.title,
        config=beside,
        choices=family.choices,
        answers=answers,
        layers=info.layers,
        latent_shape=info.latent_shape,
        classes=info.classes,
        takes=info.takes,
        image_size=(generator.image_shape[1], generator.image_shape[2]),
        parameters=generator.parameters,
        notes=info.notes,
        seconds_per_image=sheet.seconds,
    ).as_json()


def _families(wanted: str | None) -> Mapping[str, str]:
    """The modules of the families that come into question."""
    if wanted is None:
        return generators.FAMILIES
    if wanted not in generators.FAMILIES:
        raise GanatomyError(generators.no_family(wanted))
    return {wanted: generators.FAMILIES[wanted]}


def _prove(info: ModelInfo, state: Mapping[str, Tensor], models: Path, drawn: Tensor) -> None:
    """Keeps a model as a store would, loads it as a job does, and compares its pictures.

    Raises:
        GanatomyError: one value of a picture differs.
    """
    generators.keep(info, state, models)
    again = generators.load(info.name, models)
    if not torch.equal(_Sheet.images(again, len(drawn)), drawn):
        raise GanatomyError(
            f"The model '{info.name}' draws other pictures once it is kept, so it was not added; report this "
            f"with its family, {info.family}."
        )


def _taken_for_granted(family: Family, answers: Mapping[str, str]) -> list[str]:
    taken = [f"{each.name} ({each.default})" for each in family.choices if each.name not in answers]
    return [f"Not said, and taken as usual: {', '.join(taken)}."] if taken else []


def _untouched(state: Mapping[str, Tensor]) -> list[str]:
    """Batch norms whose statistics are those of a new module."""
    means = [name for name in state if name.endswith("running_mean")]
    fresh = [
        name
        for name in means
        if not state[name].any()
        and bool((state.get(name.replace("running_mean", "running_var"), state[name]) == 1).all())
    ]
    if not fresh:
        return []
    return [
        f"{len(fresh)} of {len(means)} batch norms have untouched statistics (mean 0, variance 1), the first "
        f"is '{plain(fresh[0].removesuffix('.running_mean'))}'; the training did not keep them."
    ]


class _Sheet:
    """A few images of a generator, how long they took, and which units stayed constant."""

    def __init__(self, generator: Generator) -> None:
        names = [layer.name for layer in generator.layers if not layer.extra]
        images, seconds, began = [], [], time.perf_counter()
        low: dict[str, Tensor] = {}
        high: dict[str, Tensor] = {}
        for number in range(DRAWN):
            start = time.perf_counter()
            image, maps = generator.features(latents(1, number, number + 1, generator.latent_shape), names)
            seconds.append(time.perf_counter() - start)
            images.append(image)
            for name, r in maps.items():
                least, most = r.amin((0, 2, 3)), r.amax((0, 2, 3))
                low[name] = torch.minimum(low.get(name, least), least)
                high[name] = torch.maximum(high.get(name, most), most)
            if time.perf_counter() - began > PATIENCE_S:
                break
        self.seconds = sorted(seconds)[len(seconds) // 2]
        self._images = torch.cat(images)
        self.first = self._images[:COMPARED]
        dead = [(int((high[name] == low[name]).sum()), len(low[name]), name) for name in names]
        self.notes = [
            f"{count} of {units} units of {name} are constant in {len(images)} images."
            for count, units, name in dead
            if count
        ]

    @staticmethod
    def images(generator: Generator, count: int) -> Tensor:
        """The first images, each from a pass of its own as on the sheet."""
        names = [layer.name for layer in generator.layers if not layer.extra]
        every = [latents(1, number, number + 1, generator.latent_shape) for number in range(count)]
        return torch.cat([generator.features(z, names)[0] for z in every])

    def save(self, path: Path) -> None:
        """A grid of four columns, each image at most SIDE pixels high."""
        images = self._images
        if max(images.shape[2:]) > SIDE:
            scale = SIDE / max(images.shape[2:])
            size = (max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale)))
            images = functional.interpolate(
                images, size=size, mode="bilinear", align_corners=False, antialias=True
            ).clamp(-1, 1)
        cells = functional.pad(images, (1, 1, 1, 1), value=1.0)
        blank = -len(cells) % min(4, len(cells))
        cells = torch.cat([cells, torch.ones(blank, *cells.shape[1:])])
        columns = min(4, len(self._images))
        rows = [torch.cat(list(row), 2) for row in cells.split(columns)]
        whole = torch.cat(rows, 1).permute(1, 2, 0)
        pixels = (127.5 * (whole + 1)).round().clamp(0, 255).to(torch.uint8).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
