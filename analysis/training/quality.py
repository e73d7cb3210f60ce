"""How good the churches generator is: `python -m analysis.training.quality --state FOLDER --out docs/models`.

Writes a sheet of 64 samples, a sheet of samples beside the drawn pictures nearest to them, and quality.json:
how often each concept is seen beside the drawn world, whether samples lie nearer to the training pictures
than fresh drawn ones do, and distances on the segmenter's features with standard errors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analysis.distances import Distance, frechet_with_error, kernel_distance
from analysis.generators import registry as generators
from analysis.sampling import latents
from analysis.segmenters import registry as segmenters
from analysis.segmenters.unet import UnetSegmenter
from analysis.training.churches import COUNT, SEED, sheet
from analysis.training.pictures import pictures
from analysis.worlds.vocabulary import CONCEPTS

FRESH, SAMPLES, BATCH = 3, 1000, 50  # the seed of drawn pictures that no training saw
SHOWN, NEAREST = 8, 5


def as_images(drawn: NDArray[np.uint8]) -> Tensor:
    """Drawn pictures (N, 64, 64, 3) as images (N, 3, 64, 64) in [-1, 1]."""
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1


def batches(images: Tensor) -> Iterator[Tensor]:
    yield from images.split(BATCH)


def sample(name: str, count: int = SAMPLES, seed: int = 11) -> Tensor:
    generator = generators.load(name, None)
    return torch.cat(
        [generator.images(z) for z in latents(seed, 0, count, generator.latent_shape).split(BATCH)]
    )


def areas(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Each image's share of pixels of each concept, (N, concepts), from labels (N, maps, h, w)."""
    return np.stack([(labels == k + 1).any(1).mean((1, 2)) for k in range(len(CONCEPTS))], 1)


def frequencies(segmenter: UnetSegmenter, made: Tensor, drawn: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Per concept: its share of drawn pixels (exact) and of generated ones, their ratio and its error."""
    seen = np.concatenate([areas(segmenter.labels(part).numpy()) for part in batches(made)])
    true = areas(drawn)
    rows = []
    for k, concept in enumerate(CONCEPTS):
        a, b = true[:, k], seen[:, k]
        ratio = b.mean() / a.mean()
        relative = [x.std() / x.mean() / np.sqrt(len(x)) if x.any() else np.inf for x in (a, b)]
        error = ratio * np.hypot(relative[0], relative[1])
        images = [float((x > 0).mean()) for x in (a, b)]
        row = {
            "concept": concept.name,
            "category": concept.category,
            "drawn": a.mean(),
            "generated": b.mean(),
        }
        rows.append(
            row | {"ratio": ratio, "error": error, "drawn_images": images[0], "generated_images": images[1]}
        )
    return rows


def features(segmenter: UnetSegmenter, images: Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        return torch.cat([segmenter.network.features(part) for part in batches(images)]).numpy()


def figure(distance: Distance) -> dict[str, float]:
    return {"value": distance.value, "error": distance.error}


def small(images: Tensor) -> Tensor:
    """What pictures are compared by: their pixels at 32x32, (N, 3072)."""
    return torch.nn.functional.avg_pool2d(images, 2).flatten(1)


def nearest(images: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Distances and numbers (N, NEAREST) of the training pictures, mirrored or not, nearest to images."""
    known = torch.cat([small(training), small(training.flip(-1))])
    found = torch.cdist(small(images), known).topk(NEAREST, largest=False)
    return found.values, found.indices


def neighbours_sheet(made: Tensor, training: Tensor) -> Image.Image:
    """One row a sample: the sample, then its nearest drawn pictures."""
    _, numbers = nearest(made[:SHOWN], training)
    both = torch.cat([training, training.flip(-1)])
    rows = [torch.cat([made[k : k + 1], both[numbers[k]]]) for k in range(SHOWN)]
    return sheet(torch.cat(rows), columns=NEAREST + 1)


def holdout(segmenter: UnetSegmenter, images: Tensor, labels: NDArray[np.uint8]) -> dict[str, float]:
    """IoU of each concept on drawn pictures that no training saw."""
    found = np.concatenate([segmenter.labels(part).numpy() for part in batches(images)])
    scores = {}
    for k, concept in enumerate(CONCEPTS, start=1):
        a, b = (labels == k).any(1), (found == k).any(1)
        scores[concept.name] = float((a & b).sum() / (a | b).sum())
    return scores


def measure(state: Path, name: str, out: Path) -> dict[str, Any]:
    """Write the sheets and return the figures."""
    segmenter = segmenters.load("church-parts", None)
    assert isinstance(segmenter, UnetSegmenter)
    training = as_images(pictures(state, SEED, COUNT)[0])
    fresh, labels = pictures(state, FRESH, 2 * SAMPLES)
    drawn, made = as_images(fresh), sample(name)
    sheet(made[:64]).save(out / f"{name}-samples.png", optimize=True)
    neighbours_sheet(made, training).save(out / f"{name}-neighbours.png", optimize=True)
    of_drawn, of_made = features(segmenter, drawn), features(segmenter, made)
    return {
        "generator": name,
        "samples": SAMPLES,
        "frequencies": frequencies(segmenter, made, labels),
        "segmenter_holdout_iou": holdout(segmenter, drawn, labels),
        "nearest_median": {
            "generated": float(nearest(made[:250], training)[0][:, 0].median()),
            "fresh_drawn": float(nearest(drawn[:250], training)[0][:, 0].median()),
        },
        "frechet": figure(frechet_with_error(of_drawn[:SAMPLES], of_made)),
        "frechet_drawn_to_drawn": figure(frechet_with_error(of_drawn[:SAMPLES], of_drawn[SAMPLES:])),
        "kernel": figure(kernel_distance(of_drawn[:SAMPLES], of_made)),
        "kernel_drawn_to_drawn": figure(kernel_distance(of_drawn[:SAMPLES], of_drawn[SAMPLES:])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's drawn pictures")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--generator", default="churches")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(choice.state, choice.generator, choice.out)
    text = json.dumps(figures, indent=1, default=float)
    (choice.out / f"{choice.generator}-quality.json").write_text(text + "\n")
    for row in figures["frequencies"]:
        print(f"{row['concept']:10} drawn {row['drawn']:.4f} generated {row['generated']:.4f} "
              f"ratio {row['ratio']:.2f} +- {row['error']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
