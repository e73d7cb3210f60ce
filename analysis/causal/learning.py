"""Learning alpha: which units cause a concept together (Bau et al. 2019, section 3.2; method.md section 3).

Relaxed edits at cells P: x_a = f((1 - alpha) r) where the concept is, x_i = f(alpha k + (1 - alpha) r) where
it is not; the concept's probability is read in the cells that were edited. alpha minimises
-delta + weight * penalty by Adam and is clipped to [0, 1] after each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causal import cells
from analysis.causal.meter import Eyes
from analysis.causal.sample import Sample, pooled
from analysis.errors import GanatomyError

Penalty = Literal["norm", "squared"]
Arrays = dict[str, NDArray[Any]]
LADDER = (0.2, 0.1, 0.05, 0.025, 0.0125)  # penalty weights that are tried
WORTH = 1.2  # times the gain, for which the next weight is taken


@dataclass(frozen=True)
class Settings:
    """How alpha is learned. `cells` None edits as many as the concept touches; `batch` counts images of each
    edit; the learning stops after `patience` looks, `every` steps apart, without a gain of `tolerance`, which
    is in units of the penalty's weight.

    `penalty_weight` None is chosen, see `choose_weight`.
    """

    steps: int = 200
    rate: float = 0.05
    penalty: Penalty = "norm"
    penalty_weight: float | None = None
    batch: int = 8
    every: int = 10
    patience: int = 4
    tolerance: float = 0.01
    stop_images: int = 32
    cells: int | None = None
    averaging: float = 0.9  # of the running mean of alpha, which is what is looked at and kept

    def __post_init__(self) -> None:
        if self.penalty not in ("norm", "squared"):
            raise GanatomyError(f"There is no penalty '{self.penalty}'; choose norm or squared.")
        if min(self.steps, self.batch, self.every, self.patience, self.stop_images) < 1:
            raise GanatomyError("Steps, batch, looks, patience and stopping images must be 1 or more.")


@dataclass(frozen=True)
class Batch:
    """Rows of a sample, and the cells (n, h, w) that are ablated or inserted there."""

    rows: Tensor
    ablate: Tensor  # true or false: whether a row is for ablation
    where: Tensor


def floored(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Alphas under .01 as 0: Adam comes near to 0 without reaching it, and their order means nothing."""
    return np.where(alpha < 0.01, 0.0, alpha)


def start(iou: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU over the largest IoU (the authors' start); a half everywhere where no unit agrees."""
    known = np.nan_to_num(np.asarray(iou, float))
    return known / known.max() if known.max() > 0 else np.full_like(known, 0.5)


def relaxed(r: Tensor, alpha: Tensor, k: Tensor, where: Tensor, ablate: Tensor) -> Tensor:
    """The maps (n, U, h, w) after the relaxed edit: ablated rows lose alpha of r, others move alpha to k."""
    shape = (1, -1, 1, 1)
    strength = alpha.view(shape) * where[:, None].to(r.dtype)
    target = torch.where(ablate.view(-1, 1, 1, 1), torch.zeros_like(k).view(shape), k.view(shape))
    return r + strength * (target - r)


def effect(sample: Sample, eyes: Eyes, alpha: Tensor, k: Tensor, batch: Batch) -> Tensor:
    """delta at the batch's cells: mean probability in inserted cells minus mean in ablated cells."""
    r = sample.maps(batch.rows)
    images = sample.tail(batch.rows, relaxed(r, alpha, k, batch.where, batch.ablate))
    grid = (r.shape[2], r.shape[3])
    where = batch.where.to(images.device, images.dtype)
    seen = pooled(eyes.probability(images).to(images.device), grid)
    inside = (seen * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)
    ablated = batch.ablate.to(inside)
    return (inside * (1 - ablated)).sum() / (1 - ablated).sum() - (inside * ablated).sum() / ablated.sum()


def penalty(alpha: Tensor, settings: Settings, weight: float) -> Tensor:
    """weight * ||alpha||_2, or its square."""
    squared = alpha.square().sum()
    # The norm has no slope at 0, where every unit is out; a tiny constant gives it one.
    kind = squared if settings.penalty == "squared" else (squared + 1e-12).sqrt()
    return weight * kind


class Drawer:
    """Batches of a sample without end: rows in shuffled order, cells stratified."""

    def __init__(self, sample: Sample, settings: Settings, seed: int) -> None:
        self._there = sample.there
        self._random = torch.Generator().manual_seed(seed)
        shown = (sample.there > 0).flatten(1).any(1).cpu()
        free = (sample.there <= 0).flatten(1).any(1).cpu()
        self._shown, self._free = shown.nonzero()[:, 0], free.nonzero()[:, 0]
        if not len(self._shown) or not len(self._free):
            raise GanatomyError(
                f"Of {len(sample)} images {len(self._shown)} show '{sample.concept}' and {len(self._free)} "
                "have room without it; both are needed to learn its cause. Use more training images."
            )
        self._proposed = cells.proposals(sample.there)
        self._count = settings.cells
        self._inserted = settings.cells or cells.typical(sample.there)
        self._orders = [self._endless(self._shown), self._endless(self._free)]

    def batch(self, count: int) -> Batch:
        """`count` images to ablate in, and as many to insert in."""
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
    eyes: Eyes,
    k: NDArray[np.float64],
    begin: NDArray[np.float64],
    settings: Settings,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Arrays:
    """alpha (U,) at the best stop loss, and the curve of losses: step, train_loss, stop_loss, stopped."""
    device = sample.generator.device
    constants = torch.as_tensor(k, dtype=torch.float32, device=device)
    alpha = torch.tensor(begin, dtype=torch.float32, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=settings.rate)
    drawer = Drawer(sample, settings, seed)
    weight = LADDER[0] if settings.penalty_weight is None else settings.penalty_weight
    kept = alpha.detach().clone()
    held = Drawer(stopping, settings, seed + 1).batch(settings.stop_images)

    def stop_loss() -> float:
        return float(penalty(kept, settings, weight)) - _delta_of(stopping, eyes, kept, constants, held)

    look = Looks(settings, weight, stop_loss)
    look.at(0, kept, float("nan"))
    since: list[Tensor] = []
    for step in range(1, settings.steps + 1):
        delta = effect(sample, eyes, alpha, constants, drawer.batch(settings.batch))
        loss = penalty(alpha, settings, weight) - delta
        (alpha.grad,) = torch.autograd.grad(loss, [alpha])
        optimiser.step()
        with torch.no_grad():
            alpha.clamp_(0, 1)
            kept.lerp_(alpha, 1 - settings.averaging)
        since.append(loss.detach())
        progress(step, settings.steps)
        if step % settings.every == 0 or step == settings.steps:
            look.at(step, kept, float(torch.stack(since).mean()))
            since.clear()
            if look.flat():
                break
    return look.result(effect_of=lambda best: _delta_of(stopping, eyes, best, constants, held))


def choose_weight(learned: Callable[[float], Arrays]) -> Arrays:
    """What is learned with the heaviest penalty that still lets the units act, and what was tried.

    Effects differ a hundredfold between concepts: with one weight all alphas of some go to 0, or to 1. So
    weights are halved, from the heaviest on, until that makes the gain (the effect on the stopping latents
    beyond that of no edit) grow by less than a fifth.
    """
    best = learned(LADDER[0])
    tried = [(LADDER[0], float(best["gain"]))]
    for weight in LADDER[1:]:
        found = learned(weight)
        tried.append((weight, float(found["gain"])))
        if found["gain"] <= max(WORTH * float(best["gain"]), 1e-9):
            # Nothing was gained yet and still is not: a lighter one may.
            if best["gain"] > 0:
                break
            continue
        best = found
    return best | {"tried": np.array(tried)}


class Looks:
    """The learning's looks at the stopping latents: the losses, and the best alpha so far."""

    def __init__(self, settings: Settings, weight: float, loss: Callable[[], float]) -> None:
        self._settings, self._weight, self._loss = settings, weight, loss
        self._rows: list[tuple[int, float, float]] = []
        self._best: tuple[float, Tensor] | None = None
        self._gained = 0

    def at(self, step: int, alpha: Tensor, train_loss: float) -> None:
        """Looks once."""
        stop = self._loss()
        if self._best is None or stop < self._best[0] - max(self._settings.tolerance * self._weight, 1e-6):
            self._gained = len(self._rows)
        if self._best is None or stop < self._best[0]:
            self._best = (stop, alpha.detach().clone())
        self._rows.append((step, train_loss, stop))

    def flat(self) -> bool:
        """Whether the stop loss has reached its plateau."""
        return len(self._rows) - 1 - self._gained >= self._settings.patience

    def result(self, effect_of: Callable[[Tensor], float]) -> Arrays:
        assert self._best is not None
        steps, train, stop = (np.array(column) for column in zip(*self._rows, strict=True))
        stopped = np.zeros(len(steps), bool)
        stopped[-1] = self.flat()
        return {
            "alpha": floored(self._best[1].double().cpu().numpy()),
            "step": steps.astype(np.int64),
            "train_loss": train,
            "stop_loss": stop,
            "stopped": stopped,
            "weight": np.array(self._weight),
            "stratified": np.array(effect_of(self._best[1])),
            "gain": np.array(effect_of(self._best[1]) - effect_of(torch.zeros_like(self._best[1]))),
        }


def _delta_of(sample: Sample, eyes: Eyes, alpha: Tensor, k: Tensor, batch: Batch) -> float:
    """The effect, in parts of the sample's batch so that memory does not grow with the batch."""
    total, parts = 0.0, 0
    half = len(batch.rows) // 2
    with torch.no_grad():
        for chosen in torch.arange(half).split(max(1, sample.batch // 2)):
            rows = torch.cat([chosen, chosen + half]).to(batch.rows.device)
            part = Batch(batch.rows[rows], batch.ablate[rows], batch.where[rows])
            total += float(effect(sample, eyes, alpha, k, part)) * len(chosen)
            parts += len(chosen)
    return total / parts
