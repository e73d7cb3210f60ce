"""What edits of sets of units, at all cells, do to images of a sample (docs/method.md section 3).

The unedited images of the sample serve all sets, and sets run side by side through the generator's tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.causes.realism import Realism
from analysis.causes.sample import Sample
from analysis.causes.segmentation import ConceptSegmenter
from analysis.shared.arrays import Array, Floats, Ints, Mask
from analysis.shared.stage_cache import StageCache

EDITED = ("ablate", "insert")
Sets = Sequence[Sequence[int]]
Progress = Callable[[int], None]  # images that went through since the last call


@dataclass(frozen=True)
class Scores:
    """Of S sets on n images each: how the images are before and after one edit.

    `before` is (1, n, C) if all sets were scored on the same images.
    """

    before: Floats  # (S, n, C): every concept's share of the pixels
    after: Floats  # (S, n, C)
    created: Floats  # (S, n): the share of pixels that carry the concept now and did not before
    distance: Floats  # (S, n): root mean square change of the pixels
    realism: Floats  # (S, n), or NaN


@dataclass(frozen=True)
class EditScores:
    """The same of both edits: all arrays but `before` have a first axis, ablation then insertion."""

    before: Floats
    after: Floats
    created: Floats
    distance: Floats
    realism: Floats

    def of(self, edit: str) -> Scores:
        """Return the scores of one edit, `ablate` or `insert`."""
        at = EDITED.index(edit)
        return Scores(self.before, self.after[at], self.created[at], self.distance[at], self.realism[at])

    def before_of(self, sets: int | Ints) -> Floats:
        """Return `before` of one set (n, C), or of several (sets, n, C)."""
        shape = (self.after.shape[1], *self.before.shape[1:])
        return np.asarray(np.broadcast_to(self.before, shape)[sets])

    def gain(self, edit: str, concept: int) -> Floats:
        """Return by how much the concept's share moves in the expected direction, (S, n).

        That is a loss under `ablate`, a gain under `insert`, and the difference of both states under `both`,
        whose mean is the average causal effect.
        """
        ablated, inserted = self.after[..., concept]
        before = self.before[..., concept]
        moved = {"ablate": before - ablated, "insert": inserted - before, "both": inserted - ablated}
        return np.asarray(moved[edit])


def stored_edits(cache: StageCache, name: str, make: Callable[[], EditScores]) -> EditScores:
    """Return scores from the stage cache, made if they are not there."""
    return EditScores(**cache.stage(name, lambda: vars(make())))


def edited_maps(r: Tensor, members: Tensor, values: Tensor, where: Tensor | None = None) -> Tensor:
    """Return maps (n, U, h, w) with the units `members` (n, U) set to `values` (U,).

    `where` (n, h, w) says at which cells; by default at all.
    """
    chosen = members[:, :, None, None]
    if where is not None:
        chosen = chosen & where[:, None]
    return torch.where(chosen, values.view(1, -1, 1, 1), r)


def membership(sets: Sets, units: int, device: torch.device) -> Tensor:
    """Return which units are in each set, bool (S, U)."""
    found = torch.zeros((len(sets), units), dtype=torch.bool)
    for row, chosen in enumerate(sets):
        found[row, torch.as_tensor(list(chosen), dtype=torch.long)] = True
    return found.to(device)


def score_sets(
    sample: Sample,
    segmenter: ConceptSegmenter,
    sets: Sets,
    values: Floats,
    rows: Ints | None = None,
    realism: Realism | None = None,
    *,
    wanted: Mask | None = None,
    progress: Progress = lambda done: None,
) -> Scores:
    """Set each set's units to `values` (U,), zeros for an ablation, at all cells of its images.

    `rows` are the images of each set (S, n), or of all sets (1, n); by default all. `wanted` (S, n) says
    which of them are scored; the others are NaN. The sample must have kept its images.
    """
    device, images = sample.generator.device, sample.images
    assert images is not None
    rows = np.arange(len(sample))[None] if rows is None else rows
    members = membership(sets, sample.layer.units, device)
    constants = torch.as_tensor(values, dtype=torch.float32, device=device)
    whole = np.broadcast_to(rows, (len(sets), rows.shape[1]))
    chosen = np.ones(whole.shape, bool) if wanted is None else wanted
    pairs = np.nonzero(chosen)
    order, batches = _batches(pairs[0], whole[chosen], sample.batch)
    found: dict[str, list[Tensor]] = {"after": [], "created": [], "distance": [], "realism": []}
    with torch.no_grad():
        for numbers, images_of in batches:
            part = torch.as_tensor(images_of, device=device)
            r = edited_maps(sample.maps(part), members[torch.as_tensor(numbers, device=device)], constants)
            edited = sample.tail(part, r)
            seen = segmenter.segment(edited)
            before = sample.mask[part.to(sample.mask.device)]
            found["after"].append(seen.shares)
            found["created"].append((seen.mask & ~before).float().mean((1, 2)))
            found["distance"].append((edited - images[part]).square().mean((1, 2, 3)).sqrt())
            known = realism(edited) if realism is not None else torch.full((len(part),), float("nan"))
            found["realism"].append(known)
            progress(len(images_of))
    shaped = {}
    for name, parts in found.items():
        flat = torch.cat(parts).double().cpu().numpy()
        shaped[name] = np.full((*whole.shape, *flat.shape[1:]), np.nan)
        shaped[name][pairs[0][order], pairs[1][order]] = flat
    return Scores(before=sample.shares.double().cpu().numpy()[rows], **shaped)


def score_edits(
    sample: Sample,
    segmenter: ConceptSegmenter,
    sets: Mapping[str, Sets],
    values: Mapping[str, Floats],
    rows: Ints | None = None,
    realism: Realism | None = None,
    *,
    wanted: Mask | None = None,
    progress: Progress = lambda done: None,
) -> EditScores:
    """Score each edit's sets, set to that edit's values; both edits have equally many sets."""
    scores = [
        score_sets(
            sample, segmenter, sets[edit], values[edit], rows, realism, wanted=wanted, progress=progress
        )
        for edit in EDITED
    ]
    return EditScores(
        before=scores[0].before,
        after=np.stack([each.after for each in scores]),
        created=np.stack([each.created for each in scores]),
        distance=np.stack([each.distance for each in scores]),
        realism=np.stack([each.realism for each in scores]),
    )


def _batches(sets: Ints, images: Ints, batch: int) -> tuple[Ints, Iterator[tuple[Array, Array]]]:
    """Return an order of all pairs of a set and an image, and the pairs in batches of that order.

    Pairs of the same block of images are neighbours, so that one replayed pass of h serves many sets.
    """
    order = np.lexsort((images, sets, images // batch))
    parts = (order[first : first + batch] for first in range(0, len(order), batch))
    return order, ((sets[part], images[part]) for part in parts)
