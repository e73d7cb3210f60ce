"""What edits of sets of units at all cells do to images of a sample: every concept's share, and how the
picture changed. The sample's own baseline is shared by all sets, and sets run side by side through the tail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causes.meter import Eyes
from analysis.causes.realism import Realism
from analysis.causes.sample import Sample

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


def score_edits(
    sample: Sample,
    eyes: Eyes,
    sets: Mapping[str, Sets],
    values: Mapping[str, Floats],
    rows: NDArray[np.int64] | None = None,
    realism: Realism | None = None,
    progress: Progress = lambda done: None,
) -> dict[str, NDArray[Any]]:
    """Each edit's sets set to its values, as arrays by name: before, ablate_after, insert_created, ..."""
    found: dict[str, NDArray[Any]] = {}
    for edit, chosen in sets.items():
        scored = score_sets(sample, eyes, chosen, values[edit], rows, realism, progress)
        found |= {
            "before": scored.before,
            f"{edit}_after": scored.after,
            f"{edit}_created": scored.created,
            f"{edit}_distance": scored.distance,
            f"{edit}_realism": scored.realism,
        }
    return found


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
