"""The same counts of a block by torch, for a GPU.

Nothing waits for the device before a run of units is counted.
"""

import numpy as np
import torch
from torch import Tensor

from analysis.counting.kernel import IMAGES
from analysis.counting.tiles import padded
from analysis.counting.vector_loops import PAD, WINDOW
from analysis.shared.arrays import Array
from analysis.shared.bilinear import axis


def count(
    r: Tensor,
    labels: Array,
    concepts: int,
    edges: Array,
    grid: tuple[int, int],
    offsets: Array,
    cuts: tuple[Array, Array, Array] | None,
) -> tuple[Array, Array, Array]:
    """What units.count_units fills, for maps r (n, U, h, w) on any device: joint, areas, overlaps.

    labels (maps, pixels, n) are numbered 1 ... concepts; cuts are (pair, tails, used) of these units.
    """
    bins = bin_numbers(r, torch.as_tensor(edges, device=r.device), grid)
    shown = _shown(torch.as_tensor(labels.astype(np.int64), device=r.device), concepts)
    count_of_bins = edges.shape[1] + 1
    lanes = torch.zeros(
        r.shape[1], count_of_bins, padded(1 + 2 * concepts), dtype=torch.int64, device=r.device
    )
    # One scatter per concept, because all concepts at once would not fit into the memory of a GPU.
    lanes[:, :, 0] = _by_bin(bins, torch.ones_like(bins[0]), count_of_bins)
    for concept in range(concepts):
        lanes[:, :, 1 + concept] = _by_bin(bins, shown[:, concept], count_of_bins)
        if cuts is not None:
            partners = torch.zeros_like(shown[:, concept])
            for offset in (*offsets, *(-offsets)):  # partners of image i are i + o and i - o in its block
                partners += shown[:, concept].roll(int(offset), dims=0)
            lanes[:, :, 1 + concepts + concept] = _by_bin(bins, partners, count_of_bins)
    if cuts is None:
        nothing = np.zeros((0, 0, 0), np.int32)
        return lanes.cpu().numpy(), nothing, nothing
    areas, overlaps = _overlaps(
        bins, shown, *(torch.as_tensor(cut.astype(np.int64), device=r.device) for cut in cuts)
    )
    return lanes.cpu().numpy(), areas.cpu().numpy(), overlaps.cpu().numpy()


def bin_numbers(r: Tensor, edges: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bins (U, n, pixels) int64: the edges below each upsampled value; NaN in bin 0."""
    values = _upsampled(_upsampled(r.float(), grid[0], dim=2), grid[1], dim=3)
    values = values.transpose(0, 1).flatten(2)
    values = torch.where(values.isnan(), -torch.inf, values).flatten(1)
    found = torch.searchsorted(edges.float().contiguous(), values.contiguous())
    return found.view(r.shape[1], r.shape[0], -1)


def _upsampled(r: Tensor, pixels: int, dim: int) -> Tensor:
    """Bilinear along one dimension, in the kernel's order of operations, so that not one bit differs."""
    first, second, weight = axis(r.shape[dim], pixels)
    shape = [-1 if k == dim else 1 for k in range(r.ndim)]
    a, b = (r.index_select(dim, torch.as_tensor(place, device=r.device)) for place in (first, second))
    w = torch.as_tensor(weight, device=r.device).view(shape)
    same = torch.as_tensor(first == second, device=r.device).view(shape)
    return torch.where(same, a, (1 - w) * a + w * b)


def _shown(labels: Tensor, concepts: int) -> Tensor:
    """(n, concepts, pixels) int64 0/1; a concept that two maps name at a pixel counts once."""
    _maps, pixels, images = labels.shape
    shown = torch.zeros(images, concepts + 1, pixels, dtype=torch.int64, device=labels.device)
    for level in labels:
        shown.scatter_(1, level.T[:, None], 1)
    return shown[:, 1:]


def _by_bin(bins: Tensor, weights: Tensor, count: int) -> Tensor:
    """Sums of whole-number weights (n, pixels) by bin, for each unit: (U, count)."""
    total = torch.zeros(bins.shape[0], count, dtype=torch.int64, device=bins.device)
    spread = weights.expand_as(bins).flatten(1)
    return total.scatter_add_(1, bins.flatten(1), spread)


def _overlaps(
    bins: Tensor, shown: Tensor, pair: Tensor, tails: Tensor, used: Tensor
) -> tuple[Tensor, Tensor]:
    """Areas (U, K, 64) and overlaps (U, concepts, 64, 16) int32."""
    units, images, _pixels = bins.shape
    areas = torch.zeros(units, used.shape[1], IMAGES, dtype=torch.int32, device=bins.device)
    overlaps = torch.zeros(units, shown.shape[1], IMAGES, WINDOW, dtype=torch.int32, device=bins.device)
    for k in range(used.shape[1]):
        areas[:, k, :images] = (bins >= used[:, k, None, None]).sum(dim=2, dtype=torch.int32)
    for concept in range(shown.shape[1]):
        own = shown[:, concept]
        for lane in range(2 * PAD + 1):  # image i + lane - 4 under image i's label map
            on = bins.roll(PAD - lane, dims=1) >= pair[:, concept, None, None]
            overlaps[:, concept, :images, lane] = (on * own).sum(dim=2, dtype=torch.int32)
        for t in range(2):
            on = bins >= tails[:, t, None, None]
            overlaps[:, concept, :images, 9 + t] = (on * own).sum(dim=2, dtype=torch.int32)
    return areas, overlaps
