"""Mouth, eye and hair before and after ablating the layer3 units that agree best, beside random units.

    python -m benchmarks.faces_ablation --store store

Units are ranked by IoU in the store's newest dissection of faces; the images are latents that no dissection
of that store has seen. Prints shares of all pixels, and writes nothing.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from analysis.editing.edits import Edit
from analysis.editing.interventions import edited_images
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter
from analysis.shared.latents import latents
from db import open_store

CONCEPTS = ("mouth", "eye", "hair")
SIZES = (5, 10, 20)
RANDOM_SETS, RANDOM_SIZE = 20, 10


def shares(segmenter: Segmenter, images: torch.Tensor) -> dict[str, float]:
    """The share of all pixels that carries each of the concepts."""
    numbers = {concept.name: i + 1 for i, concept in enumerate(segmenter.concepts)}
    labels = torch.cat([segmenter.labels(part) for part in images.split(16)])
    return {name: float((labels == numbers[name]).any(dim=1).float().mean()) for name in CONCEPTS}


def ablated(
    generator: Generator, segmenter: Segmenter, units: list[int], z: torch.Tensor
) -> dict[str, float]:
    return shares(segmenter, edited_images(generator, Edit.ablate("layer3", units), z)[1])


def best_units(store: Path, concept: str) -> list[int]:
    """Units of layer3 by their IoU with the concept, best first."""
    reader = open_store(store)
    runs = reader.frame("run", generator="faces", kind="dissection").sort_values("images")
    scores = reader.frame("unit_concept", run_id=runs.run_id.iloc[-1], layer="layer3", concept=concept)
    return [int(unit) for unit in scores.sort_values("iou", ascending=False).unit]


def line(label: str, values: dict[str, float]) -> None:
    print(f"{label:28}" + "".join(f"{values[name]:>10.5f}" for name in CONCEPTS), flush=True)


def main(
    store: Annotated[Path, typer.Option()] = Path("store"),
    images: Annotated[int, typer.Option()] = 48,
    first: Annotated[int, typer.Option()] = 100_000,
) -> None:
    """Prints the table."""
    generator = generators.load("faces", store / "models")
    segmenter = segmenters.load("face-parts", store / "models")
    z = latents(1, first, first + images, generator.latent_shape)
    print(f"{images} images from latent {first}; shares of all pixels")
    print(f"{'':28}" + "".join(f"{name:>10}" for name in CONCEPTS))
    line("before", shares(segmenter, generator.images(z)))
    for concept in CONCEPTS:
        ranked = best_units(store, concept)
        for size in SIZES:
            line(f"best {size} units for {concept}", ablated(generator, segmenter, ranked[:size], z))
    chance = np.random.default_rng(0)
    drawn = [
        ablated(generator, segmenter, chance.choice(128, RANDOM_SIZE, replace=False).tolist(), z)
        for _ in range(RANDOM_SETS)
    ]
    for label, pick in (("least", min), ("mean", lambda v: float(np.mean(v))), ("most", max)):
        line(f"{RANDOM_SETS} random sets of 10, {label}", {c: pick([d[c] for d in drawn]) for c in CONCEPTS})


if __name__ == "__main__":
    typer.run(main)
