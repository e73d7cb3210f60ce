"""Sums of activations as `analysis.counting.values` adds them up, without a loop over pixels."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from analysis.counting.ceiling import EVERY
from analysis.counting.gpu.block import Block
from analysis.counting.values import add_squares, centred, products, upsampling

TOGETHER = 8  # images whose concepts are spread over cells at once


def sums_of(
    features: Mapping[str, Tensor], centres: Mapping[str, Tensor], first: int, block: Block
) -> dict[str, tuple[Tensor, Tensor]]:
    """Each layer's values (U, columns + 2) and products (U + 1, U + 1) of a block, in float64.

    They are rounded to float32, so that float64 adds blocks exactly, in any order. features (n, U, h, w).
    """
    maps = block.maps
    # The last column takes what lies behind an image's own concepts, and is dropped.
    totals = {
        name: torch.zeros(r.shape[1], maps.columns + 3, dtype=torch.float64, device=r.device)
        for name, r in features.items()
    }
    for start in range(0, block.images, TOGETHER):
        images = slice(start, min(start + TOGETHER, block.images))
        own = [block.concepts_of(image) for image in range(images.start, images.stop)]
        shown = maps.shown(images, own)
        place = np.full((len(own), shown.shape[1]), maps.columns + 2)
        for row, columns in zip(place, own, strict=True):
            row[: len(columns)] = columns
        columns_of = torch.from_numpy(place.ravel()).to(maps.device)
        shares: dict[tuple[int, int], Tensor] = {}
        for name, r in features.items():
            cells = (r.shape[2], r.shape[3])
            if cells not in shares:
                shares[cells] = spread(shown, cells)
            moved = centred(r[images], centres[name])
            # (images, U, cells) x (images, cells, concepts)
            found = (moved.flatten(2) @ shares[cells].mT).double().transpose(0, 1).flatten(1)
            totals[name].index_add_(1, columns_of, found)
            add_squares(moved, (maps.height, maps.width), totals[name][:, :-1])
    sums = {}
    for name, r in features.items():
        some = centred(r[-first % EVERY :: EVERY], centres[name])
        sums[name] = (totals[name][:, :-1].float().double(), products(some).double())
    return sums


def spread(shown: Tensor, cells: tuple[int, int]) -> Tensor:
    """Each cell's weight (n, concepts, h * w) on the pixels of each concept (n, concepts, H, W)."""
    for dim, (few, many) in enumerate(zip(cells, shown.shape[2:], strict=True)):
        if few != many:
            matrix = torch.from_numpy(upsampling(few, many)).to(shown.device, torch.float32)
            shown = matrix.T @ shown if dim == 0 else shown @ matrix
    return shown.flatten(2)
