"""Many edits of kept images through the later layers: which image, and which cells are forced, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from analysis.models.generator import Generator, quick_layout
from analysis.models.layer import Layer
from analysis.models.trace import Trace

IMAGE = "image"  # the name of the last place where a trace is measured
ROWS, ROWS_GPU = 16, 256  # images that are made at once
Cell = tuple[int, int]
Job = tuple[int, Sequence[Cell]]  # an image, and the cells that are forced in it in one pass
Box = tuple[int, int, int, int]  # top, bottom, left, right of a map; bottom and right lie outside


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

    def of(self, images: NDArray[np.int64]) -> Forced:
        """Return the rows of some images."""
        return Forced(self.units[images], self.values[images], self.patch)


class Passes:
    """Images whose maps at a layer are kept, and their edited passes through the later layers."""

    def __init__(self, generator: Generator, layer: Layer, z: Tensor) -> None:
        self.generator, self.layer = generator, layer
        with torch.no_grad():
            self._cut = generator.cut(z, layer.name)
        self.kept = self._cut.kept
        self.r = quick_layout(self._cut.r)
        self.later = list(generator.layers[generator.layers.index(layer) + 1 :])

    def __len__(self) -> int:
        return len(self.r)

    @property
    def grid(self) -> tuple[int, int]:
        """The layer's rows and columns of cells."""
        return self.layer.height, self.layer.width

    @property
    def most(self) -> int:
        """How many rows are made at once. Without kept tails each pass has all images in their order."""
        if self.kept is None:
            return len(self)
        return ROWS if self.r.device.type == "cpu" else ROWS_GPU

    @cached_property
    def images(self) -> Tensor:
        """The unedited images, made as the edited ones are, so that no change is one of rounding."""
        with torch.no_grad():
            return torch.cat(
                [self.tail(rows, self.r[rows]) for rows in torch.arange(len(self)).split(self.most)]
            )

    def tail(self, rows: Tensor, r: Tensor) -> Tensor:
        """The images of some rows' latents when the layer returns r."""
        return self._cut.tail(r) if self.kept is None else self.kept.rows(rows).tail(r)

    def places(self, rows: Tensor, r: Tensor) -> dict[str, Tensor]:
        """What each place has of these rows when the layer returns r: the layer, later ones, the image."""
        paths, images = {layer.name: layer.path for layer in self.later}, []
        seen: dict[str, list[Tensor]] = {name: [] for name in paths}
        # A trace keeps what the last pass returned, so each pass through the module has one of its own.
        each = self.generator.images_per_pass if self.kept is not None else None
        for part in torch.arange(len(r)).split(each or len(r)):
            with torch.no_grad(), Trace(self.generator.module, list(paths.values())) as trace:
                images.append(self.tail(rows[part.to(rows.device)], r[part.to(r.device)]))
            for name, path in paths.items():
                seen[name].append(trace[path])
        joined = {name: torch.cat(parts) for name, parts in seen.items()}
        return {self.layer.name: r, **joined, IMAGE: torch.cat(images)}

    def forced(self, jobs: Sequence[Job], edit: Forced) -> Iterator[tuple[Sequence[Job], Tensor, Tensor]]:
        """Jobs in parts, with their images' numbers and edited maps."""
        for start in range(0, len(jobs), self.most):
            part = jobs[start : start + self.most]
            numbers = np.array([image for image, _cells in part])
            rows = torch.as_tensor(numbers, device=self.r.device)
            yield part, rows, forced(self.r[rows], edit.of(numbers), [cells for _image, cells in part])


def forced(r: Tensor, edit: Forced, cells: Sequence[Sequence[Cell]]) -> Tensor:
    """Return the maps with each row's units at their values in its cells, or in the squares around them.

    `edit` and `cells` have a row for each map.
    """
    places = [
        (number, y, x)
        for number, some in enumerate(cells)
        for row, column in some
        for y in range(*square(row, edit.patch, r.shape[2]))
        for x in range(*square(column, edit.patch, r.shape[3]))
    ]
    changed = quick_layout(r.clone())
    rows, ys, xs = (torch.as_tensor(at, device=r.device)[:, None] for at in np.array(places).T)
    units = torch.as_tensor(edit.units, device=r.device)[rows[:, 0]]
    values = torch.as_tensor(edit.values, dtype=r.dtype, device=r.device)[rows[:, 0]]
    changed[rows, units, ys, xs] = values
    return changed


def square(at: int, patch: int, cells: int) -> tuple[int, int]:
    """The first and the stop of the square around a cell, in one direction, within the layer's grid."""
    reach, even = (patch - 1) // 2, (patch - 1) % 2
    return max(at - reach, 0), min(at + reach + even + 1, cells)


def box_sums(values: Tensor, rows: Sequence[int], boxes: Sequence[Box]) -> Tensor:
    """Return the sums (n,) of maps (N, H, W) over boxes, each of one of the maps."""
    kind = torch.float64 if values.is_floating_point() else torch.int64
    sums = functional.pad(values.to(kind).cumsum(1).cumsum(2), (1, 0, 1, 0))
    number = torch.as_tensor(np.asarray(rows), device=values.device)
    top, bottom, left, right = torch.as_tensor(np.array(boxes).T, device=values.device)
    return (
        sums[number, bottom, right]
        - sums[number, top, right]
        - sums[number, bottom, left]
        + sums[number, top, left]
    )
