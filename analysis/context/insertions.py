"""Insertions at single cells: the concept's change, and the edit's trace in later layers.

A batch of images takes one pass of h, and then one pass of the tail per cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.models.segmenter import Segmenter
from analysis.models.trace import Trace

IMAGE = "image"  # the name of the last place where a trace is measured


@dataclass(frozen=True)
class Forced:
    """Units (N, n) and their values (N, n), one row per image, in a square of `patch` x `patch` cells."""

    units: NDArray[np.int64]
    values: NDArray[np.float64]
    patch: int = 1

    @classmethod
    def same(cls, units: Sequence[int], values: NDArray[np.float64], images: int, patch: int = 1) -> Forced:
        """Return the same units and values for every image."""
        return cls(np.tile(np.asarray(units, np.int64), (images, 1)), np.tile(values, (images, 1)), patch)

    def part(self, start: int, stop: int) -> Forced:
        """Return the rows of images `start` to `stop`."""
        return Forced(self.units[start:stop], self.values[start:stop], self.patch)


def concept_pixels(segmenter: Segmenter, images: Tensor, label: int) -> Tensor:
    """Return the number of pixels of each image that have the label, (N,)."""
    return (segmenter.labels(images) == label).any(1).sum((1, 2))


def cell_effects(
    generator: Generator,
    segmenter: Segmenter,
    layer: Layer,
    z: Tensor,
    label: int,
    edits: Sequence[Forced],
    tried: Sequence[tuple[int, int]],
    tick: Callable[[int], None] = lambda passes: None,
) -> NDArray[np.float32]:
    """Return the concept's change over the whole image when units are forced at a cell.

    The change (edits, N, h, w) is in areas of one cell, and NaN at cells that were not tried. `label` is the
    concept's. `tick` is called with the number of passes of the tail after each cell.
    """
    found = np.full((len(edits), len(z), layer.height, layer.width), np.nan, np.float32)
    with torch.no_grad():
        cut = generator.cut(z, layer.name)
        labels = segmenter.labels(cut.images)
        area = labels.shape[2] * labels.shape[3] / (layer.height * layer.width)
        before = (labels == label).any(1).sum((1, 2))
        for number, edit in enumerate(edits):
            changes = []
            for row, column in tried:
                images = cut.tail(forced(cut.r, edit, row, column))
                changes.append(concept_pixels(segmenter, images, label) - before)
                tick(len(z))
            rows, columns = np.array(tried).T
            found[number][:, rows, columns] = (torch.stack(changes, 1) / area).float().cpu().numpy()
    return found


def tried_cells(layer: Layer, every: int, number: int) -> list[tuple[int, int]]:
    """Return one cell in `every`, as many in each row, along diagonals that move with a batch's number."""
    cells = [(row, column) for row in range(layer.height) for column in range(layer.width)]
    return [(row, column) for row, column in cells if (row + column + number) % every == 0]


def forced(r: Tensor, edit: Forced, row: int, column: int) -> Tensor:
    """Return the map with each image's units at their values in one cell, or in the square around it."""
    reach, even = (edit.patch - 1) // 2, (edit.patch - 1) % 2
    rows = slice(max(row - reach, 0), row + reach + even + 1)
    columns = slice(max(column - reach, 0), column + reach + even + 1)
    images = torch.arange(len(r), device=r.device)[:, None]
    units = torch.as_tensor(edit.units, device=r.device)
    changed = r.clone()
    values = torch.as_tensor(edit.values, dtype=r.dtype, device=r.device)
    changed[images, units, rows, columns] = values[..., None, None]
    return changed


def later_layers(generator: Generator, layer: Layer) -> list[Layer]:
    """Return the layers after `layer`."""
    return list(generator.layers[generator.layers.index(layer) + 1 :])


def typical_scales(generator: Generator, layer: Layer, z: Tensor) -> dict[str, float]:
    """Return how much each place of a trace varies by itself: its units' root mean variance."""
    names = [layer.name, *(later.name for later in later_layers(generator, layer))]
    images, maps = generator.features(z, names)
    places = {**maps, IMAGE: images}
    return {
        name: max(float(value.var((0, 2, 3), correction=0).mean().sqrt()), 1e-12)
        for name, value in places.items()
    }


def cell_traces(
    generator: Generator,
    layer: Layer,
    z: Tensor,
    edit: Forced,
    tried: Sequence[tuple[int, int]],
) -> dict[str, NDArray[np.float32]]:
    """Return how much each later place changes when a cell is forced, as place to (2, N, h, w).

    The edited layer is first. Index 0 is the root mean square change in and around the cell: up to one cell
    beyond what was forced, on the place's own grid. Index 1 is the share of the squared change outside of it.
    """
    later = later_layers(generator, layer)
    paths = {place.name: place.path for place in later}
    before_images, before = generator.features(z, paths)
    found: dict[str, list[Tensor]] = {name: [] for name in (layer.name, *paths, IMAGE)}
    with torch.no_grad():
        cut = generator.cut(z, layer.name)
        for row, column in tried:
            r = forced(cut.r, edit, row, column)
            with Trace(generator.module, list(paths.values())) as trace:
                images = cut.tail(r)
            changes = {name: trace[path] - before[name] for name, path in paths.items()}
            changes |= {layer.name: r - cut.r, IMAGE: images - before_images}
            for name, change in changes.items():
                found[name].append(_in_and_around(change, row, column, layer, 1 + edit.patch // 2))
    return {name: _as_maps(torch.stack(values), tried, layer) for name, values in found.items()}


def _as_maps(values: Tensor, tried: Sequence[tuple[int, int]], layer: Layer) -> NDArray[np.float32]:
    """Arrange (cells, 2, N) as (2, N, h, w), NaN where not tried."""
    maps = np.full((*values.shape[1:], layer.height, layer.width), np.nan, np.float32)
    rows, columns = np.array(tried).T
    maps[..., rows, columns] = values.permute(1, 2, 0).float().cpu().numpy()
    return maps


def _in_and_around(change: Tensor, row: int, column: int, layer: Layer, reach: int) -> Tensor:
    """Return (2, N): the root mean square change around the cell, and the share of squares outside."""
    squares = change.square().mean(1)
    high, wide = squares.shape[1] / layer.height, squares.shape[2] / layer.width
    top, left = max(int((row - reach) * high), 0), max(int((column - reach) * wide), 0)
    bottom = max(int((row + 1 + reach) * high), top + 1)
    right = max(int((column + 1 + reach) * wide), left + 1)
    box = squares[:, top:bottom, left:right]
    inside, total = box.sum((1, 2)), squares.sum((1, 2))
    return torch.stack([box.mean((1, 2)).sqrt(), (total - inside).clamp_min(0) / total.clamp_min(1e-20)])
