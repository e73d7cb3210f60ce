"""Cells to edit: the stratified cells of the learning, and cells drawn uniformly.

The method is in docs/method.md section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

HISTOGRAM = 0.9  # weight of the concept's location histogram among insertion proposals


def proposals(there: Tensor) -> Tensor:
    """Return the probability (h, w) that a cell is proposed for an insertion: 0.9 histogram + 0.1 uniform."""
    often = there.double().sum(0)
    uniform = torch.full_like(often, 1 / often.numel())
    total = often.sum()
    histogram = torch.where(total > 0, often / total.clamp(min=1e-30), uniform)
    return (HISTOGRAM * histogram + (1 - HISTOGRAM) * uniform).to(there.dtype)


def strata(there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images that have a cell with the concept, and those that have one without it; on the CPU."""
    held = (there > 0).flatten(1).cpu()
    return held.any(1).nonzero()[:, 0], (~held).any(1).nonzero()[:, 0]


def typical(there: Tensor) -> int:
    """Return how many cells the concept touches in an image that shows it: the rounded mean, 1 or more."""
    touched = (there > 0).flatten(1).sum(1).double()
    return max(1, round(float(touched.sum() / (touched > 0).sum().clamp(min=1))))


def draw(weights: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Return true at up to `count` cells of each image, drawn without replacement by weight (n, h, w).

    Cells of weight 0 are never drawn. An image with fewer other cells than `count` gets all of those.
    """
    # The cells with the largest weight / E, where each E is exponential with mean 1, are such a draw
    # (Efraimidis & Spirakis 2006).
    flat = weights.flatten(1)
    # Drawn on the CPU, so that every device draws the same.
    clock = torch.empty(flat.shape).exponential_(generator=random).to(flat)
    keys = torch.where(flat > 0, flat / clock.clamp(min=1e-20), torch.zeros_like(flat))
    best = keys.topk(min(count, flat.shape[1]), dim=1)
    chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, best.indices, best.values > 0)
    return chosen.view_as(weights)


def ablation_cells(there: Tensor, count: int | None, random: torch.Generator) -> Tensor:
    """Return cells (n, h, w) with the concept: all of them, or `count` of each image."""
    held = there > 0
    return held if count is None else draw(held.to(there.dtype), count, random)


def insertion_cells(there: Tensor, proposed: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Return `count` cells (n, h, w) of each image without the concept, drawn by their proposal weight."""
    return draw(torch.where(there > 0, torch.zeros_like(there), proposed.to(there)), count, random)
