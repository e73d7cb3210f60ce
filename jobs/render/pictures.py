"""Pictures of edits, made and kept: generators stay loaded (least recently used out), pictures lie in the
store under names that follow from their content. Used by the render process only, since it loads torch."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources
from analysis.editing.renders import render
from analysis.models import generators
from analysis.models.generator import Generator
from analysis.shared.latents import latents as sample
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.requests import run_id

PARTS = ("before", "after", "difference")
KEPT_ANSWERS = 4096


@dataclass
class Shelf:
    """Generators that stay loaded, the least recently used one put away first."""

    models: Path
    most: int
    _loaded: OrderedDict[tuple[str, str], Generator] = field(default_factory=OrderedDict)

    def get(self, name: str) -> Generator:
        """The generator, loaded now if it is not there or its weights have changed."""
        key = (name, catalogue.weights_key(generators.describe(name, self.models)))
        if key not in self._loaded:
            self._loaded[key] = generators.load(name, self.models)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self.most:
            self._loaded.popitem(last=False)
        return self._loaded[key]


class Pictures:
    """Answers to render requests. Images are made for one request at a time; they are packed side by side."""

    def __init__(self, layout: Layout, most: int) -> None:
        self.layout = layout
        self.shelf = Shelf(layout.models, most)
        self._making = threading.Lock()
        self._last: Sources | None = None
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def answer(self, generator: str, edit: str, seed: int, latents: Sequence[int]) -> dict[str, Any]:
        """Names of the pictures, by part. The same request is answered from what is kept."""
        asked = Edit.parse(edit)
        info = generators.describe(generator, self.layout.models)
        content = {"edit": str(asked), "seed": seed, "latents": list(latents)}
        key = run_id("render", generator, content, catalogue.weights_key(info))
        kept = self._kept(key)
        if kept is not None:
            return kept | {"cached": True}
        made = self._make(generator, asked, seed, latents)
        self._keep(key, made)
        return made | {"key": key, "cached": False}

    def _kept(self, key: str) -> dict[str, Any] | None:
        """An earlier answer whose pictures are all still there, from memory or from the store."""
        answer = self._answers.get(key)
        if answer is None:
            try:
                answer = json.loads((self.layout.renders / f"{key}.json").read_text())
            except (OSError, ValueError):
                return None
        names = [name for part in PARTS for name in answer[part]]
        if not all((self.layout.renders / name).exists() for name in names):
            return None
        return {**answer, "key": key}

    def _keep(self, key: str, answer: dict[str, Any]) -> None:
        self._answers[key] = answer
        while len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        _place(self.layout.renders / f"{key}.json", json.dumps(answer).encode())

    def _make(self, name: str, edit: Edit, seed: int, latents: Sequence[int]) -> dict[str, Any]:
        began = time.perf_counter()
        with self._making:
            generator = self.shelf.get(name)
            rows = [sample(seed, number, number + 1, generator.latent_shape) for number in latents]
            z = torch.cat(rows).to(generator.device)
            made = render(generator, edit, z, self._sources(generator, seed))
        names = {part: [self._save(image) for image in getattr(made, part)] for part in PARTS}
        return {**names, "ms": (time.perf_counter() - began) * 1000}

    def _sources(self, generator: Generator, seed: int) -> Sources:
        """What some edits need beside the map, kept for the generator and seed last asked for."""
        if self._last is None or (self._last.generator, self._last.seed) != (generator, seed):
            self._last = Sources(generator, seed)
        return self._last

    def _save(self, image: np.ndarray) -> str:
        """Keep one picture (H, W, 3 uint8) under the hash of its pixels; its name."""
        digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:32]
        file = self.layout.renders / f"{digest}.png"
        if not file.exists():
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG", compress_level=1)
            _place(file, buffer.getvalue())
        return file.name


def _place(file: Path, content: bytes) -> None:
    """Write a file whole."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, file)
