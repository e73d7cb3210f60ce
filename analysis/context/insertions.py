"""Insertions at single cells: the concept's change, and the edit's trace in later layers.

A batch of images takes one pass of h. A pass of the tail forces one cell of one image, or several that are
far enough apart (`separation`); each then has its own region of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.context.passes import IMAGE, Box, Cell, Forced, Job, Passes, box_sums
from analysis.context.separation import Separation
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.models.segmenter import Segmenter
from analysis.shared.arrays import Floats

Tick = Callable[[int], None]


def silent(passes: int) -> None:
    """Report no progress."""


def cell_effects(
    passes: Passes,
    segmenter: Segmenter,
    label: int,
    edits: Sequence[Forced],
    tried: Sequence[Cell],
    apart: Separation,
    tick: Tick = silent,
) -> NDArray[np.float32]:
    """Return the concept's change when units are forced at a cell, in areas of one cell.

    The change is (edits, N, h, w), and NaN at cells that were not tried. `label` is the concept's. `tick` is
    called with the number of passes of the tail after each batch of them.
    """
    found = np.full((len(edits), len(passes), *passes.grid), np.nan, np.float32)
    jobs = [(image, cells) for cells in apart.groups(tried) for image in range(len(passes))]
    images, rows, columns = np.array([(image, *cell) for image, cells in jobs for cell in cells]).T
    for number, edit in enumerate(edits):
        found[number][images, rows, columns] = changes(passes, segmenter, label, edit, jobs, apart, tick)
    return found


def changes(
    passes: Passes,
    segmenter: Segmenter,
    label: int,
    edit: Forced,
    jobs: Sequence[Job],
    apart: Separation,
    tick: Tick = silent,
) -> Floats:
    """Return the concept's change by each cell of each job, in its region of the image, (cells of all jobs,).

    A cell that is alone in its pass has the whole image for its region.
    """
    found = []
    with torch.no_grad():
        before = shown(segmenter, passes.images, label)
        size = (before.shape[1], before.shape[2])
        for part, rows, r in passes.forced(jobs, edit):
            now = shown(segmenter, passes.tail(rows, r), label)
            change = now.to(torch.int8) - before[rows.to(before.device)].to(torch.int8)
            found.append(box_sums(change, *_regions(IMAGE, part, apart, size)))
            tick(len(part))
        areas = torch.cat(found).double() / (size[0] * size[1] / (passes.grid[0] * passes.grid[1]))
    return areas.cpu().numpy()


def _regions(
    place: str, jobs: Sequence[Job], apart: Separation, size: tuple[int, int]
) -> tuple[list[int], list[Box]]:
    """The row and the region of each cell of each job."""
    regions = [apart.regions(place, cells, size) for _image, cells in jobs]
    rows = [row for row, boxes in enumerate(regions) for _box in boxes]
    return rows, [box for boxes in regions for box in boxes]


def shown(segmenter: Segmenter, images: Tensor, label: int) -> Tensor:
    """Return the pixels of each image that have the label, bool (N, H, W)."""
    return (segmenter.labels(images) == label).any(1)


def tried_cells(layer: Layer, every: int, number: int) -> list[Cell]:
    """Return one cell in `every`, as many in each row, along diagonals that move with a batch's number."""
    cells = [(row, column) for row in range(layer.height) for column in range(layer.width)]
    return [(row, column) for row, column in cells if (row + column + number) % every == 0]


def typical_scales(generator: Generator, layer: Layer, z: Tensor) -> dict[str, float]:
    """Return how much each place of a trace varies by itself: its units' root mean variance."""
    later = generator.layers[generator.layers.index(layer) + 1 :]
    images, maps = generator.features(z, [layer.name, *(place.name for place in later)])
    places = {**maps, IMAGE: images}
    return {
        name: max(float(value.var((0, 2, 3), correction=0).mean().sqrt()), 1e-12)
        for name, value in places.items()
    }


def cell_traces(
    passes: Passes, edit: Forced, tried: Sequence[Cell], apart: Separation, images: int
) -> dict[str, NDArray[np.float32]]:
    """Return how much each later place of the first images changes when a cell is forced.

    The result is place to (2, images, h, w); the edited layer is first. Index 0 is the root mean square
    change in and around the cell: up to one cell beyond what was forced, on the place's own grid. Index 1 is
    the share of the squared change outside of it.
    """
    numbers = range(len(passes) if passes.kept is None else images)
    jobs = [(image, cells) for cells in apart.groups(tried) for image in numbers]
    before = passes.places(torch.arange(len(passes)), passes.r)
    parts: dict[str, list[Tensor]] = {name: [] for name in before}
    for part, rows, r in passes.forced(jobs, edit):
        for name, value in passes.places(rows, r).items():
            squares = (value - before[name][rows]).square().mean(1)
            parts[name].append(_in_and_around(name, squares, part, apart, 1 + edit.patch // 2))
    at, ys, xs = np.array([(image, *cell) for image, cells in jobs for cell in cells]).T
    found = {}
    for name, values in parts.items():
        maps = np.full((2, len(passes), *passes.grid), np.nan, np.float32)
        maps[:, at, ys, xs] = torch.cat(values, 1).float().cpu().numpy()
        found[name] = maps[:, :images]
    return found


def _in_and_around(place: str, squares: Tensor, jobs: Sequence[Job], apart: Separation, reach: int) -> Tensor:
    """Return (2, cells): the root mean square change around each cell, and the share of squares outside."""
    size = (squares.shape[1], squares.shape[2])
    rows, regions = _regions(place, jobs, apart, size)
    boxes = [_box(cell, size, apart.grid, reach) for _image, cells in jobs for cell in cells]
    # Beyond its region a cell changes nothing, and another one may.
    own = [_within(box, region) for box, region in zip(boxes, regions, strict=True)]
    inside, total = (box_sums(squares, rows, some) for some in (own, regions))
    areas = [(bottom - top) * (right - left) for top, bottom, left, right in boxes]
    mean = inside / torch.as_tensor(areas, device=squares.device)
    # Sums of squares by differences of sums may be a rounding below zero.
    return torch.stack([mean.clamp_min(0).sqrt(), (total - inside).clamp_min(0) / total.clamp_min(1e-20)])


def _box(cell: Cell, size: tuple[int, int], grid: tuple[int, int], reach: int) -> Box:
    """The cell and `reach` cells around it, in pixels of a map."""
    ends = []
    for at, pixels, cells in zip(cell, size, grid, strict=True):
        first = max(int((at - reach) * pixels / cells), 0)
        ends += [first, min(max(int((at + 1 + reach) * pixels / cells), first + 1), pixels)]
    return ends[0], ends[1], ends[2], ends[3]


def _within(box: Box, region: Box) -> Box:
    top, left = max(box[0], region[0]), max(box[2], region[2])
    return top, max(min(box[1], region[1]), top), left, max(min(box[3], region[3]), left)
