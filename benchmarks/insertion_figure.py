"""Where does an inserted door appear? The paper's figure (Bau et al. 2019, figure 8) on a generator of ours.

    python -m benchmarks.insertion_figure --out docs/images/insertions-door.png

Learns the units that cause doors, then forces the first of them to k in a square of cells as large as a
door: on a wall, a roof, grass, a tree or the sky, at one place of each image. Prints how often the segmenter
finds a door there, beside as many random units, and draws images before and after.
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
FIRST = 500_000  # of the images, which no learning saw
FOUND = 0.3  # the share of the square that must be door
SHOWN, LARGE, GAP = 5, 2, 8


class Place(NamedTuple):
    """The square of cells that is forced in an image."""

    image: int
    row: int
    column: int


def places(
    labels: Tensor, names: Sequence[str], ground: str, cell: int, random: np.random.Generator
) -> list[Place]:
    """One square of each image that lies on a ground and not next to a door; images without one are left out.

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
    """The image of one latent with these units forced in the square."""
    rows, columns = round(HEIGHT / cell), round(WIDTH / cell)
    box = Box(place.row, place.row + rows - 1, place.column, place.column + columns - 1)
    return edited_images(generator, Edit.insert(layer, values, [box]), z[place.image, None])[1][0]


def drawn(image: Tensor, place: Place | None, cell: int) -> NDArray[np.uint8]:
    """The image enlarged, with the square's outline where there is one."""
    pixels = ((image + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    large = Image.fromarray(pixels).resize((LARGE * pixels.shape[1],) * 2, Image.Resampling.NEAREST)
    if place is not None:
        y, x = LARGE * cell * place.row, LARGE * cell * place.column
        ImageDraw.Draw(large).rectangle((x, y, x + LARGE * WIDTH, y + LARGE * HEIGHT), outline=(230, 0, 0))
    return np.asarray(large)


def main(
    name: Annotated[str, typer.Option("--generator")] = "churches",
    layer: Annotated[str, typer.Option()] = "layer4",
    units: Annotated[int, typer.Option(help="How many units are forced.")] = 28,
    images: Annotated[int, typer.Option()] = 200,
    out: Annotated[Path | None, typer.Option(help="The picture.")] = None,
) -> None:
    """Print the table and draw the picture."""
    torch.set_num_threads(1)
    generator, segmenter = generators.load(name, None), segmenters.load("church-parts", None)
    causes = ace(generator, segmenter, layer=layer, concept="door", random_sets=0, cell_images=0)
    values, every = causes.values["insert"], len(causes.alpha)
    z = latents(1, FIRST, FIRST + images, generator.latent_shape)
    before = generator.images(z)
    labels, names = segmenter.labels(before), [concept.name for concept in segmenter.concepts]
    cell, door = before.shape[-1] // generator.layer(layer).height, names.index("door") + 1
    random = np.random.default_rng(1)
    rows: list[Row] = []
    lines = []
    for ground in GROUNDS:
        chosen = places(labels, names, ground, cell, random)
        row: Row = {"on": ground, "images": len(chosen)}
        for title in ("door units", "random units"):
            found, areas = 0, []
            for place in chosen:
                forced = (
                    causes.ranking[:units] if title == "door units" else random.permutation(every)[:units]
                )
                after = inserted(generator, layer, {int(u): float(values[u]) for u in forced}, z, place, cell)
                y, x = cell * place.row, cell * place.column
                there = (segmenter.labels(after[None])[0] == door).any(0)[y : y + HEIGHT, x : x + WIDTH]
                areas.append(float(there.float().mean()))
                found += areas[-1] >= FOUND
                if title == "door units" and len(areas) <= SHOWN:
                    pair = [drawn(before[place.image], place, cell), drawn(after, None, cell)]
                    lines.append(np.concatenate(pair, 1))
            low, high = count_intervals.share(found, len(chosen))
            row[title] = f"{found / max(len(chosen), 1):.0%} ({low:.0%} to {high:.0%})"
            row[f"{title}, share of the square"] = float(np.mean(areas))
        rows.append(row)
        lines += [np.full_like(lines[0], 255)] * (-len(lines) % SHOWN)
        print(row, flush=True)
    print(table(rows))
    if out is not None:
        framed = [np.pad(line, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for line in lines]
        sheet = [np.concatenate(framed[k : k + SHOWN], 1) for k in range(0, len(framed), SHOWN)]
        Image.fromarray(np.concatenate(sheet)[:-GAP, :-GAP]).save(out, optimize=True)


if __name__ == "__main__":
    typer.run(main)
