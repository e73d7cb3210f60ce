"""When a learning has come to rest, which alpha of it is kept, and how heavy its penalty is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays, Floats

LEAST, DIGITS = 0.01, 2  # alpha under which a unit does not act; finer differences are no order of units
LADDER = (0.0125, 0.025, 0.05, 0.1, 0.2)  # penalty weights that are tried, each after the lighter ones
EQUAL = 0.025  # of a gain, under which two gains are equal
WORTH = 1.2  # times the gain, for which the lighter of two weights is taken


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
        self._best: tuple[float, Tensor] | None = None  # loss, alpha
        self._last: tuple[float, Tensor] | None = None  # effect, alpha
        self._gained = (0, np.inf)  # the last look that counts as a gain, and its loss

    def add(self, step: int, alpha: Tensor, train_loss: float) -> None:
        """Looks once."""
        acting = floored(alpha)
        effect = self._effect(acting)
        self._last = effect, acting
        stop = float(penalty(acting, self._settings, self._weight)) - effect
        # From the last gain on, not from the best: many small gains are one, and no rest.
        if stop < self._gained[1] - max(self._settings.tolerance * self._weight, 1e-6):
            self._gained = (len(self._rows), stop)
        if self._best is None or stop < self._best[0]:
            self._best = (stop, acting)
        self._rows.append((step, train_loss, stop))

    @property
    def best(self) -> float:
        """The least loss so far."""
        assert self._best is not None
        return self._best[0]

    @property
    def gain(self) -> float:
        """The effect of the last alpha beyond that of no edit."""
        assert self._last is not None
        effect, alpha = self._last
        return effect - self._effect(torch.zeros_like(alpha)) if alpha.any() else 0.0

    def flat(self) -> bool:
        """Whether the stop loss has reached its plateau."""
        return len(self._rows) - 1 - self._gained[0] >= self._settings.patience

    def result(self) -> Arrays:
        """Alpha (U,) of the best look, and the losses."""
        assert self._best is not None
        alpha = self._best[1]
        steps, train, stop = (np.array(column) for column in zip(*self._rows, strict=True))
        stopped = np.zeros(len(steps), bool)
        stopped[-1] = self.flat()
        return {
            "alpha": alpha.double().cpu().numpy().round(DIGITS),
            "step": steps.astype(np.int64),
            "train_loss": train,
            "stop_loss": stop,
            "stopped": stopped,
            "weight": np.array(self._weight),
        }


def choose_weight(gain: Callable[[float], float]) -> tuple[float, Floats]:
    """Return the heaviest penalty weight that still lets the units act, and (tried, 2) weights and gains.

    `gain` is what a weight gains, as the mean over the learning seeds: the effect on the stopping images
    beyond that of no edit; 0 where no unit acts. It is asked for ever heavier weights, each of which goes on
    from the last. Effects differ a hundredfold between concepts: with one weight all alphas of some go to 0,
    or to 1. So weights are doubled, from the lightest on, until that costs more than a sixth of the gain.
    Where even the lightest gains nothing, the heaviest is returned.
    """
    found = gain(LADDER[0])
    tried = [(LADDER[0], found)]
    if found <= 0:
        return LADDER[-1], np.array(tried)
    for weight in LADDER[1:]:
        lighter, found = found, gain(weight)
        tried.append((weight, found))
        if too_dear(found, lighter):
            return tried[-2][0], np.array(tried)
    return LADDER[-1], np.array(tried)


def too_dear(gain: float, lighter: float) -> bool:
    """Whether a weight costs more than a sixth of what half of it gains."""
    return WORTH * gain <= lighter


def settled(gains: Sequence[float], lighter: float) -> bool:
    """Whether a weight's gains, look by look, say enough beside that of half the weight.

    They cost too much, or hardly anything; or the last ones are nearly equal.
    """
    now = gains[-1]
    equal = len(gains) > 1 and abs(now - gains[-2]) <= EQUAL * abs(lighter)
    return too_dear(now, lighter) or now >= (1 - 2 * EQUAL) * lighter or equal
