"""Outlines drawn by hand on generated images, and how well the segmenter agrees with them.

`python -m analysis.training.outlines enlarge --out FOLDER` writes the images large, with a ruler, to draw on.
`python -m analysis.training.outlines check --out docs/models` scores the polygons of OUTLINES and writes a
sheet that shows them over the images. A polygon paints over those before it, as [concept, [[x, y], ...]] in
pixels of the 64x64 image; what no polygon covers is sky.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from analysis.models import generators, segmenters
from analysis.models.checkpoints import weights_sha256
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from analysis.worlds.canvas import SIZE
from analysis.worlds.vocabulary import BUILDING, CONCEPTS, MAPS, NAMES, SKY

OUTLINES = Path("docs/models/churches-outlines.json")
LARGE = 12  # how many times the sheets enlarge
COLOURS = (
    *((90, 160, 255), (255, 255, 255), (150, 110, 170), (60, 220, 60), (250, 220, 130), (255, 120, 0)),
    *((0, 110, 0), (230, 0, 0), (0, 255, 220), (120, 60, 0), (60, 0, 255), (255, 60, 120), (255, 200, 220)),
    (120, 120, 120),
)


def paint(polygons: list[Any]) -> NDArray[np.uint8]:
    """Labels (3, 64, 64) of polygons in their order; a pixel belongs to a polygon by its centre."""
    labels = np.zeros((3, SIZE, SIZE), np.uint8)
    labels[0] = SKY
    for name, corners in polygons:
        if name not in NAMES:
            raise GanatomyError(f"The outlines name '{name}'; choose one of {', '.join(NAMES)}.")
        mask = inside(corners)
        level = next(k for k, names in enumerate(MAPS) if name in names)
        labels[:, mask] = 0
        labels[0][mask] = BUILDING
        labels[level][mask] = NAMES.index(name) + 1
    return labels


def inside(corners: list[list[float]]) -> NDArray[np.bool_]:
    """Which pixels' centres lie in a polygon, (64, 64), by crossings of a ray."""
    x = np.arange(SIZE)[None, :] + 0.5
    y = np.arange(SIZE)[:, None] + 0.5
    within = np.zeros((SIZE, SIZE), bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 != y1:
            within ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return within


def pictures(outlines: dict[str, Any]) -> tuple[Tensor, str]:
    """The generated images that were drawn on, and their generator's hash."""
    generator = generators.load(outlines["generator"], None)
    z = latents(outlines["seed"], 0, 1 + max(map(int, outlines["images"])), generator.latent_shape)
    numbers = [int(k) for k in outlines["images"]]
    return generator.images(z[numbers]), weights_sha256(generator.module.state_dict())


def large(image: Tensor) -> Image.Image:
    pixels = ((image + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).resize((SIZE * LARGE, SIZE * LARGE), Image.Resampling.NEAREST)


def with_ruler(image: Tensor) -> Image.Image:
    """An image enlarged, with a line every eight pixels and numbers along two sides."""
    picture = large(image)
    draw = ImageDraw.Draw(picture)
    for k in range(0, SIZE, 8):
        draw.line([(k * LARGE, 0), (k * LARGE, picture.height)], fill=(0, 0, 0), width=1)
        draw.line([(0, k * LARGE), (picture.width, k * LARGE)], fill=(0, 0, 0), width=1)
        draw.text((k * LARGE + 2, 0), str(k), fill=(255, 0, 255))
        draw.text((1, k * LARGE + 1), str(k), fill=(255, 0, 255))
    return picture


def overlay(image: Tensor, polygons: list[Any]) -> Image.Image:
    picture = large(image)
    draw = ImageDraw.Draw(picture)
    for name, corners in polygons:
        points = [(x * LARGE, y * LARGE) for x, y in [*corners, corners[0]]]
        draw.line(points, fill=COLOURS[NAMES.index(name)], width=3)
    return picture


def grid(images: list[Image.Image], columns: int = 4) -> Image.Image:
    side = images[0].width
    whole = Image.new("RGB", (columns * side, -(-len(images) // columns) * side))
    for k, image in enumerate(images):
        whole.paste(image, (k % columns * side, k // columns * side))
    return whole


def check(outlines: dict[str, Any], out: Path) -> dict[str, Any]:
    """IoU of the segmenter with the outlines, pooled over images, per concept that either shows."""
    images, sha256 = pictures(outlines)
    if sha256 != outlines["sha256"]:
        raise GanatomyError("The outlines were drawn on images of other weights; draw them again.")
    drawn = [paint(polygons) for polygons in outlines["images"].values()]
    found = segmenters.load("church-parts", None).labels(images).numpy()
    shown = [overlay(i, p) for i, p in zip(images, outlines["images"].values(), strict=True)]
    grid(shown).resize((1536, 1536 * -(-len(shown) // 4) // 4)).save(
        out / "churches-outlines.png", optimize=True
    )
    scores: dict[str, Any] = {}
    for k, concept in enumerate(CONCEPTS, start=1):
        a, b = (np.stack(drawn) == k).any(1), (found == k).any(1)
        if (a | b).any():
            iou = float((a & b).sum() / (a | b).sum())
            pixels = {"pixels": int(a.sum()), "found": int(b.sum())}
            scores[concept.name] = {"iou": iou, **pixels, "images": int(a.any((1, 2)).sum())}
    agree = float((np.stack(drawn)[:, 0] == found[:, 0]).mean())
    return {"images": len(drawn), "object_accuracy": agree, "concepts": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["enlarge", "check"])
    parser.add_argument("--out", type=Path, required=True)
    choice = parser.parse_args()
    outlines = json.loads(OUTLINES.read_text())
    if choice.command == "check":
        figures = check(outlines, choice.out)
        (choice.out / "churches-outlines-scores.json").write_text(json.dumps(figures, indent=1) + "\n")
        print(json.dumps(figures, indent=1))
        return
    for number, image in zip(outlines["images"], pictures(outlines)[0], strict=True):
        with_ruler(image).save(choice.out / f"{number}.png")


if __name__ == "__main__":
    main()
