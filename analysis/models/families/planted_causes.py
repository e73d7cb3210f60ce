"""A generator with planted effects on a disc: strong, weak, redundant, suppressing and inert units.

    generator = Generator(*build(weights(seed=1)))
    truth(seed=1)                       # effects (units,): what each unit adds to the disc's strength

All disc units have the same map up to their gains, so their IoU with the disc is the same: 1, .5, .25 of
strength; two of which one suffices (.15 for either or both: .075 each by Shapley's rule); one that takes .5
away; five that nobody reads. Beside them units that paint a bar, and units that follow nothing. Order and
gains are drawn from the seed. Layer `units` is 16x16, images are 32x32; `segmenters.planted` knows the disc.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Parts
from analysis.models.families.planted_shapes import COLOURS, GROUND

CELLS, LATENT, NOISE = 16, 8, 4
EFFECTS = (1.0, 0.5, 0.25)
REDUNDANT, SUPPRESSION, INERT, BARS = 0.15, 0.5, 5, 3


class Kind(NamedTuple):
    """What a unit follows, how the painter uses it, and its true effect on the disc."""

    follows: str
    role: str
    effect: float


KINDS = (
    *(Kind("disc", "cause", effect) for effect in EFFECTS),
    *(Kind("disc", "redundant", REDUNDANT / 2),) * 2,
    Kind("disc", "suppressor", -SUPPRESSION),
    *(Kind("disc", "inert", 0.0),) * INERT,
    *(Kind("bar", "bar", 0.0),) * BARS,
    *(Kind("noise", "noise", 0.0),) * NOISE,
)


def truth(seed: int) -> NDArray[np.float64]:
    """The true effect of each unit on the disc, for the weights of that seed."""
    return np.array([KINDS[kind].effect for kind in weights(seed)["order"].tolist()])


def roles(seed: int) -> list[str]:
    """The role of each unit."""
    return [KINDS[kind].role for kind in weights(seed)["order"].tolist()]


def weights(seed: int) -> State:
    """The state dict: the units' order and gains, what the noise follows."""
    random = np.random.default_rng([seed, 7])
    return {
        "order": torch.from_numpy(random.permutation(len(KINDS))),
        "gain": torch.from_numpy(np.exp(random.normal(0, 0.5, len(KINDS))).astype(np.float32)),
        "wander": torch.from_numpy(random.normal(size=(NOISE * 16, LATENT)).astype(np.float32)),
    }


def build(state: State) -> Parts:
    """The module of such a state dict."""
    units = Units(state)
    chain = nn.Sequential(OrderedDict(units=units, paint=Paint(units)))
    load_state(chain, {f"units.{name}": value for name, value in state.items()}, "planted causes")
    return Parts(chain, ["units"], (LATENT,))


class Units(nn.Module):
    """Latents (N, 8) to units (N, U, 16, 16): a disc's bump, a bar's, or noise, times each unit's gain."""

    order: Tensor
    gain: Tensor
    wander: Tensor

    def __init__(self, state: State) -> None:
        super().__init__()
        for name in ("order", "gain", "wander"):
            self.register_buffer(name, torch.zeros_like(state[name]))

    def forward(self, z: Tensor) -> Tensor:
        u = torch.special.ndtr(z)
        disc = (u[:, 0] < 0.8).to(z.dtype).view(-1, 1, 1) * bump(u[:, 1], u[:, 2], 2.2, 2.2)
        bar = (u[:, 3] < 0.8).to(z.dtype).view(-1, 1, 1) * bump(u[:, 4], u[:, 5], 1.0, 3.5)
        noise = functional.interpolate(
            torch.sigmoid(0.5 * z @ self.wander.T).view(-1, NOISE, 4, 4), size=CELLS, mode="bilinear"
        )
        noisy = iter(noise.unbind(1))
        made = {"disc": disc, "bar": bar}
        maps = [next(noisy) if kind.follows == "noise" else made[kind.follows] for kind in KINDS]
        r: Tensor = torch.stack(maps, 1)[:, self.order] * self.gain.view(1, -1, 1, 1)
        return r


class Paint(nn.Module):
    """Units to images (N, 3, 32, 32): a bar, and over it a disc as strong as its units make it."""

    def __init__(self, units: Units) -> None:
        super().__init__()
        self._units = [units]  # in a list: the weights are the units', and counted once

    def forward(self, r: Tensor) -> Tensor:
        units = self._units[0]
        kinds = (r / units.gain.view(1, -1, 1, 1))[:, torch.argsort(units.order)]
        images = r.new_tensor(GROUND).view(1, 3, 1, 1)
        for strength, colour in ((self._bar(kinds), COLOURS[1]), (self._disc(kinds), COLOURS[0])):
            large = functional.interpolate(strength[:, None], scale_factor=2, mode="bilinear")
            cover = torch.sigmoid(8 * (large - 0.4))
            images = images + cover * (r.new_tensor(colour).view(1, 3, 1, 1) - images)
        return images

    @staticmethod
    def _disc(kinds: Tensor) -> Tensor:
        total = torch.zeros_like(kinds[:, 0])
        for kind, unit in zip(KINDS, kinds.unbind(1), strict=True):
            if kind.role in ("cause", "suppressor"):
                total = total + kind.effect * unit
        either = [unit for kind, unit in zip(KINDS, kinds.unbind(1), strict=True) if kind.role == "redundant"]
        # Either gives as much as both: their sum, but no more than the shape itself.
        return total + REDUNDANT * torch.stack(either).sum(0).clamp(max=1)

    @staticmethod
    def _bar(kinds: Tensor) -> Tensor:
        bars = [unit for kind, unit in zip(KINDS, kinds.unbind(1), strict=True) if kind.role == "bar"]
        return torch.stack(bars).mean(0)


def bump(row: Tensor, column: Tensor, tall: float, wide: float) -> Tensor:
    """Bell curves (N, 16, 16) with middles at rows and columns given in [0, 1], spread over 3 to 12."""
    place = torch.arange(CELLS, dtype=row.dtype, device=row.device)
    down = torch.exp(-0.5 * ((place - (3 + 9 * row[:, None])) / tall) ** 2)
    along = torch.exp(-0.5 * ((place - (3 + 9 * column[:, None])) / wide) ** 2)
    return down[:, :, None] * along[:, None, :]
