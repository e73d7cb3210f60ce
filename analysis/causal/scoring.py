"""What edits of sets of units do to images of a sample: every concept's share, and how the picture changed.

Whole map: the edit is at all cells. One cell: at one cell alone, read in that cell's pixels. The sample's
own baseline is shared by all sets, and sets run side by side through the tail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causal.cells import draw
from analysis.causal.meter import Eyes
from analysis.causal.realism import Realism
from analysis.causal.sample import Sample, pooled

Floats = NDArray[np.float64]
Sets = Sequence[Sequence[int]]
Progress = Callable[[int], None]  # images that went through since the last call


@dataclass(frozen=True)
class Scored:
    """Of each set and image: shares (S, n, C) after the edit, before (S, n, C), the concept's pixels newly
    there (S, n), root mean square change of the pixels (S, n), realism (S, n) or NaN; and the rows (S, n)."""

    before: Floats
    after: Floats
    created: Floats
    distance: Floats
    realism: Floats
    rows: NDArray[np.int64]


def edited_maps(r: Tensor, members: Tensor, values: Tensor, where: Tensor | None = None) -> Tensor:
    """Maps (n, U, h, w) with the units `members` (n, U) set to `values` (U,), at `where` (n, h, w) or all."""
    chosen = members[:, :, None, None]
    if where is not None:
        chosen = chosen & where[:, None]
    return torch.where(chosen, values.view(1, -1, 1, 1), r)


def membership(sets: Sets, units: int, device: torch.device) -> Tensor:
    """Which units are in each set, (S, U) true or false."""
    found = torch.zeros((len(sets), units), dtype=torch.bool)
    for row, chosen in enumerate(sets):
        found[row, torch.as_tensor(list(chosen), dtype=torch.long)] = True
    return found.to(device)


def score_sets(
    sample: Sample,
    eyes: Eyes,
    sets: Sets,
    values: Floats,
    rows: NDArray[np.int64] | None = None,
    realism: Realism | None = None,
    progress: Progress = lambda done: None,
) -> Scored:
    """Each set's units set to `values` (U,; zeros ablate) at all cells of its rows (S, n; default: all).

    Rows that several sets share go through together; a sample must have kept its images.
    """
    device = sample.generator.device
    if rows is None:
        rows = np.tile(np.arange(len(sample)), (len(sets), 1))
    members = membership(sets, sample.layer.units, device)
    constants = torch.as_tensor(values, dtype=torch.float32, device=device)
    found: dict[str, list[Tensor]] = {"after": [], "created": [], "distance": [], "realism": []}
    order, pairs = _pairs(rows, sample.batch)
    for which, chosen in pairs:
        part = torch.as_tensor(chosen, device=device)
        r = edited_maps(sample.maps(part), members[torch.as_tensor(which, device=device)], constants)
        with torch.no_grad():
            _look(sample, eyes, part, sample.tail(part, r), realism, found)
        progress(len(chosen))
    back = np.argsort(order)
    joined = {name: torch.cat(parts).double().cpu().numpy()[back] for name, parts in found.items()}
    shaped = {name: value.reshape(*rows.shape, *value.shape[1:]) for name, value in joined.items()}
    before = sample.shares.double().cpu().numpy()[rows]
    return Scored(before=before, rows=rows, **shaped)


def _pairs(rows: NDArray[np.int64], batch: int) -> tuple[Any, list[tuple[Any, Any]]]:
    """(set, row) pairs in batches of equal rows, so that replayed pasts serve many sets; and their order."""
    sets = np.repeat(np.arange(len(rows)), rows.shape[1])
    flat = rows.ravel()
    block = flat // batch
    order = np.lexsort((flat, sets, block))
    cuts = np.arange(batch, len(order), batch)
    parts = np.split(order, cuts)
    return order, [(sets[part], flat[part]) for part in parts if len(part)]


def _look(
    sample: Sample,
    eyes: Eyes,
    rows: Tensor,
    images: Tensor,
    realism: Realism | None,
    found: dict[str, list[Tensor]],
) -> None:
    assert sample.images is not None
    mask, shares, _ = eyes.look(images)
    before = sample.mask[rows.to(sample.mask.device)]
    found["after"].append(shares)
    found["created"].append((mask & ~before).float().mean((1, 2)))
    found["distance"].append((images - sample.images[rows]).square().mean((1, 2, 3)).sqrt())
    known = realism(images) if realism is not None else torch.full((len(images),), float("nan"))
    found["realism"].append(known)


@dataclass(frozen=True)
class Cells:
    """One cell of some rows, in one of two strata: with the concept, or without it."""

    rows: Tensor
    where: Tensor  # (n, h, w), one true cell a row
    held: NDArray[np.bool_]
    weight: Floats  # the stratum's share of the image's cells: what makes the mean one over uniform cells
    before: Floats  # the concept's share of that cell's pixels


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
    sample: Sample, eyes: Eyes, units: Sequence[int], values: Floats, at: Cells, progress: Progress
) -> Floats:
    """The concept's share of each edited cell after the edit of that cell alone, (cells,)."""
    device = sample.generator.device
    members = membership([units], sample.layer.units, device)
    constants = torch.as_tensor(values, dtype=torch.float32, device=device)
    grid, found = (sample.layer.height, sample.layer.width), []
    for part in torch.arange(len(at.rows)).split(sample.batch):
        rows, where = at.rows[part.to(at.rows.device)], at.where[part.to(at.where.device)]
        r = sample.maps(rows)
        with torch.no_grad():
            images = sample.tail(rows, edited_maps(r, members.expand(len(rows), -1), constants, where))
            mask = eyes.look(images)[0]
        after = pooled(mask.float(), grid).to(where.device)
        found.append((after * where.to(after.dtype)).sum((1, 2)))
        progress(len(rows))
    return torch.cat(found).double().cpu().numpy()


def one_cell(at: Cells, ablated: Floats | None, inserted: Floats | None) -> float:
    """One cell at a time. Ablated: the share removed of the concept in cells that held it. Inserted: the
    share of a cell without it that becomes it. Both: the ACE over uniform cells, strata weighted."""
    if ablated is not None and inserted is not None:
        return float(((inserted - ablated) * at.weight).sum() / at.weight.sum())
    if ablated is not None:
        had = at.before[at.held].sum()
        return float((at.before - ablated)[at.held].sum() / had) if had > 0 else float("nan")
    assert inserted is not None
    return float((inserted - at.before)[~at.held].mean()) if (~at.held).any() else float("nan")
