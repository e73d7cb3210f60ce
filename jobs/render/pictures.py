"""Pictures of edits, made once and stored under names that follow from their content.

Only the render process imports this module, since it loads torch.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor
from torch import Tensor

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources, edited_images, first_layer
from analysis.editing.measurements import Shares, compared
from analysis.editing.renders import pixels, rendering
from analysis.models import generators, segmenters
from analysis.models.generator import Generator, ImageCut
from analysis.models.inputs import Inputs
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.models.vocabularies import colour
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents as sample
from db.layout import Layout
from db.store import files
from jobs.kinds import catalogue
from jobs.kinds.base import run_id
from jobs.render.client import ActivationsRequest, MeasureRequest
from jobs.system.live import JsonObject

ANSWERS = 4096  # in memory; every answer is also in the store
AT_ONCE = 8  # images whose maps are in memory together


@dataclass(frozen=True)
class Answer:
    """File names of the pictures, one per latent, and the time that it took to make them."""

    before: list[str]
    after: list[str]
    difference: list[str]
    ms: float


@dataclass(frozen=True)
class Measured:
    """What an edit does to one image: see `analysis.editing.measurements`, and the label maps as pictures."""

    before: dict[str, Shares]
    after: dict[str, Shares]
    stroke: float
    change_in_stroke: float | None
    change_elsewhere: float | None
    colours: dict[str, str]  # of each concept in the label maps, "#rrggbb"
    labels_before: str  # file names
    labels_after: str
    ms: float


@dataclass
class LoadedGenerators:
    """At most `limit` generators in memory; the least recently used one goes first."""

    models: Path
    limit: int
    _loaded: OrderedDict[tuple[str, str, str], Generator] = field(default_factory=OrderedDict)

    @property
    def names(self) -> list[str]:
        """The generators in memory, the least recently used one first."""
        return [name for name, _weights, _inputs in self._loaded]

    def get(self, name: str, inputs: str) -> Generator:
        """The generator with these inputs, loaded if it is not in memory or its weights have changed."""
        key = (name, catalogue.weights_key(generators.describe(name, self.models)), inputs)
        if key not in self._loaded:
            self._loaded[key] = generators.load(name, self.models, inputs=Inputs.parse(inputs), exact=True)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self.limit:
            self._loaded.popitem(last=False)
        return self._loaded[key]


class Pictures:
    """Answers to render requests. Threads may share it; images are made for one request at a time."""

    def __init__(self, layout: Layout, generators: int) -> None:
        self.layout = layout
        self.generators = LoadedGenerators(layout.models, generators)
        self.last_request = time.monotonic()
        self._making = threading.Lock()
        self._sources: Sources | None = None
        self._segmenter: tuple[tuple[str, str], Segmenter] | None = None  # the last one, by name and weights
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        # Strokes on one image run only the layers after them, and its label maps without strokes are always
        # the same. A page asks for the pictures of a stroke, then for its measurement, of the same images.
        self._cut: tuple[Generator, int, int, str, ImageCut] | None = None
        self._pair: tuple[Generator, str, int, int, tuple[Tensor, Tensor]] | None = None
        self._seen: tuple[Generator, Segmenter, int, int, Tensor] | None = None

    def answer(
        self,
        generator: str,
        edit: str,
        seed: int,
        latents: Sequence[int],
        inputs: str = "",
        sha256: str = "",
    ) -> JsonObject:
        """The values of an `Answer`, the request's `key`, and whether the pictures were `cached`."""
        self.last_request = time.monotonic()
        parsed = Edit.parse(edit)
        info = generators.describe(generator, self.layout.models)
        content = {"edit": str(parsed), "seed": seed, "latents": list(latents), "inputs": inputs}
        content |= {"sha256": sha256} if sha256 else {}
        key = run_id("render", generator, content, catalogue.weights_key(info))
        if (earlier := self._earlier(key)) is not None:
            return {**asdict(earlier), "key": key, "cached": True}
        made = self._make(generator, inputs, sha256, parsed, seed, latents)
        self._answers[key] = made
        while len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)
        with files.replacing(self.layout.renders / f"{key}.json", durable=False) as aside:
            aside.write_text(json.dumps(asdict(made)))
        return {**asdict(made), "key": key, "cached": False}

    def measure(self, asked: MeasureRequest) -> JsonObject:
        """The values of a `Measured`: what the segmenter sees in one image before and after an edit."""
        self.last_request, began = time.monotonic(), time.perf_counter()
        info = segmenters.describe(asked.segmenter, self.layout.models)
        parsed, key = Edit.parse(asked.edit), (asked.segmenter, catalogue.weights_key(info))
        with self._making:
            made, sources = self._generator(asked.generator, asked.inputs, asked.sha256, asked.seed)
            if self._segmenter is None or self._segmenter[0] != key:
                device = str(made.device)
                self._segmenter = (key, segmenters.load(asked.segmenter, self.layout.models, device))
            segmenter, which = self._segmenter[1], (asked.seed, asked.latent)
            with torch.inference_mode():
                before, after = self._images(made, parsed, *which, sources)
                if self._seen is None or self._seen[:4] != (made, segmenter, *which):
                    self._seen = (made, segmenter, *which, checked_labels(segmenter, before)[0])
                found = compared(made, segmenter, parsed, before, after, self._seen[4])
        names = list(found.before)
        colours = {name: colour(number) for number, name in enumerate(names)}
        palette = np.array([(0, 0, 0), *(ImageColor.getrgb(each)[:3] for each in colours.values())], np.uint8)
        was, now = (self._save(palette[_topmost(each)]) for each in (found.labels_before, found.labels_after))
        return asdict(
            Measured(
                found.before,
                found.after,
                found.stroke,
                found.change_in_stroke,
                found.change_elsewhere,
                colours,
                was,
                now,
                ms=(time.perf_counter() - began) * 1000,
            )
        )

    def activations(self, asked: ActivationsRequest) -> JsonObject:
        """A unit's `maps` on the images of some latents: float32 of a `shape` as base64, and the `images`."""
        self.last_request = time.monotonic()
        found: list[NDArray[np.float32]] = []
        files: list[str] = []
        with self._making, torch.inference_mode():
            made, _sources = self._generator(asked.generator, asked.inputs, asked.sha256, asked.seed)
            units = made.layer(asked.layer).units
            if asked.unit >= units:
                raise GanatomyError(
                    f"'{asked.layer}' has units 0 to {units - 1}; there is no unit {asked.unit}."
                )
            for first in range(0, len(asked.latents), AT_ONCE):
                rows = [
                    sample(asked.seed, number, number + 1, made.latent_shape)
                    for number in asked.latents[first : first + AT_ONCE]
                ]
                images, maps = made.features(torch.cat(rows).to(made.device), [asked.layer])
                found.append(maps[asked.layer][:, asked.unit].float().cpu().numpy())
                files += [self._save(image) for image in pixels(images)]
        together = np.ascontiguousarray(np.concatenate(found), np.float32)
        text = base64.b64encode(together.tobytes()).decode()
        return {"maps": text, "shape": list(together.shape), "images": files}

    def _earlier(self, key: str) -> Answer | None:
        """An earlier answer, from memory or from the store, whose pictures all still exist."""
        answer = self._answers.get(key)
        if answer is None:
            try:
                answer = Answer(**json.loads((self.layout.renders / f"{key}.json").read_text()))
            except (OSError, ValueError, TypeError):  # missing or damaged
                return None
        names = [*answer.before, *answer.after, *answer.difference]
        return answer if all((self.layout.renders / name).exists() for name in names) else None

    def _make(
        self, name: str, inputs: str, sha256: str, edit: Edit, seed: int, latents: Sequence[int]
    ) -> Answer:
        began = time.perf_counter()
        with self._making:
            generator, sources = self._generator(name, inputs, sha256, seed)
            if len(latents) == 1:
                made = rendering(*self._images(generator, edit, seed, latents[0], sources))
            else:
                rows = [sample(seed, number, number + 1, generator.latent_shape) for number in latents]
                z = torch.cat(rows).to(generator.device)
                made = rendering(*edited_images(generator, edit, z, sources))
        before, after, difference = (
            [self._save(image) for image in images] for images in (made.before, made.after, made.difference)
        )
        return Answer(before, after, difference, ms=(time.perf_counter() - began) * 1000)

    def _images(
        self, generator: Generator, edit: Edit, seed: int, latent: int, sources: Sources
    ) -> tuple[Tensor, Tensor]:
        """One image before and after an edit; the last pair is kept. The caller holds the lock."""
        key = (generator, str(edit), seed, latent)
        if self._pair is None or self._pair[:4] != key:
            z = sample(seed, latent, latent + 1, generator.latent_shape).to(generator.device)
            cut = (
                self._cut_at(generator, seed, latent, first_layer(generator, edit), z) if edit.steps else None
            )
            self._pair = (*key, edited_images(generator, edit, z, sources, cut))
        return self._pair[4]

    def _cut_at(self, generator: Generator, seed: int, latent: int, layer: str, z: Tensor) -> ImageCut:
        key = (generator, seed, latent, layer)
        if self._cut is None or self._cut[:4] != key:
            self._cut = (*key, generator.cut(z, layer))
        return self._cut[4]

    def _generator(self, name: str, inputs: str, sha256: str, seed: int) -> tuple[Generator, Sources]:
        """A generator, and what edits need of its other images; the caller holds the lock."""
        generator = self.generators.get(name, inputs)
        if sha256 and generator.weights_sha256 != sha256:
            raise GanatomyError(
                f"The generator '{name}' has other weights now than when this run was made, so its "
                "pictures cannot be rendered; dissect it again."
            )
        # Some edits need values of other images (a unit's constant, say): kept for the last generator and
        # seed.
        if self._sources is None or (self._sources.generator, self._sources.seed) != (generator, seed):
            self._sources = Sources(generator, seed)
        return generator, self._sources

    def _save(self, image: NDArray[np.uint8]) -> str:
        """Store a picture (H, W, 3) under the hash of its pixels. Returns its file name."""
        digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:32]
        file = self.layout.renders / f"{digest}.png"
        if not file.exists():
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG", compress_level=1)
            with files.replacing(file, durable=False) as aside:  # a lost picture is rendered again
                aside.write_bytes(buffer.getvalue())
        return file.name


def _topmost(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of label maps (maps, h, w), at each pixel the last that names something: parts lie on objects."""
    shown = labels[0]
    for each in labels[1:]:
        shown = np.where(each > 0, each, shown)
    return shown
