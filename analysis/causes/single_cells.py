"""One cell at a time: an edit at one cell alone, read in that cell's pixels, over two strata of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.causes import statistics
from analysis.causes.cells import draw
from analysis.causes.effects import edited_maps, membership
from analysis.causes.sample import Sample, pooled
from analysis.causes.segmentation import ConceptSegmenter
from analysis.shared.arrays import Floats, Mask

Progress = Callable[[int], None]


class CellEffect(NamedTuple):
    """The effect of editing one cell on that cell, and the same over the concept's share of it before.

    Each has its 95 % interval; NaN where nothing was measured.
    """

    effect: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float


@dataclass(frozen=True)
class Cells:
    """One cell of some rows, in one of two strata: with the concept, or without it."""

    rows: Tensor
    where: Tensor  # (n, h, w), one true cell a row
    held: Mask
    weight: Floats  # the stratum's share of the image's cells: what makes the mean one over uniform cells
    before: Floats  # the concept's share of that cell's pixels

    def by_image(self, values: Floats) -> Floats:
        """Sums (images,) of values that belong to rows."""
        return np.asarray(np.bincount(self.rows.cpu().numpy(), values), np.float64)


def draw_cells(sample: Sample, count: int, seed: int) -> Cells:
    """Of each of the first `count` images one cell with the concept and one without, where there are such."""
    random = torch.Generator().manual_seed(seed)
    there = sample.there[:count]
    held = there > 0
    parts = []
    for stratum in (held, ~held):
        where = draw(stratum.to(there.dtype), 1, random)
        rows = where.flatten(1).any(1).nonzero()[:, 0]
        weight = stratum.flatten(1).double().mean(1)[rows]
        parts.append((rows, where[rows], torch.full_like(rows, stratum is held), weight))
    rows, where, kinds, weights = (torch.cat(column) for column in zip(*parts, strict=True))
    before = (there[rows] * where.to(there.dtype)).sum((1, 2))
    return Cells(
        rows,
        where,
        kinds.bool().cpu().numpy(),
        weights.cpu().numpy(),
        before.double().cpu().numpy(),
    )


def score_cells(
    sample: Sample,
    segmenter: ConceptSegmenter,
    units: Sequence[int],
    values: Floats,
    at: Cells,
    wanted: Mask,
    progress: Progress,
) -> Floats:
    """The concept's share of each edited cell after the edit of that cell alone, (cells,).

    Cells that are not `wanted` are not edited, and have the share from before.
    """
    device = sample.generator.device
    members = membership([units], sample.layer.units, device)
    constants = torch.as_tensor(values, dtype=torch.float32, device=device)
    grid, found = (sample.layer.height, sample.layer.width), at.before.copy()
    for part in torch.as_tensor(np.flatnonzero(wanted)).split(sample.batch):
        rows, where = at.rows[part.to(at.rows.device)], at.where[part.to(at.where.device)]
        r = sample.maps(rows)
        with torch.no_grad():
            images = sample.tail(rows, edited_maps(r, members.expand(len(rows), -1), constants, where))
            mask = segmenter.segment(images).mask
        after = pooled(mask.float(), grid).to(where.device)
        found[part.numpy()] = (after * where.to(after.dtype)).sum((1, 2)).double().cpu().numpy()
        progress(len(rows))
    return found


def one_cell(at: Cells, edit: str, after: Mapping[str, Floats]) -> CellEffect:
    """Return by how much the concept's share of the cell moves in the expected direction.

    A mean over images and cells alike. Ablated: over all cells that held the concept; inserted: over all that
    did not; both (insert minus ablate): over all, which is the ACE over a uniformly drawn cell. An image's
    one cell of a stratum therefore counts as all of that stratum there; the image is the cluster.
    """
    moved = {
        "ablate": at.before - after["ablate"],
        "insert": after["insert"] - at.before,
        "both": after["insert"] - after["ablate"],
    }
    stratum = {"ablate": at.held, "insert": ~at.held, "both": np.ones_like(at.held)}
    weight = at.weight * stratum[edit]
    parts, cells, had = (at.by_image(weight * each) for each in (moved[edit], 1.0, at.before))
    return CellEffect(*map(float, (*statistics.ratio(parts, cells), *statistics.ratio(parts, had))))
