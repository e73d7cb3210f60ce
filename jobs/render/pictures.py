"""Pictures of edits, made once and stored under names that follow from their content.

Only the render process imports this module, since it loads torch.
"""

from __future__ import annotations

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
from PIL import Image

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources
from analysis.editing.renders import render
from analysis.models import generators
from analysis.models.generator import Generator
from analysis.shared.latents import latents as sample
from db.layout import Layout
from db.store import files
from jobs.kinds import catalogue
from jobs.kinds.base import run_id
from jobs.system.live import JsonObject

ANSWERS = 4096  # in memory; every answer is also in the store


@dataclass(frozen=True)
class Answer:
    """File names of the pictures, one per latent, and the time that it took to make them."""

    before: list[str]
    after: list[str]
    difference: list[str]
    ms: float


@dataclass
class LoadedGenerators:
    """At most `limit` generators in memory; the least recently used one goes first."""

    models: Path
    limit: int
    _loaded: OrderedDict[tuple[str, str], Generator] = field(default_factory=OrderedDict)

    @property
    def names(self) -> list[str]:
        """The generators in memory, the least recently used one first."""
        return [name for name, _ in self._loaded]

    def get(self, name: str) -> Generator:
        """The generator, loaded if it is not in memory or its weights have changed."""
        key = (name, catalogue.weights_key(generators.describe(name, self.models)))
        if key not in self._loaded:
            self._loaded[key] = generators.load(name, self.models)
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
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def answer(self, generator: str, edit: str, seed: int, latents: Sequence[int]) -> JsonObject:
        """The values of an `Answer`, the request's `key`, and whether the pictures were `cached`."""
        self.last_request = time.monotonic()
        parsed = Edit.parse(edit)
        info = generators.describe(generator, self.layout.models)
        content = {"edit": str(parsed), "seed": seed, "latents": list(latents)}
        key = run_id("render", generator, content, catalogue.weights_key(info))
        if (earlier := self._earlier(key)) is not None:
            return {**asdict(earlier), "key": key, "cached": True}
        made = self._make(generator, parsed, seed, latents)
        self._answers[key] = made
        while len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)
        with files.replacing(self.layout.renders / f"{key}.json", durable=False) as aside:
            aside.write_text(json.dumps(asdict(made)))
        return {**asdict(made), "key": key, "cached": False}

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

    def _make(self, name: str, edit: Edit, seed: int, latents: Sequence[int]) -> Answer:
        began = time.perf_counter()
        with self._making:
            generator = self.generators.get(name)
            # Some edits need values of other images (a unit's constant, say): kept for the last generator and
            # seed.
            if self._sources is None or (self._sources.generator, self._sources.seed) != (generator, seed):
                self._sources = Sources(generator, seed)
            rows = [sample(seed, number, number + 1, generator.latent_shape) for number in latents]
            made = render(generator, edit, torch.cat(rows).to(generator.device), self._sources)
        before, after, difference = (
            [self._save(image) for image in images] for images in (made.before, made.after, made.difference)
        )
        return Answer(before, after, difference, ms=(time.perf_counter() - began) * 1000)

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
