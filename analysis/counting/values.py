"""Sums of activations, from which correlations follow, on any device.

A unit's upsampled map is a linear function of its cells, so sums over pixels are products of the cells with
what each cell contributes. Activations are taken from a centre, so that an offset costs no digits; what is
not finite counts as the centre. Sums of a block are rounded to float32, so that float64 adds blocks exactly,
in any order.

values (U, C + 2)       over pixels: the sum on each concept, of all, and of squares
products (U + 1, U + 1) over the cells of every eighth image: of each two units; the last one is constant 1
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from analysis.counting.ceiling import EVERY
from analysis.counting.compilation import compiled
from analysis.counting.vector_loops import IMAGES
from analysis.shared.arrays import Array, Floats
from analysis.shared.bilinear import axis

SUM, SQUARE = -2, -1  # places in values, after the concepts
F32 = np.float32
ZERO, TWO, INFINITE = F32(0), F32(2), F32(np.inf)


@compiled
def _contributions(labels, number, y0, y1, wy, x0, x1, wx, across, out):  # type: ignore[no-untyped-def]
    """Sets out (cells, present): each cell's weight on the pixels of each concept, labels (maps, H * W)."""
    out[:] = 0
    width = len(x0)
    for level in range(labels.shape[0]):
        for pixel in range(labels.shape[1]):
            label = labels[level, pixel]
            if label == 0:
                continue
            repeated = False
            for earlier in range(level):
                repeated = repeated or labels[earlier, pixel] == label
            if repeated:
                continue
            y, x, concept = pixel // width, pixel % width, number[label]
            v, w = wy[y], wx[x]
            out[y0[y] * across + x0[x], concept] += (1 - v) * (1 - w)
            out[y0[y] * across + x1[x], concept] += (1 - v) * w
            out[y1[y] * across + x0[x], concept] += v * (1 - w)
            out[y1[y] * across + x1[x], concept] += v * w


@cache
def upsampling(cells: int, pixels: int) -> Floats:
    """The matrix (pixels, cells) of one dimension."""
    first, second, weight = axis(cells, pixels)
    found = np.zeros((pixels, cells))
    np.add.at(found, (np.arange(pixels), first), 1 - weight.astype(float))
    np.add.at(found, (np.arange(pixels), second), weight.astype(float))
    return found


def add(
    features: Mapping[str, Tensor],
    centres: Mapping[str, Array],
    labels: Array,
    first: int,
    out: Mapping[str, tuple[Floats, Floats]],
) -> None:
    """Add a block: features (n, U, h, w) and centres (U,) by layer, labels (n, maps, H, W).

    `first` is the block's first latent; `out` has values and products of each layer. Sums of all pixels are
    added elsewhere: `sums_of_pixels` on a CPU, `add_squares` on a GPU.
    """
    images, maps, height, width = labels.shape
    flat = np.ascontiguousarray(labels.reshape(images, maps, height * width)).astype(np.uint16)
    present = np.flatnonzero(np.bincount(flat.ravel()))
    present = present[present > 0]
    number = np.zeros(int(flat.max(initial=0)) + 1, np.int64)
    number[present] = np.arange(len(present))
    sums = {name: torch.zeros(r.shape[1], len(present), dtype=torch.float64, device=r.device)
            for name, r in features.items()}  # fmt: skip
    maps_of = {name: centred(r, torch.from_numpy(centres[name])) for name, r in features.items()}
    for h, w in sorted({(r.shape[2], r.shape[3]) for r in features.values()}):
        alike = [name for name, r in features.items() if r.shape[2:] == (h, w)]
        axes = (*axis(h, height), *axis(w, width))
        share = np.zeros((h * w, len(present)), np.float32)
        for image in range(images):
            _contributions(flat[image], number, *axes, w, share)
            for name in alike:
                r = maps_of[name]
                there = torch.from_numpy(share.copy()).to(r.device)
                sums[name] += r[image].flatten(1) @ there
    for name, r in maps_of.items():
        values, sums_of_units = out[name]
        found = sums[name].float().cpu().numpy()
        values[:, present - 1] += found
        sums_of_units += products(r[-first % EVERY :: EVERY]).cpu().numpy().astype(np.float64)


def centred(r: Tensor, centre: Tensor) -> Tensor:
    """Activations from a centre (U,) on; what is not finite is the centre."""
    middle = centre.to(r.device, torch.float32)
    moved = r.float() - middle[None, :, None, None]
    if moved.device.type == "cpu" and torch.isfinite(moved.sum()):  # cheap, and nearly always so
        return moved
    return moved.nan_to_num(0.0, 0.0, 0.0)


def bands(cells: int, pixels: int) -> Array:
    """What cells of one dimension count, (3, cells + 1) float32: in sums, in squares, beside the next cell.

    A pixel reads a cell and the next at most: squares are products of cells with themselves and the next.
    """
    up = upsampling(cells, pixels)
    gram, found = up.T @ up, np.zeros((3, cells + 1), np.float32)
    found[0, :cells], found[1, :cells], found[2, : cells - 1] = up.sum(0), gram.diagonal(), gram.diagonal(1)
    return found


@compiled
def sums_of_pixels(maps: Array, centres: Array, rows: Array, columns: Array, out: Array) -> None:
    """Adds the sums of all pixels and of their squares to out (U, 2); maps (U, h, w * 64), images innermost.

    Activations are taken from centres (U,). rows and columns are `bands`.
    """
    across = maps.shape[2] // IMAGES
    for unit in range(len(maps)):
        this, below = np.zeros(((across + 2) * IMAGES), F32), np.zeros(((across + 2) * IMAGES), F32)
        total, square = np.zeros(IMAGES, F32), np.zeros(IMAGES, F32)
        _move(maps[unit, 0], centres[unit], below)
        for y in range(maps.shape[1]):
            this, below = below, this
            if y + 1 < maps.shape[1]:
                _move(maps[unit, y + 1], centres[unit], below)
            else:
                below[:] = 0
            for x in range(across):
                a = (x + 1) * IMAGES
                own, beside, before = columns[1, x], columns[2, x], columns[2, x - 1]
                part, here, under = rows[0, y] * columns[0, x], rows[1, y], TWO * rows[2, y]
                for k in range(a, a + IMAGES):
                    v, right = this[k], this[k + IMAGES]
                    spread = own * v + beside * right
                    total[k - a] += part * v
                    square[k - a] += here * v * (spread + beside * right)
                    square[k - a] += under * below[k] * (spread + before * this[k - IMAGES])
        for k in range(IMAGES):
            out[unit, 0] += total[k]
            out[unit, 1] += square[k]


@compiled
def _move(cells: Array, centre: np.float32, out: Array) -> None:
    """Cells from a centre on, behind 64 zeros; what is not finite is the centre."""
    for k in range(cells.size):
        v = cells[k] - centre
        out[IMAGES + k] = v if abs(v) < INFINITE else ZERO


def add_squares(r: Tensor, grid: tuple[int, int], sums: Tensor) -> None:
    """Sums of all pixels and of their squares, without making the pixels."""
    up = [torch.from_numpy(upsampling(n, pixels)).to(r.device, torch.float32)
          for n, pixels in zip(r.shape[2:], grid, strict=True)]  # fmt: skip
    down, across = (each.sum(0) for each in up)
    sums[:, SUM] += (r.flatten(2) @ torch.outer(down, across).flatten()).sum(0)
    rows, columns = (each.T @ each for each in up)
    # A pixel reads a cell and the next at most, so products are of rows with themselves and their neighbours.
    blurred = r @ columns
    own = (blurred * r).sum(3) @ rows.diagonal()
    beside = (blurred[:, :, 1:] * r[:, :, :-1]).sum(3) @ rows.diagonal(1)
    sums[:, SQUARE] += (own + 2 * beside).sum(0)


def products(r: Tensor) -> Tensor:
    """Products (U + 1, U + 1) of units over the cells of maps (n, U, h, w), with a last unit of ones."""
    cells = r.transpose(0, 1).flatten(1)
    with_one = torch.cat([cells, torch.ones_like(cells[:1])])
    return with_one @ with_one.T


def correlations(values: Floats, areas: Array, pixels: int) -> Floats:
    """Pearson's r (U, C) of a unit's activation with a concept's mask, over pixels.

    NaN for a unit that does not vary, and for a concept that is nowhere or everywhere.
    """
    own, total, square = values[:, :SUM], values[:, SUM], values[:, SQUARE]
    area = np.asarray(areas, float)
    spread = np.maximum(square / pixels - (total / pixels) ** 2, 0)
    spread = np.where(spread > 1e-10 * square / pixels, spread, 0)  # rounding only
    covariance = own / pixels - total[:, None] / pixels * area / pixels
    scale = np.sqrt(spread[:, None] * (area / pixels * (1 - area / pixels)))
    return np.divide(covariance, scale, out=np.full(own.shape, np.nan), where=scale > 0)


def likeness(products: Floats) -> Floats:
    """Pearson's r (U, U) between units, over cells; NaN for a unit that does not vary there."""
    many = products[-1, -1]
    mean = products[:-1, -1] / max(many, 1)
    covariance = products[:-1, :-1] / max(many, 1) - np.outer(mean, mean)
    spread = np.maximum(np.diag(covariance), 0)
    spread = np.where(spread > 1e-6 * (spread + mean**2), spread, 0)
    scale = np.sqrt(np.outer(spread, spread))
    return np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def groups(like: Floats, least: float = 0.9) -> Array:
    """The group (U,) of each unit: the number of the first unit that it is joined to by likeness of `least`.

    A unit and its opposite are alike: high activations of one say the same as low ones of the other.

    >>> groups(np.array([[1, -0.95, 0], [-0.95, 1, 0.1], [0, 0.1, 1]])).tolist()
    [0, 0, 2]
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    _many, member = connected_components(csr_matrix(np.abs(np.nan_to_num(like)) >= least), directed=False)
    _, first = np.unique(member, return_index=True)
    return first[member]
