"""How good the churches generator is: `python -m analysis.training.quality --state FOLDER --out docs/models`.

With `--generator NAME --world rooms` another one.

Writes a sheet of 64 samples, a sheet of samples beside the drawn pictures nearest to them, and quality.json:
how often each concept is seen beside the drawn world, whether samples lie nearer to the training pictures
than fresh drawn ones do, distances on the segmenter's features with standard errors, and how well the
segmenter itself does on drawn pictures that no training saw, clean and with jitter, blur and noise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analysis.models import generators, segmenters
from analysis.models.segmentation.unet import UnetSegmenter
from analysis.shared.concepts import Concept
from analysis.shared.distances import Distance, frechet_with_error, kernel_distance
from analysis.shared.latents import latents
from analysis.training.churches import COUNT, SEED, sheet
from analysis.training.pictures import pictures
from analysis.training.segmenter import NAMES, worn

FRESH, SAMPLES, BATCH = 3, 1000, 50  # the seed of drawn pictures that no training saw
SHOWN, NEAREST = 8, 5
RATIOS = ("over_exact", "over_segmented")


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


def areas(labels: NDArray[np.integer], concepts: Sequence[Concept]) -> NDArray[np.float64]:
    """Each image's share of pixels of each concept, (N, concepts), from labels (N, maps, h, w)."""
    return np.stack([(labels == k + 1).any(1).mean((1, 2)) for k in range(len(concepts))], 1)


def segmented(segmenter: UnetSegmenter, images: Tensor) -> NDArray[np.integer]:
    return np.concatenate([segmenter.labels(part).numpy() for part in batches(images)])


def ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> dict[str, float]:
    """Two samples' means over each other, and the quotient's standard error (infinite where one is 0)."""
    value = over.mean() / under.mean() if under.any() else np.inf
    relative = [x.std() / x.mean() / np.sqrt(len(x)) if x.any() else np.inf for x in (over, under)]
    return {"value": float(value), "error": float(value * np.hypot(relative[0], relative[1]))}


def frequencies(
    exact: NDArray[np.integer],
    drawn: NDArray[np.integer],
    made: NDArray[np.integer],
    concepts: Sequence[Concept],
) -> list[dict[str, Any]]:
    """Per concept: shares of pixels and of pictures in drawn labels and in what the segmenter finds.

    The segmenter looks at the same drawn pictures and at generated ones. The table also holds generated over
    drawn labels, and generated over found, where habits of the segmenter cancel as far as it has them on
    both.
    """
    shares = {
        name: areas(labels, concepts)
        for name, labels in (("exact", exact), ("segmented", drawn), ("generated", made))
    }
    rows = []
    for k, concept in enumerate(concepts):
        own = {name: share[:, k] for name, share in shares.items()}
        rows.append(
            {"concept": concept.name, "category": concept.category}
            | {"pixels": {name: float(share.mean()) for name, share in own.items()}}
            | {"pictures": {name: float((share > 0).mean()) for name, share in own.items()}}
            | {"over_exact": ratio(own["generated"], own["exact"])}
            | {"over_segmented": ratio(own["generated"], own["segmented"])}
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


def nearest(images: Tensor, training: Tensor, count: int = NEAREST) -> tuple[Tensor, Tensor, Tensor]:
    """The training pictures nearest to images: distances and numbers (N, count), and whether mirrored.

    A picture and its mirror image count as one, at the distance of the nearer of the two.
    """
    both = torch.stack([torch.cdist(small(images), small(way)) for way in (training, training.flip(-1))])
    distances, mirrored = both.min(0)
    found = distances.topk(count, largest=False)
    return found.values, found.indices, mirrored.gather(1, found.indices).bool()


def nearness(images: Tensor, training: Tensor) -> dict[str, float]:
    """Distances from images to the nearest training picture: the smallest, the 1 % quantile, the median."""
    distances = torch.cat([nearest(part, training, 1)[0][:, 0] for part in batches(images)])
    chances = torch.tensor([0.0, 0.01, 0.5])
    return dict(zip(("minimum", "percent", "median"), distances.quantile(chances).tolist(), strict=True))


def neighbours_sheet(made: Tensor, training: Tensor) -> Image.Image:
    """One row a sample: the sample, then its nearest drawn pictures."""
    _, numbers, mirrored = nearest(made[:SHOWN], training)
    shown = []
    for image, chosen, flip in zip(made, numbers, mirrored, strict=False):
        known = training[chosen]
        shown.append(torch.cat([image[None], torch.where(flip.view(-1, 1, 1, 1), known.flip(-1), known)]))
    return sheet(torch.cat(shown), columns=NEAREST + 1)


def agreement(
    exact: NDArray[np.integer], found: NDArray[np.integer], concepts: Sequence[Concept]
) -> dict[str, float]:
    """IoU of each concept of the segmenter's labels with exact ones."""
    scores = {}
    for k, concept in enumerate(concepts, start=1):
        a, b = (exact == k).any(1), (found == k).any(1)
        scores[concept.name] = float((a & b).sum() / (a | b).sum()) if (a | b).any() else float("nan")
    return scores


def measure(state: Path, name: str, out: Path, world: str) -> dict[str, Any]:
    """Write the sheets and return the figures."""
    segmenter = segmenters.load(NAMES[world], None)
    assert isinstance(segmenter, UnetSegmenter)
    training = as_images(pictures(state, SEED, COUNT, world)[0])
    fresh, exact = pictures(state, FRESH, 2 * SAMPLES, world)
    drawn, made = as_images(fresh), sample(name)
    sheet(made[:64]).save(out / f"{name}-samples.png", optimize=True)
    neighbours_sheet(made, training).save(out / f"{name}-neighbours.png", optimize=True)
    of_drawn, of_made = features(segmenter, drawn), features(segmenter, made)
    clean = segmented(segmenter, drawn)
    jittered = segmented(segmenter, worn(drawn, torch.Generator().manual_seed(FRESH)))
    return {
        "generator": name,
        "samples": SAMPLES,
        "drawn_pictures": len(drawn),
        "frequencies": frequencies(exact, clean, segmented(segmenter, made), segmenter.concepts),
        "segmenter_iou_on_drawn": {
            "clean": agreement(exact, clean, segmenter.concepts),
            "with_jitter_blur_noise": agreement(exact, jittered, segmenter.concepts),
        },
        "nearest_training_picture": {
            "generated": nearness(made, training),
            "fresh_drawn": nearness(drawn[:SAMPLES], training),
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
    parser.add_argument("--world", choices=NAMES, default="churches")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(choice.state, choice.generator, choice.out, choice.world)
    text = json.dumps(figures, indent=1, default=float)
    (choice.out / f"{choice.generator}-quality.json").write_text(text + "\n")
    show(figures)


def show(figures: dict[str, Any]) -> None:
    """Print what the model cards say."""
    for row in figures["frequencies"]:
        pixels, images = row["pixels"], row["pictures"]
        quotients = (f"{row[key]['value']:.2f} ({row[key]['error']:.2f})" for key in RATIOS)
        print(f"{row['concept']:9} pixels", *(f"{share:.4f}" for share in pixels.values()),
              "pictures", *(f"{share:.3f}" for share in images.values()), *RATIOS, *quotients)  # fmt: skip
    for name in ("segmenter_iou_on_drawn", "nearest_training_picture"):
        for what, values in figures[name].items():
            print(name, what, *(f"{key} {value:.3f}" for key, value in values.items()))
    for name in ("frechet", "frechet_drawn_to_drawn", "kernel", "kernel_drawn_to_drawn"):
        print(name, f"{figures[name]['value']:.4f} ({figures[name]['error']:.4f})")


if __name__ == "__main__":
    main()
