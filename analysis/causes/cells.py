"""Where to edit: the stratified cells of the learning, and cells drawn uniformly (method.md section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

HISTOGRAM = 0.9  # weight of the concept's location histogram among insertion proposals


def proposals(there: Tensor) -> Tensor:
    """How probable each cell (h, w) is to be proposed for an insertion: .9 histogram + .1 uniform."""
    often = there.double().sum(0)
    uniform = torch.full_like(often, 1 / often.numel())
    total = often.sum()
    histogram = torch.where(total > 0, often / total.clamp(min=1e-30), uniform)
    return (HISTOGRAM * histogram + (1 - HISTOGRAM) * uniform).to(there.dtype)


def strata(there: Tensor) -> tuple[Tensor, Tensor]:
    """Which images (n,) have a cell with the concept, and which have one without it; on the CPU."""
    held = (there > 0).flatten(1).cpu()
    return held.any(1).nonzero()[:, 0], (~held).any(1).nonzero()[:, 0]


def typical(there: Tensor) -> int:
    """How many cells the concept touches in an image that shows it, on average, rounded; 1 or more."""
    touched = (there > 0).flatten(1).sum(1).double()
    return max(1, round(float(touched.sum() / (touched > 0).sum().clamp(min=1))))


def draw(weights: Tensor, count: int, random: torch.Generator) -> Tensor:
    """True at up to `count` cells of each image, drawn without replacement by weight (n, h, w).

    The largest of weights in a race of exponential clocks is such a draw (Efraimidis & Spirakis 2006). Cells
    of weight 0 are never drawn; an image with fewer others gets fewer.
    """
    flat = weights.flatten(1)
    # Drawn on the CPU, so that every device draws the same.
    clock = torch.empty(flat.shape).exponential_(generator=random).to(flat)
    keys = torch.where(flat > 0, flat / clock.clamp(min=1e-20), torch.zeros_like(flat))
    best = keys.topk(min(count, flat.shape[1]), dim=1)
    chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, best.indices, best.values > 0)
    return chosen.view_as(weights)


def ablation_cells(there: Tensor, count: int | None, random: torch.Generator) -> Tensor:
    """Cells (n, h, w) that hold the concept: all of them, or `count` of each image."""
    held = there > 0
    return held if count is None else draw(held.to(there.dtype), count, random)


def insertion_cells(there: Tensor, proposed: Tensor, count: int, random: torch.Generator) -> Tensor:
    """`count` cells (n, h, w) of each image that do not hold the concept, by their proposal weight."""
    return draw(torch.where(there > 0, torch.zeros_like(there), proposed.to(there)), count, random)
