"""Alpha, the learned weights that say which units cause a concept together.

The method is that of Bau et al. 2019, section 3.2; see docs/method.md section 3. Relaxed edits at cells P are
x_a = f((1 - alpha) r) where the concept is, and x_i = f(alpha k + (1 - alpha) r) where it is not. The effect
delta is the concept's probability in the edited cells of x_i, minus that of x_a. Adam finds the alpha that
minimises -delta + weight * penalty. After each step alpha is clipped to [0, 1].

Learnings of several seeds and starts take each step in one pass; they share nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.causes import cells
from analysis.causes.convergence import StopLosses, penalty
from analysis.causes.sample import Sample, pooled
from analysis.causes.segmentation import ConceptSegmenter
from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays, Floats
from analysis.shared.errors import GanatomyError

LEAST_START = 0.25
FLAT = 0.5
Progress = Callable[[int, int], None]


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

    def part(self, index: Tensor) -> Batch:
        """Some of the rows."""
        return Batch(self.rows[index], self.ablate[index], self.where[index])


class Act(NamedTuple):
    """An alpha (U,), and the images and cells in which it acts."""

    sample: Sample
    alpha: Tensor
    batch: Batch


def starts(alone: Floats, seed: int) -> dict[str, Floats]:
    """Return where learnings start, by name: the loss has several minima, and no start finds all the best.

    `alone` (U,) is what each unit does alone, an effect on choosing images. The other start is drawn around
    a half, so that seeds do not all prefer the same one of units that can stand in for each other. A unit
    that starts at 0 may have no gradient there and then stays at 0, whatever it causes. So all starts are at
    least a quarter.
    """
    random = np.random.default_rng([seed, 31])
    return {"drawn": random.uniform(0.4, 0.6, len(alone)), "single": _over_largest(alone)}


def _over_largest(scores: Floats) -> Floats:
    known = np.nan_to_num(np.asarray(scores, float))
    return np.maximum(known / known.max(), LEAST_START) if known.max() > 0 else np.full_like(known, FLAT)


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


def effects(acts: Sequence[Act], segmenter: ConceptSegmenter, to: Targets) -> Tensor:
    """Return delta of each act (K,): the mean probability in inserted cells minus the mean in ablated cells.

    All acts go through the segmenter together, and those of one sample through the tail.
    """
    images = []
    for _, group in groupby(acts, lambda act: id(act.sample)):
        same = list(group)
        rows = torch.cat([act.batch.rows for act in same])
        maps = same[0].sample.maps(rows).split([len(act.batch.rows) for act in same])
        edited = [
            relaxed(r, act.alpha, to, act.batch.where, act.batch.ablate)
            for r, act in zip(maps, same, strict=True)
        ]
        images.append(same[0].sample.tail(rows, torch.cat(edited)))
    pictures = torch.cat(images)
    where = torch.cat([act.batch.where for act in acts]).to(pictures)
    seen = pooled(segmenter.probability(pictures).to(pictures.device), (where.shape[1], where.shape[2]))
    inside = (seen * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)
    ablated = torch.cat([act.batch.ablate for act in acts]).to(inside)
    counts = [len(act.batch.rows) for act in acts]
    return torch.stack(
        [
            (part * (1 - gone)).sum() / (1 - gone).sum() - (part * gone).sum() / gone.sum()
            for part, gone in zip(inside.split(counts), ablated.split(counts), strict=True)
        ]
    )


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


class StopEffect:
    """The effect of an alpha on a seed's stopping images, at cells that are drawn by the seed alone.

    So all starts and weights of a seed are judged by the same cells, and an alpha is measured once.
    """

    def __init__(
        self,
        stopping: Sample,
        segmenter: ConceptSegmenter,
        values: Mapping[str, Floats],
        settings: CausesSettings,
        seed: int,
    ) -> None:
        self._sample, self._segmenter = stopping, segmenter
        self._to = Targets.of(values, stopping.generator.device)
        self._held = Batches(stopping, settings, seed + 1).draw(settings.stop_images)
        self._known: dict[bytes, float] = {}

    def __call__(self, alpha: Tensor) -> float:
        key = alpha.cpu().numpy().tobytes()
        if key not in self._known:
            act = Act(self._sample, alpha, self._held)
            self._known[key] = effect_of(act, self._segmenter, self._to)
        return self._known[key]


class Learning:
    """One learning of alpha (U,) from one start."""

    def __init__(
        self,
        sample: Sample,
        stop: StopEffect,
        begin: Floats,
        settings: CausesSettings,
        weight: float,
        seed: int,
    ) -> None:
        self.sample, self.stop, self._settings = sample, stop, settings
        self.alpha = torch.tensor(
            begin, dtype=torch.float32, device=sample.generator.device, requires_grad=True
        )
        self._optimiser = torch.optim.Adam([self.alpha], lr=settings.rate)
        self._batches = Batches(sample, settings, seed)
        self.weigh(weight)

    def weigh(self, weight: float) -> None:
        """Give the penalty another weight, and go on from here: steps and losses count anew."""
        self.weight, self.steps = weight, 0
        self.mean = self.alpha.detach().clone()  # the running mean, which is the result
        self._since: list[Tensor] = []
        self.losses = StopLosses(self._settings, weight, self.stop)

    def act(self) -> Act:
        """The next training batch."""
        return Act(self.sample, self.alpha, self._batches.draw(self._settings.step_images))

    def penalty(self) -> Tensor:
        """The weighted penalty of alpha."""
        return penalty(self.alpha, self._settings, self.weight)

    def step(self, loss: Tensor, slope: Tensor) -> None:
        """Take one step, given the loss and its gradient (U,)."""
        self.steps += 1
        self.alpha.grad = slope
        self._optimiser.step()
        with torch.no_grad():
            self.alpha.clamp_(0, 1)
            # Polynomial-decay averaging (Shamir & Zhang 2013): the first step forgets the start, and the
            # average spans about a quarter of all steps.
            order = self._settings.averaging
            self.mean.lerp_(self.alpha, (order + 1) / (order + self.steps))
        self._since.append(loss.detach())

    def look(self) -> None:
        """Measure the stopping loss of the running mean."""
        self.losses.add(self.steps, self.mean, float(torch.stack(self._since).mean()))
        self._since.clear()

    def result(self) -> Arrays:
        """Return alpha at the best stop loss, and the curve: step, train_loss, stop_loss, stopped."""
        return self.losses.result()


def run(
    learnings: Sequence[Learning],
    segmenter: ConceptSegmenter,
    values: Mapping[str, Floats],
    steps: int,
    every: int,
    together: int,
    progress: Progress = lambda done, total: None,
) -> None:
    """Step all learnings at once, each until it has taken `steps` steps or its stopping loss is flat.

    Every so many steps, and at the end, the stopping loss is measured. At most `together` images pass at
    once, but one step's at least.
    """
    total = steps * len(learnings)
    to = Targets.of(values, learnings[0].alpha.device)
    while going := [each for each in learnings if each.steps < steps and not each.losses.flat()]:
        acts = [each.act() for each in going]
        many = max(1, together // len(acts[0].batch.rows))
        for first in range(0, len(going), many):
            part = going[first : first + many]
            deltas = effects(acts[first : first + many], segmenter, to)
            losses = torch.stack([each.penalty() for each in part]) - deltas
            # No loss depends on another's alpha, so the gradient of their sum has all gradients.
            slopes = torch.autograd.grad(losses.sum(), [each.alpha for each in part])
            for each, loss, slope in zip(part, losses, slopes, strict=True):
                each.step(loss, slope)
        for each in going:
            if each.steps % every == 0 or each.steps == steps:
                each.look()
        progress(sum(steps if each.losses.flat() else each.steps for each in learnings), total)


def learn_best(learnings: Mapping[str, Learning]) -> Arrays:
    """Keep the better of the learnings of one seed, by start: the one with the smaller stopping loss.

    Returns its result (see `Learning.result`) and `start`, the name of its start; `start_names`,
    `start_alphas` (starts, U) and `start_losses` (starts,), the kept one first.
    """
    names = sorted(learnings, key=lambda name: learnings[name].losses.best)
    results = [learnings[name].result() for name in names]
    return results[0] | {
        "start": np.array(names[0]),
        "start_names": np.array(names),
        "start_alphas": np.stack([found["alpha"] for found in results]),
        "start_losses": np.array([learnings[name].losses.best for name in names]),
    }


def effect_of(act: Act, segmenter: ConceptSegmenter, to: Targets) -> float:
    """Return the effect of an act, computed in parts, so that memory does not grow with the batch."""
    half, total = len(act.batch.rows) // 2, torch.zeros((), device=act.batch.rows.device)
    with torch.no_grad():
        for chosen in torch.arange(half).split(max(1, act.sample.batch // 2)):
            rows = torch.cat([chosen, chosen + half]).to(act.batch.rows.device)
            part = act._replace(batch=act.batch.part(rows))
            total += effects([part], segmenter, to)[0].to(total) * len(chosen)
    return float(total) / half
