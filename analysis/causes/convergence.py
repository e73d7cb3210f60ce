"""When a learning has come to rest, which alpha of it is kept, and how heavy its penalty is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays

LEAST = 0.01  # alpha under which a unit does not act
LADDER = (0.2, 0.1, 0.05, 0.025, 0.0125)  # penalty weights that are tried
WORTH = 1.2  # times the gain, for which the next weight is taken


def penalty(alpha: Tensor, settings: CausesSettings, weight: float) -> Tensor:
    """Return weight * ||alpha||_2, or weight * ||alpha||_2^2 as in the authors' code."""
    squared = alpha.square().sum()
    # The norm has no slope at 0, where every unit is out; a tiny constant gives it one.
    kind = squared if settings.penalty == "squared" else (squared + 1e-12).sqrt()
    return weight * kind


def floored(alpha: Tensor) -> Tensor:
    """Alphas under .01 as 0: Adam comes near to 0 without reaching it, and their order means nothing."""
    return alpha.detach() * (alpha >= LEAST)


class StopLosses:
    """The learning's looks at the stopping latents: the losses, and the best alpha so far.

    `effect` is the stratified effect of an alpha there. Alphas are looked at as they are kept: floored.
    """

    def __init__(self, settings: CausesSettings, weight: float, effect: Callable[[Tensor], float]) -> None:
        self._settings, self._weight, self._effect = settings, weight, effect
        self._rows: list[tuple[int, float, float]] = []
        self._best: tuple[float, float, Tensor] | None = None  # loss, effect, alpha
        self._gained = (0, np.inf)  # the last look that counts as a gain, and its loss

    def add(self, step: int, alpha: Tensor, train_loss: float) -> None:
        """Looks once."""
        acting = floored(alpha)
        effect = self._effect(acting)
        stop = float(penalty(acting, self._settings, self._weight)) - effect
        # From the last gain on, not from the best: many small gains are one, and no rest.
        if stop < self._gained[1] - max(self._settings.tolerance * self._weight, 1e-6):
            self._gained = (len(self._rows), stop)
        if self._best is None or stop < self._best[0]:
            self._best = (stop, effect, acting)
        self._rows.append((step, train_loss, stop))

    def flat(self) -> bool:
        """Whether the stop loss has reached its plateau."""
        return len(self._rows) - 1 - self._gained[0] >= self._settings.patience

    def result(self) -> Arrays:
        """Alpha (U,) of the best look, the losses, and `gain`: its effect beyond that of no edit."""
        assert self._best is not None
        _, effect, alpha = self._best
        steps, train, stop = (np.array(column) for column in zip(*self._rows, strict=True))
        stopped = np.zeros(len(steps), bool)
        stopped[-1] = self.flat()
        gain = effect - self._effect(torch.zeros_like(alpha)) if alpha.any() else 0.0
        return {
            "alpha": alpha.double().cpu().numpy(),
            "step": steps.astype(np.int64),
            "train_loss": train,
            "stop_loss": stop,
            "stopped": stopped,
            "weight": np.array(self._weight),
            "gain": np.array(gain),
        }


def choose_weight(learned: Callable[[float], Arrays]) -> Arrays:
    """What is learned with the heaviest penalty that still lets the units act, and what was tried.

    Effects differ a hundredfold between concepts: with one weight all alphas of some go to 0, or to 1. So
    weights are halved, from the heaviest on, until that makes the gain (the effect on the stopping latents
    beyond that of no edit; 0 where no unit acts) grow by less than a fifth.
    """
    best = learned(LADDER[0])
    tried = [(LADDER[0], float(best["gain"]))]
    for weight in LADDER[1:]:
        found = learned(weight)
        tried.append((weight, float(found["gain"])))
        if found["gain"] > max(WORTH * float(best["gain"]), 0):
            best = found
        elif best["gain"] > 0:  # else nothing was gained yet and still is not: a lighter one may
            break
    return best | {"tried": np.array(tried)}
