"""What fills each cell of a layer's grid, and which cells are near a concept. Labels (N, maps, H, W) in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from analysis.shared.concepts import Concept

HALF = 0.5
NOTHING, MIXED = "nothing", "mixed"


def context_names(concepts: Sequence[Concept]) -> list[str]:
    """The contexts in the order of `memberships`: the concepts, nothing, mixed."""
    return [*(concept.name for concept in concepts), NOTHING, MIXED]


def shares(marks: Tensor, cells: tuple[int, int]) -> Tensor:
    """The share of each cell that marks (N, maps, H, W) cover, in any map: (N, h, w)."""
    there = marks.any(1, keepdim=True).float()
    return functional.adaptive_avg_pool2d(there, cells)[:, 0]


def memberships(labels: Tensor, concepts: int, cells: tuple[int, int]) -> Tensor:
    """Which contexts each cell has, bool (concepts + 2, N, h, w).

    A concept is a cell's context if it fills half of it or more. Maps lie over each other, so a cell may have
    several: building, brick. A cell that no concept fills is `nothing` if pixels without any label fill it,
    else `mixed`.
    """
    filled = torch.stack([shares(labels == label, cells) >= HALF for label in range(1, concepts + 1)])
    bare = shares((labels == 0).all(1, keepdim=True), cells) >= HALF
    none = ~filled.any(0)
    return torch.cat([filled, (none & bare)[None], (none & ~bare)[None]])


def near(labels: Tensor, label: int, cells: tuple[int, int], reach: int = 1) -> Tensor:
    """Cells that hold a concept's pixel, and those up to `reach` cells from one, bool (N, h, w)."""
    held = (shares(labels == label, cells) > 0).float()
    return functional.max_pool2d(held[:, None], 2 * reach + 1, 1, reach)[:, 0] > 0
