"""One layer's counts of a block, by the loops of kernels.cu.

Arithmetic, for an image, 512 units and 256 x 256 pixels with one label each: 33.5 million values. `fill_bins`
takes about 80 operations a value and writes 34 MB; on an H100 it took 0.2 ms. `add_listed` reads, for each
value with a label, the bins of nine images there (302 MB, from the cache), and adds at most nine times to
histograms in shared memory, about 90 operations. Expected, and not measured as it is now: 0.1 ms of
instructions, 0.3 of shared memory, 0.05 of memory at 3 TB/s. docs/speed.md has what was measured.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.counting.gpu.block import Block
from analysis.counting.gpu.kernels import Loops
from analysis.counting.vector_loops import PAD, WINDOW
from analysis.shared.arrays import Array
from analysis.shared.bilinear import Axis, axis

LEVELS = 256  # bins are bytes
THREADS = 256
SEGMENTS = 8  # of a block of threads


class Cuts(NamedTuple):
    """Thresholds of a layer on the device: a bin is in the mask at or over its cut (255: never).

    pair (U, C) and tails (U, 2) uint8, side (U, C) int8, names (U, candidates + 1) int64, -1 for none.
    """

    pair: Tensor
    tails: Tensor
    side: Tensor
    names: Tensor

    def of(self, units: slice) -> "Cuts":
        return Cuts(*(part[units] for part in self))


class Binned(NamedTuple):
    """Bins (U, n, pixels) uint8 of some units, and each image's pixels in each: (U, n, 256) int32."""

    bins: Tensor
    tally: Tensor


def padded(edges: Array) -> Array:
    """Edges (U, E) with infinity behind them, a power of two of them: one more at least."""
    steps = 1 << int(edges.shape[1]).bit_length()
    found = np.full((len(edges), steps), np.inf, np.float32)
    found[:, : edges.shape[1]] = edges
    return found


def axes(cells: tuple[int, int], grid: tuple[int, int], device: torch.device) -> list[Tensor]:
    """First and second cell and weight of each pixel row, then of each column."""
    found = []
    for few, many in zip(cells, grid, strict=True):
        first, second, weight = axis(few, many)
        found += [torch.from_numpy(part.astype(np.int32)).to(device) for part in (first, second)]
        found.append(torch.from_numpy(weight).to(device))
    return found


def binned(loops: Loops, r: Tensor, edges: Tensor, run: tuple[int, int], grid: tuple[int, int]) -> Binned:
    """Bins of units run[0] up to run[1] of r (n, U, h, w), contiguous float32, with `padded` edges."""
    images, units, h, w = r.shape
    some = run[1] - run[0]
    bins = torch.empty(some, images, grid[0] * grid[1], dtype=torch.uint8, device=r.device)
    tally = torch.empty(some, images, LEVELS, dtype=torch.int32, device=r.device)
    loops(
        "fill_bins", (some, images), THREADS, r, edges[slice(*run)], *axes((h, w), grid, r.device), bins,
        tally, run[0], units, images, h, w, *grid, edges.shape[1],
    )  # fmt: skip
    return Binned(bins, tally)


def sampled(r: Tensor, chosen: Array, axes: tuple[Axis, Axis]) -> Tensor:
    """Upsampled values (U, n, k) of r (n, U, h, w) at pixels chosen (n, k), for the pilot.

    They are interpolated as bins are filled, to the last bit.
    """
    (y0, y1, wy), (x0, x1, wx) = (
        tuple(torch.from_numpy(part).to(r.device) for part in each) for each in axes
    )
    place = torch.from_numpy(chosen).to(r.device)
    y, x = place // len(x0), place % len(x0)
    cells = r.flatten(2)

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        index = rows[y] * r.shape[3] + columns[x]
        return cells.gather(2, index[:, None].expand(-1, r.shape[1], -1))

    def between(a: Tensor, b: Tensor, same: Tensor, weight: Tensor) -> Tensor:
        return torch.where(same[:, None], a, (1 - weight)[:, None] * a + weight[:, None] * b)

    left, right = (between(at(y0, c), at(y1, c), (y0 == y1)[y], wy[y]) for c in (x0, x1))
    return between(left, right, (x0 == x1)[x], wx[x]).transpose(0, 1)


def under_concepts(
    loops: Loops, bins: Tensor, block: Block, cuts: Cuts | None, rows: int
) -> tuple[Tensor, Tensor]:
    """Joint histograms (U, K, 2, rows) under each concept, and overlaps (U, K, n, 16), int32, see kernels.cu.

    The histograms are those of the unit's own images and of their partners. Without cuts there are no
    partners and no overlaps.
    """
    units, images, size = bins.shape
    many, listed = len(block.present), len(block.segments)
    counted = torch.zeros(units, many, 2, rows, dtype=torch.int32, device=bins.device)
    lanes = 0 if cuts is None else WINDOW
    near = torch.zeros(units, many, images, lanes, dtype=torch.int32, device=bins.device)
    if listed:
        pair = tails = bins[:0]
        if cuts is not None:
            pair, tails = cuts.pair[:, block.columns].contiguous(), cuts.tails.contiguous()
        loops(
            "add_listed", (-(-listed // SEGMENTS), units), THREADS, bins, block.pixels, block.segments,
            block.starts, pair, tails, block.weights_of_lanes, counted, near, listed, many, images, size,
            block.single, rows, 1 if cuts is None else 2 * PAD + 1,
        )  # fmt: skip
    return counted, near
