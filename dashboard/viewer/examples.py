"""Images of a unit beside its most active ones: random ones, and those that it changes most."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from analysis.editing import masks
from analysis.editing.edits import Edit
from dashboard.widgets import jobs, pickers, renders
from dashboard.widgets.pictures import Shown
from jobs.render.client import ActivationsRequest

SHOWN = 8
LOOKED_AT = 32  # random images
LARGE = 256  # pixels a side, from which rendering takes long and fewer are looked at
LOOKED_AT_LARGE = 8


@dataclass(frozen=True)
class Changed:
    """An image before and after the unit was switched off: paths, and the change as a share of the range."""

    latent: int
    before: str
    after: str
    change: float


def random_latents(start: int, stop: int, most: int, seed: int = 0) -> list[int]:
    """Latents drawn from a range, the same each time; all of a short range."""
    many = min(most, stop - start)
    dice = np.random.Generator(np.random.Philox(key=seed))
    return sorted(start + int(n) for n in dice.choice(stop - start, many, replace=False))


def _drawn(run: pickers.Run, image_side: int) -> list[int]:
    most = LOOKED_AT_LARGE if image_side >= LARGE else LOOKED_AT
    return random_latents(int(run.row["evaluation_start"]), int(run.row["evaluation_stop"]), most)


def activations(run: pickers.Run, layer: str, unit: int, image_side: int) -> list[Shown]:
    """The unit's maps on random evaluation images."""
    inputs, sha256 = (str(run.row.get(name) or "") for name in ("inputs", "generator_sha256"))
    latents = tuple(_drawn(run, image_side))
    return _activations(str(run.row["generator"]), layer, unit, int(run.row["seed"]), latents, inputs, sha256)


@st.cache_data(max_entries=32, show_spinner="Rendering random images")
def _activations(
    generator: str, layer: str, unit: int, seed: int, latents: tuple[int, ...], inputs: str, sha256: str
) -> list[Shown]:
    asked = ActivationsRequest(generator, layer, unit, seed, latents, inputs, sha256)
    found = jobs.client().activations(asked)
    images = [np.asarray(Image.open(file).convert("RGB")) for file in found.images]
    return [Shown(*each) for each in zip(found.latents, images, found.maps, strict=True)]


def above(found: list[Shown], threshold: float, grid: tuple[int, int], low: bool) -> list[Shown]:
    """Those in which the unit's mask has a pixel, in their order."""
    return [each for each in found if masks.mask(each.map, threshold, *grid, low).any()]


def effects(run: pickers.Run, layer: str, unit: int, image_side: int, best: list[int]) -> list[Changed]:
    """What switching the unit off changes in its most active images and random ones, the most first."""
    latents = list(dict.fromkeys([*best, *_drawn(run, image_side)]))
    with st.spinner("Switching the unit off"):
        made = renders.made(run.row, Edit.ablate(layer, [unit]), int(run.row["seed"]), latents)
    found = [
        Changed(latent, before, after, change(before, after))
        for latent, before, after in zip(latents, made.before, made.after, strict=True)
    ]
    return sorted(found, key=lambda each: -each.change)


@st.cache_data(max_entries=2000, show_spinner=False)
def change(before: str, after: str) -> float:
    """The root mean square change of the pixel values between two files, as a share of their range."""
    was, now = (np.asarray(Image.open(Path(file)).convert("RGB"), float) for file in (before, after))
    return float(np.sqrt(((now - was) ** 2).mean()) / 255)
