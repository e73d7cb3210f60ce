"""How accurate church-parts is: `python -m analysis.training.accuracy --state FOLDER --out docs/models`.

With `--world rooms` room-parts. Writes NAME-accuracy.json: on drawn pictures that no training saw, the IoU of
each concept, clean and with jitter, blur and noise, which classes are taken for which, and whether
probabilities are as frequent as they say. With --teacher FILE also the teacher's IoU there, and how far both
agree on generated pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.models import segmenters
from analysis.models.segmentation.unet import WORLDS, UnetSegmenter, World
from analysis.training import teacher
from analysis.training.pictures import pictures
from analysis.training.quality import FRESH, SAMPLES, agreement, as_images, batches, sample
from analysis.training.segmenter import NAMES, targets, worn

BINS = 10
Logits = Callable[[Tensor], Sequence[Tensor]]  # images to one tensor a map, (N, classes, h, w)


def labelled(logits: Logits, images: Tensor, world: World) -> NDArray[np.int64]:
    """Labels (N, maps, h, w) by the largest logit of each map: 0, or a concept's number from 1."""
    first = np.cumsum([0, *(len(names) for names in world.maps[:-1])])[None, :, None, None]
    found = []
    for part in batches(images):
        with torch.no_grad():
            best = torch.stack([scores.argmax(1) for scores in logits(part)], 1).numpy()
        found.append(np.where(best > 0, best + first, 0))
    return np.concatenate(found)


def confusion(
    exact: NDArray[np.integer], found: NDArray[np.integer], world: World
) -> list[dict[str, dict[str, float]]]:
    """One table a map: of the pixels of a class, the share that is found as each class."""
    true, named = (targets(labels.astype(np.uint8), world) for labels in (exact, found))
    tables = []
    for level, names in enumerate(world.maps):
        every = ["nothing", *names]
        pairs = true[:, level].flatten() * len(every) + named[:, level].flatten()
        counts = torch.bincount(pairs, minlength=len(every) ** 2).view(len(every), -1).double()
        shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
        tables.append(
            {a: dict(zip(every, row.tolist(), strict=True)) for a, row in zip(every, shares, strict=True)}
        )
    return tables


def calibration(
    logits: Logits, images: Tensor, exact: NDArray[np.integer], world: World
) -> dict[str, dict[str, Any]]:
    """Per concept: pixels by probability in ten bins, their mean probability and share of true ones.

    `error` is the mean over pixels of the distance between the two (expected calibration error), and
    `bias` is the mean probability less the share of all pixels that are the concept's.
    """
    sums = {name: np.zeros((3, BINS)) for names in world.maps for name in names}
    wanted = targets(exact.astype(np.uint8), world)
    for part, true in zip(batches(images), batches(wanted), strict=True):
        with torch.no_grad():
            probable = [scores.softmax(1) for scores in logits(part)]
        for level, names in enumerate(world.maps):
            for k, name in enumerate(names, start=1):
                p, hit = probable[level][:, k].flatten().double(), (true[:, level] == k).flatten().double()
                bins = (p * BINS).long().clamp(max=BINS - 1)
                for row, weights in enumerate((torch.ones_like(p), p, hit)):
                    sums[name][row] += torch.bincount(bins, weights, BINS).numpy()
    return {name: _calibrated(*rows) for name, rows in sums.items()}


def _calibrated(
    pixels: NDArray[np.float64], probable: NDArray[np.float64], hits: NDArray[np.float64]
) -> dict[str, Any]:
    most = np.maximum(pixels, 1)
    return {
        "pixels": pixels.astype(int).tolist(),
        "probability": (probable / most).tolist(),
        "share": (hits / most).tolist(),
        "error": float(np.abs(probable - hits).sum() / pixels.sum()),
        "bias": float((probable.sum() - hits.sum()) / pixels.sum()),
    }


def same(a: NDArray[np.integer], b: NDArray[np.integer], world: World) -> dict[str, Any]:
    """The share of pixels with the same label in each map, and the IoU of each concept."""
    shares = [float((a[:, level] == b[:, level]).mean()) for level in range(len(world.maps))]
    return {"pixels": shares, "iou": agreement(a, b, world.concepts)}


def measure(state: Path, taught_by: Path | None, of: str) -> dict[str, Any]:
    """The figures of the JSON file."""
    world, segmenter = WORLDS[of], segmenters.load(NAMES[of], None)
    assert isinstance(segmenter, UnetSegmenter)
    fresh, exact = pictures(state, FRESH, 2 * SAMPLES, of)
    drawn = as_images(fresh)
    changed = worn(drawn, torch.Generator().manual_seed(FRESH))
    found = labelled(segmenter.logits, drawn, world)
    of_changed = labelled(segmenter.logits, changed, world)
    figures: dict[str, Any] = {
        "drawn_pictures": len(drawn),
        "iou": {
            "clean": agreement(exact, found, world.concepts),
            "with_jitter_blur_noise": agreement(exact, of_changed, world.concepts),
        },
        "confusion": confusion(exact, found, world),
        "calibration": calibration(segmenter.logits, drawn, exact, world),
    }
    if taught_by is not None:
        network, made = teacher.load(taught_by), sample("churches")

        def by_teacher(images: Tensor) -> Sequence[Tensor]:
            return network(images).split(world.classes, 1)

        figures["teacher"] = {
            "iou": {
                "clean": agreement(exact, labelled(by_teacher, drawn, world), world.concepts),
                "with_jitter_blur_noise": agreement(
                    exact, labelled(by_teacher, changed, world), world.concepts
                ),
            },
            "calibration_error": {
                name: found["error"] for name, found in calibration(by_teacher, drawn, exact, world).items()
            },
            "generated_pictures": len(made),
            "agreement": same(
                labelled(by_teacher, made, world), labelled(segmenter.logits, made, world), world
            ),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's drawn pictures")
    parser.add_argument("--world", choices=WORLDS, default="churches")
    parser.add_argument("--teacher", type=Path, help="file of the teacher's weights (churches)")
    parser.add_argument("--out", type=Path, required=True)
    choice = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(choice.state, choice.teacher, choice.world)
    text = json.dumps(figures, indent=1, default=float)
    (choice.out / f"{NAMES[choice.world]}-accuracy.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
