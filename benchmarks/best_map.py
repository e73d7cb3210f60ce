"""The best map on a layer's grid: how well a unit could show a concept at most, found by gradient.

    best_map(shown, (8, 8)).iou          # shown (N, H, W): where each image has the concept

The averaged concept (`analysis.counting.ceiling`) is no bound: a map that overshoots at borders scores up to
twice as much on coarse grids. Here each image has a map of its own, which is free in every cell. The score is
reached by these maps, so the best one is at least as large. A search from one start may end below it: where 1
can be reached, it reaches .99.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.shared.bilinear import axis

LEVELS = 64  # cuts of the averaged concept, from which the search starts
STEPS, EVERY = 100, 5  # steps of the search, and how often its hard masks are measured
RATE, LAST_RATE = 0.1, 0.002  # of Adam, at the first and the last step; cells start between -1 and 1
SOFT, HARD = 30.0, 300.0  # slope of the sigmoid that stands for the cut, at the first and the last step


@dataclass(frozen=True)
class BestMap:
    """Maps (N, h, w) whose upsampled values over 0 show a concept best, and scores pooled over the images."""

    maps: NDArray[np.float32]
    iou: float
    averaged_iou: float  # that of the averaged concept, from which the search started


def best_map(shown: NDArray[np.bool_], cells: tuple[int, int], steps: int = STEPS) -> BestMap:
    """Search for each image's map (h, w), so that the pooled IoU with where a concept is shown is largest.

    IoU = sum I / sum U is a ratio of sums, so its best maps are those of sum (I - c U), with c the best IoU
    (Dinkelbach 1967). With s the concept and p the mask, I - c U = sum p ((1 + c) s - c) - c sum s, which is
    linear in p and separate for each image. p = sigmoid(k u) stands for the cut u > 0 of the upsampled
    map u, k growing; c is the best IoU so far. Each image keeps its best map, so no step loses.

    The result is the same for the same input on one machine. NaN for a concept that no image shows.
    """
    there = np.flatnonzero(shown.any(axis=(1, 2)))
    maps = np.full((len(shown), *cells), -1, np.float32)
    if len(there) == 0:
        return BestMap(maps, float("nan"), float("nan"))
    s = torch.from_numpy(shown[there].astype(np.float32))
    rows, columns = (_upsampling(many, wanted) for many, wanted in zip(cells, s.shape[1:], strict=True))
    best = _averaged(s, rows, columns)
    size = s.sum((1, 2)).double()
    hits, area = _counts(_up(best, rows, columns) > 0, s)
    averaged = c = _iou(hits, area, size)
    m = best.clone()
    first, second = torch.zeros_like(m), torch.zeros_like(m)
    for step in range(1, steps + 1):
        done = (step - 1) / max(1, steps - 1)
        slope, rate = SOFT * (HARD / SOFT) ** done, RATE * (LAST_RATE / RATE) ** done
        p = torch.sigmoid(slope * _up(m, rows, columns))
        upward = ((1 + c) * s - c) * p * (1 - p)
        gradient = torch.einsum("yi,nyx,xj->nij", rows, upward, columns)
        gradient /= gradient.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient.square()
        adam = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-3)
        m = (m + rate * adam).clamp(-2, 2)
        if step % EVERY and step < steps:
            continue
        new_hits, new_area = _counts(_up(m, rows, columns) > 0, s)
        gain = (1 + c) * (new_hits - hits) - c * (new_area - area)
        better = gain > 0
        best[better], hits[better], area[better] = m[better], new_hits[better], new_area[better]
        c = _iou(hits, area, size)
    maps[there] = best.numpy()
    return BestMap(maps, c, averaged)


def _averaged(s: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The concept's share of each cell, less the level at which its pooled IoU is largest."""
    cells = rows.shape[1], columns.shape[1]
    share = torch.nn.functional.adaptive_avg_pool2d(s, cells)
    up, size = _up(share, rows, columns), s.sum((1, 2)).double()
    levels = [(level + 1e-4) / LEVELS for level in range(LEVELS)]
    scores = [_iou(*_counts(up > level, s), size) for level in levels]
    return share - levels[int(np.argmax(scores))]


def _upsampling(cells: int, pixels: int) -> Tensor:
    """The matrix (pixels, cells) of bilinear upsampling in one dimension."""
    first, second, weight = axis(cells, pixels)
    found, each = np.zeros((pixels, cells), np.float32), np.arange(pixels)
    np.add.at(found, (each, first), 1 - weight)
    np.add.at(found, (each, second), weight)
    return torch.from_numpy(found)


def _up(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return torch.einsum("yi,nij,xj->nyx", rows, maps, columns)


def _counts(on: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels of each image's mask on the concept, and of the whole mask."""
    return (on * s).sum((1, 2)).double(), on.sum((1, 2)).double()


def _iou(hits: Tensor, area: Tensor, size: Tensor) -> float:
    return float(hits.sum() / (area.sum() + size.sum() - hits.sum()))
