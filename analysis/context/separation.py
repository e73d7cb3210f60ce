"""Cells that can be forced in one pass, because nothing that depends on one depends on another.

Which parts of the later maps and of the image depend on a cell is found by a NaN there: whatever is computed
from it is NaN. Forced together are cells whose parts are disjoint, so that each part is as if its cell were
forced alone. That holds for the generator. A segmenter looks further: how much its labels differ is measured
on cells that are also forced alone (`measurement`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from analysis.context.passes import Box, Cell, Passes, square
from analysis.shared.arrays import Ints

# Shares of the image's side on each side of what depends on a cell, because the segmenter looks around.
MARGINS = (1 / 32, 3 / 32)


@dataclass(frozen=True)
class Extent:
    """What depends on each row of cells, or on each column: first (cells,) and stop (cells,), of `size`."""

    first: Ints
    stop: Ints
    size: int

    def apart(self, distance: int, margin: float) -> bool:
        """Whether cells so far from each other have parts with a margin between them."""
        return bool((self.stop[:-distance] + 2 * margin * self.size <= self.first[distance:]).all())

    def borders(self, cells: Sequence[int]) -> list[int]:
        """The borders between the parts of some cells, in their order: len(cells) + 1."""
        between = [(self.stop[a] + self.first[b]) // 2 for a, b in pairwise(cells)]
        return [0, *(int(border) for border in between), self.size]


@dataclass(frozen=True)
class Separation:
    """How far apart cells must be: `rows` or `columns` of cells. Then their regions of each place follow."""

    grid: tuple[int, int]
    extents: Mapping[str, tuple[Extent, Extent]]  # of rows and of columns, by place
    rows: int
    columns: int

    @property
    def together(self) -> bool:
        """Whether any cells are far enough apart."""
        return self.rows < self.grid[0] or self.columns < self.grid[1]

    def alone(self) -> Separation:
        """Every cell in a pass of its own."""
        return Separation(self.grid, self.extents, *self.grid)

    def groups(self, tried: Sequence[Cell]) -> list[list[Cell]]:
        """The cells that are forced in one pass, for each pass."""
        found: dict[Cell, list[Cell]] = {}
        for row, column in tried:
            found.setdefault((row % self.rows, column % self.columns), []).append((row, column))
        return list(found.values())

    def regions(self, place: str, cells: Sequence[Cell], size: tuple[int, int]) -> list[Box]:
        """Each cell's part of a map of a place; the parts are disjoint.

        `size` is the height and width of the map: labels may have another resolution than the image.
        """
        down, across = self.extents[place]
        bands = _bands(down, cells[0][0] % self.rows, self.rows, size[0])
        strips = _bands(across, cells[0][1] % self.columns, self.columns, size[1])
        return [(*bands[row], *strips[column]) for row, column in cells]


def _bands(extent: Extent, first: int, step: int, pixels: int) -> dict[int, tuple[int, int]]:
    """The first and the stop of the region of each line of cells that has a cell, in pixels of a map."""
    line = range(first, len(extent.first), step)
    borders = [round(border * pixels / extent.size) for border in extent.borders(line)]
    return dict(zip(line, pairwise(borders), strict=True))


def separations(passes: Passes, patch: int) -> list[Separation]:
    """How far apart cells must be where squares of `patch` x `patch` cells are forced: the nearest first.

    There is one for each margin, and the last has every cell alone. One image is enough, because what depends
    on a cell is a matter of the modules. Without kept tails every cell is alone.
    """
    if passes.kept is None:
        return [_alone(passes)]
    height, width = passes.grid
    rows = [[(row, column) for column in range(width)] for row in range(height)]
    columns = [[(row, column) for row in range(height)] for column in range(width)]
    down, across = (_extents(passes, lines, patch, axis) for axis, lines in enumerate((rows, columns)))
    extents = {place: (down[place], across[place]) for place in down}
    least = 3 + 2 * (patch // 2)  # cells of the box in which a trace is measured
    steps = [
        tuple(_step([found[axis] for found in extents.values()], least, margin) for axis in range(2))
        for margin in MARGINS
    ]
    # Two margins may need the same distance, which is tried once.
    found = [Separation((height, width), extents, step[0], step[1]) for step in dict.fromkeys(steps)]
    return [*(each for each in found if each.together), found[0].alone()]


def _step(extents: Sequence[Extent], least: int, margin: float) -> int:
    """The least distance of lines of cells at which what depends on them is apart at every place."""
    cells = len(extents[0].first)
    *inner, image = extents
    for distance in range(least, cells):
        if image.apart(distance, margin) and all(extent.apart(distance, 0) for extent in inner):
            return distance
    return cells


def _alone(passes: Passes) -> Separation:
    places = passes.places(torch.arange(len(passes)), passes.r)
    extents = {
        name: tuple(
            Extent(np.zeros(cells, np.int64), np.full(cells, size), size)
            for cells, size in zip(passes.grid, value.shape[2:], strict=True)
        )
        for name, value in places.items()
    }
    return Separation(passes.grid, {name: (a, b) for name, (a, b) in extents.items()}, *passes.grid)


def _extents(passes: Passes, lines: Sequence[Sequence[Cell]], patch: int, axis: int) -> dict[str, Extent]:
    """What depends on each line of cells, along the axis across it, by place."""
    found: dict[str, list[Tensor]] = {}
    for part in range(0, len(lines), passes.most):
        some = lines[part : part + passes.most]
        r = passes.r[:1].expand(len(some), -1, -1, -1).clone()
        for number, line in enumerate(some):
            for row, column in line:
                top, bottom = square(row, patch, r.shape[2])
                left, right = square(column, patch, r.shape[3])
                r[number, :, top:bottom, left:right] = torch.nan
        for place, value in passes.places(torch.zeros(len(some), dtype=torch.long), r).items():
            found.setdefault(place, []).append(value.isnan().any(1).any(2 - axis))
    return {place: _extent(torch.cat(parts).cpu().numpy()) for place, parts in found.items()}


def _extent(reached: np.ndarray) -> Extent:
    """The first and last place that each line of cells reaches, from bool (lines, size)."""
    size, some = reached.shape[1], reached.any(1)
    first = np.where(some, reached.argmax(1), size)
    stop = np.where(some, size - reached[:, ::-1].argmax(1), 0)
    # Never before that of an earlier line, so that what holds of neighbours holds of all.
    return Extent(np.minimum.accumulate(first[::-1])[::-1], np.maximum.accumulate(stop), size)
