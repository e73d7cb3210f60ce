"""Alpha, the learned weights that say which units cause a concept together.

The method is that of Bau et al. 2019, section 3.2; see docs/method.md section 3. Relaxed edits at cells P are
x_a = f((1 - alpha) r) where the concept is, and x_i = f(alpha k + (1 - alpha) r) where it is not. The effect
delta is the concept's probability in the edited cells of x_i, minus that of x_a. Adam finds the alpha that
minimises -delta + weight * penalty. After each step alpha is clipped to [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.causes import cells
from analysis.causes.convergence import LADDER, StopLosses, penalty
from analysis.causes.sample import Sample, pooled
from analysis.causes.segmentation import ConceptSegmenter
from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays, Floats
from analysis.shared.errors import GanatomyError

LEAST_START = 0.25


class Targets(NamedTuple):
    """The values (U,) that an ablation and an insertion move units to."""

    ablate: Tensor
    insert: Tensor

    @classmethod
    def of(cls, values: Mapping[str, Floats], device: torch.device) -> Targets:
        return cls(*(torch.as_tensor(values[n], dtype=torch.float32, device=device) for n in cls._fields))


@dataclass(frozen=True)
class Batch:
    """Rows of a sample, and the cells (n, h, w) that are edited there."""

    rows: Tensor
    ablate: Tensor  # (n,) bool: whether the row's cells are ablated; else they are inserted
    where: Tensor


def start(iou: Floats) -> Floats:
    """Return where the learning starts: IoU over the largest IoU, as the authors do, but at least a quarter.

    A unit that starts at 0 may have no gradient there and then stays at 0, whatever it causes: an inhibitor
    has no positive agreement with its concept. A half for all units if every IoU is 0.
    """
    known = np.nan_to_num(np.asarray(iou, float))
    return np.maximum(known / known.max(), LEAST_START) if known.max() > 0 else np.full_like(known, 0.5)


def relaxed(r: Tensor, alpha: Tensor, to: Targets, where: Tensor, ablate: Tensor) -> Tensor:
    """Return the maps (n, U, h, w) after the relaxed edit.

    In the cells `where`, each unit moves by its alpha towards `to.ablate` in rows that are ablated, and
    towards `to.insert` in the others.
    """
    # r' = r + alpha P (target - r): for target 0 this is (1 - alpha) r, for target k alpha k + (1 - alpha) r.
    shape = (1, -1, 1, 1)
    strength = alpha.view(shape) * where[:, None].to(r.dtype)
    target = torch.where(ablate.view(-1, 1, 1, 1), to.ablate.view(shape), to.insert.view(shape))
    return r + strength * (target - r)


def effect(sample: Sample, segmenter: ConceptSegmenter, alpha: Tensor, to: Targets, batch: Batch) -> Tensor:
    """Return delta: the mean probability in inserted cells minus the mean in ablated cells."""
    r = sample.maps(batch.rows)
    images = sample.tail(batch.rows, relaxed(r, alpha, to, batch.where, batch.ablate))
    grid = (r.shape[2], r.shape[3])
    where = batch.where.to(images.device, images.dtype)
    seen = pooled(segmenter.probability(images).to(images.device), grid)
    inside = (seen * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)
    ablated = batch.ablate.to(inside)
    return (inside * (1 - ablated)).sum() / (1 - ablated).sum() - (inside * ablated).sum() / ablated.sum()


class Batches:
    """Endless batches of a sample: rows in shuffled order, cells stratified."""

    def __init__(self, sample: Sample, settings: CausesSettings, seed: int) -> None:
        self._there = sample.there
        self._random = torch.Generator().manual_seed(seed)
        self._shown, self._free = cells.strata(sample.there)
        if not len(self._shown) or not len(self._free):
            raise GanatomyError(
                f"Of {len(sample)} {sample.name} {len(self._shown)} show '{sample.concept}' and "
                f"{len(self._free)} have room without it; both are needed to learn its cause. "
                f"Use more {sample.name}."
            )
        self._proposed = cells.proposals(sample.there)
        self._count = settings.cells
        self._inserted = settings.cells or cells.typical(sample.there)
        self._orders = [self._endless(self._shown), self._endless(self._free)]

    def draw(self, count: int) -> Batch:
        """Return a batch with `count` images to ablate in, and as many to insert in."""
        shown, free = (
            torch.tensor([next(order) for _ in range(count)], device=self._there.device)
            for order in self._orders
        )
        ablated = cells.ablation_cells(self._there[shown], self._count, self._random)
        inserted = cells.insertion_cells(self._there[free], self._proposed, self._inserted, self._random)
        ablate = torch.arange(2 * count, device=self._there.device) < count
        return Batch(torch.cat([shown, free]), ablate, torch.cat([ablated, inserted]))

    def _endless(self, rows: Tensor) -> Iterator[int]:
        while True:
            yield from rows[torch.randperm(len(rows), generator=self._random)].tolist()


def learn(
    sample: Sample,
    stopping: Sample,
    segmenter: ConceptSegmenter,
    values: Mapping[str, Floats],
    begin: Floats,
    settings: CausesSettings,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Arrays:
    """Learn alpha (U,).

    Returns alpha at the best stop loss, and the curve of losses: step, train_loss, stop_loss, stopped.

    Raises:
        GanatomyError: too few images show the concept, or have room without it.
    """
    device = sample.generator.device
    to = Targets.of(values, device)
    alpha = torch.tensor(begin, dtype=torch.float32, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=settings.rate)
    batches = Batches(sample, settings, seed)
    weight = LADDER[0] if settings.penalty_weight is None else settings.penalty_weight
    kept = alpha.detach().clone()
    held = Batches(stopping, settings, seed + 1).draw(settings.stop_images)
    losses = StopLosses(settings, weight, lambda acting: effect_of(stopping, segmenter, acting, to, held))
    losses.add(0, kept, float("nan"))
    since: list[Tensor] = []
    for step in range(1, settings.steps + 1):
        delta = effect(sample, segmenter, alpha, to, batches.draw(settings.step_images))
        loss = penalty(alpha, settings, weight) - delta
        (alpha.grad,) = torch.autograd.grad(loss, [alpha])
        optimiser.step()
        with torch.no_grad():
            alpha.clamp_(0, 1)
            kept.lerp_(alpha, 1 - settings.averaging)
        since.append(loss.detach())
        progress(step, settings.steps)
        if step % settings.every == 0 or step == settings.steps:
            losses.add(step, kept, float(torch.stack(since).mean()))
            since.clear()
            if losses.flat():
                break
    return losses.result()


def effect_of(sample: Sample, segmenter: ConceptSegmenter, alpha: Tensor, to: Targets, batch: Batch) -> float:
    """Return the effect, computed in parts, so that memory does not grow with the batch."""
    half, total = len(batch.rows) // 2, torch.zeros((), device=batch.rows.device)
    with torch.no_grad():
        for chosen in torch.arange(half).split(max(1, sample.batch // 2)):
            rows = torch.cat([chosen, chosen + half]).to(batch.rows.device)
            part = Batch(batch.rows[rows], batch.ablate[rows], batch.where[rows])
            total += effect(sample, segmenter, alpha, to, part).to(total) * len(chosen)
    return float(total) / half
