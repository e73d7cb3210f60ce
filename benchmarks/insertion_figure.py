"""Where does an inserted door appear? The insertions of Bau et al. 2019 (section 4.4) on churches.

    python -m benchmarks.insertion_figure --out docs/images/insertions-door.png

Learns the units that cause doors, then forces the first of them to k in a rectangle of cells as large as a
door: on a wall, a roof, grass, a tree or the sky, at one place of each image. Prints how often the segmenter
finds a door there, beside as many units that are not among them, and beside a door of some image that is
copied there: what the segmenter misses of those, it would miss of inserted ones. Draws images before and
after.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from analysis import ace
from analysis.editing.edits import Box, Edit
from analysis.editing.interventions import edited_images
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.shared import count_intervals
from analysis.shared.latents import latents
from benchmarks.self_tests import Row, table

GROUNDS = ("wall", "roof", "grass", "tree", "sky")
HEIGHT, WIDTH = 8, 6  # pixels of a door, about
FIRST = 600_000  # of the images, which nothing else saw
FOUND = 0.3  # the share of the rectangle that must be door
SHOWN, LARGE, GAP, LABEL = 5, 2, 8, 44


class Place(NamedTuple):
    """The rectangle of cells that is forced in an image."""

    image: int
    row: int
    column: int


def places(
    labels: Tensor, names: Sequence[str], ground: str, cell: int, random: np.random.Generator
) -> list[Place]:
    """One rectangle of each image that lies on a ground, not next to a door; images without are left out.

    Labels are (N, maps, h, w), and `cell` is the side of a cell in pixels.
    """
    number = {name: k for k, name in enumerate(names, start=1)}
    door = (labels == number["door"]).any(1)
    if ground == "wall":
        on = (labels == number["building"]).any(1) & ~(labels[:, 1] > 0)
    else:
        on = (labels == number[ground]).any(1)
    size = (cell * round(HEIGHT / cell), cell * round(WIDTH / cell))
    share = avg_pool2d(on[:, None].float(), size, stride=cell)[:, 0]
    near = max_pool2d(door[:, None].float(), 2 * cell + 1, 1, cell)
    free = (share >= 0.9) & (max_pool2d(near, size, stride=cell)[:, 0] == 0)
    chosen = []
    for image in range(len(free)):
        cells = free[image].nonzero().tolist()
        if cells:
            chosen.append(Place(image, *cells[random.integers(len(cells))]))
    return chosen


def inserted(
    generator: Generator, layer: str, values: dict[int, float], z: Tensor, place: Place, cell: int
) -> Tensor:
    """The image of one latent with these units forced in the rectangle."""
    rows, columns = round(HEIGHT / cell), round(WIDTH / cell)
    box = Box(place.row, place.row + rows - 1, place.column, place.column + columns - 1)
    return edited_images(generator, Edit.insert(layer, values, [box]), z[place.image, None])[1][0]


def doors(images: Tensor, there: Tensor) -> list[Tensor]:
    """Rectangles of images (3, HEIGHT, WIDTH) that hold all of an image's door, by `there` (N, h, w)."""
    found = []
    for image, door in zip(images, there, strict=True):
        rows, columns = (door.any(axis).nonzero().flatten() for axis in (1, 0))
        if len(rows) == 0:
            continue
        y, x = int(rows[0]), int(columns[0])
        fits = rows[-1] - y < HEIGHT and columns[-1] - x < WIDTH
        inside = y + HEIGHT <= door.shape[0] and x + WIDTH <= door.shape[1]
        if fits and inside and door[y : y + HEIGHT, x : x + WIDTH].float().mean() >= FOUND:
            found.append(image[:, y : y + HEIGHT, x : x + WIDTH])
    return found


def drawn(image: Tensor, place: Place | None, cell: int) -> NDArray[np.uint8]:
    """The image enlarged, with the rectangle's outline where there is one."""
    pixels = ((image + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    large = Image.fromarray(pixels).resize((LARGE * pixels.shape[1],) * 2, Image.Resampling.NEAREST)
    if place is not None:
        y, x = LARGE * cell * place.row, LARGE * cell * place.column
        for edge, colour in ((1, "black"), (0, "white")):
            corners = (x - edge, y - edge, x + LARGE * WIDTH + edge, y + LARGE * HEIGHT + edge)
            ImageDraw.Draw(large).rectangle(corners, outline=colour)
    return np.asarray(large)


def ticked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with a white dot in its corner: the segmenter finds a door."""
    marked = Image.fromarray(image)
    ImageDraw.Draw(marked).ellipse((4, 4, 14, 14), fill="white", outline="black")
    return np.asarray(marked)


def sheet(lines: dict[str, list[NDArray[np.uint8]]]) -> Image.Image:
    """A row of pairs for each ground, with its name."""
    height, width = next(iter(lines.values()))[0].shape[:2]
    whole = Image.new("RGB", (LABEL + SHOWN * (width + GAP), len(lines) * (height + GAP)), "white")
    for row, (ground, pairs) in enumerate(lines.items()):
        ImageDraw.Draw(whole).text((4, row * (height + GAP) + height // 2), ground, fill="black")
        for column, pair in enumerate(pairs):
            whole.paste(Image.fromarray(pair), (LABEL + column * (width + GAP), row * (height + GAP)))
    return whole


def main(
    name: Annotated[str, typer.Option("--generator")] = "churches",
    layer: Annotated[str, typer.Option()] = "layer4",
    units: Annotated[int, typer.Option(help="How many units are forced.")] = 16,
    images: Annotated[int, typer.Option()] = 200,
    out: Annotated[Path | None, typer.Option(help="The picture.")] = None,
) -> None:
    """Print the table and draw the picture."""
    torch.set_num_threads(1)
    generator, segmenter = generators.load(name, None), segmenters.load("church-parts", None)
    causes = ace(generator, segmenter, layer=layer, concept="door", random_sets=0, cell_images=0)
    values, ranking = causes.values["insert"], causes.ranking
    z = latents(1, FIRST, FIRST + images, generator.latent_shape)
    before = generator.images(z)
    labels, names = segmenter.labels(before), [concept.name for concept in segmenter.concepts]
    cell, door = before.shape[-1] // generator.layer(layer).height, names.index("door") + 1
    copies = doors(before, (labels == door).any(1))
    random = np.random.default_rng(1)
    rows: list[Row] = []
    lines: dict[str, list[NDArray[np.uint8]]] = {}
    for ground in GROUNDS:
        row: Row = {"on": ground}
        found, changes = dict.fromkeys(("door units", "other units", "copied door"), 0), []
        chosen = places(labels, names, ground, cell, random)
        for place in chosen:
            y, x = cell * place.row, cell * place.column
            inside = (slice(y, y + HEIGHT), slice(x, x + WIDTH))
            own = before[place.image]
            others = random.choice(ranking[units:], min(units, len(ranking) - units), replace=False)
            copied = own.clone()
            copied[(slice(None), *inside)] = copies[random.integers(len(copies))]
            after = {
                "door units": inserted(generator, layer, _to_k(ranking[:units], values), z, place, cell),
                "other units": inserted(generator, layer, _to_k(others, values), z, place, cell),
                "copied door": copied,
            }
            there = (segmenter.labels(torch.stack(list(after.values()))) == door).any(1)[
                (slice(None), *inside)
            ]
            seen = dict(zip(after, (there.float().mean((1, 2)) >= FOUND).tolist(), strict=True))
            found = {title: many + seen[title] for title, many in found.items()}
            changes.append(float((after["door units"] - own)[(slice(None), *inside)].abs().mean() / 2))
            if len(pairs := lines.setdefault(ground, [])) < SHOWN:
                last = drawn(after["door units"], None, cell)
                pairs.append(
                    np.concatenate([drawn(own, place, cell), ticked(last) if seen["door units"] else last], 1)
                )
        row["images"] = len(chosen)
        for title, many in found.items():
            low, high = count_intervals.share(many, len(chosen))
            row[title] = f"{many / max(len(chosen), 1):.0%} ({low:.0%} to {high:.0%})"
        row["change of colours there"] = float(np.mean(changes)) if changes else float("nan")
        rows.append(row)
    print(table(rows))
    if out is not None:
        sheet(lines).save(out, optimize=True)


def _to_k(units: NDArray[np.integer], values: NDArray[np.floating]) -> dict[int, float]:
    return {int(unit): float(values[unit]) for unit in units}


if __name__ == "__main__":
    typer.run(main)
