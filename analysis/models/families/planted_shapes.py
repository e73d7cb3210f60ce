"""A generator whose truth is known: coloured shapes, drawn by units of which each one's effect is planted.

Each layer has, per concept, three units that paint it (4/7, 2/7 and 1/7 of its strength), three copies with
the same map that paint nothing; eight units that follow shapes which are never drawn; four that never fire.
Order and gains are drawn from a seed, so nothing can be learned from a unit's number or size.

    parts = build(weights(seed=1))
    truth(seed=1)["layer2"][0]            # Truth(unit=..., concept='disc', effect=0.571...)
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Family, Parts
from analysis.models.vocabularies import SHAPES

NAMES = [concept.name for concept in SHAPES.concepts]
SHARES = (4 / 7, 2 / 7, 1 / 7, 0.0, 0.0, 0.0)
GHOSTS, GHOST_COPIES, DEAD = 2, 4, 4
SHAPE_COUNT = len(NAMES) + GHOSTS
UNITS = len(NAMES) * len(SHARES) + GHOSTS * GHOST_COPIES + DEAD
LATENT = 3 * len(NAMES) + 2 * GHOSTS
# Height and width of each shape, as deviations in cells of the 8x8 grid; ghosts last.
SPREADS = ((1.0, 1.0), (0.6, 1.6), (1.6, 0.6), (0.7, 0.7), (1.0, 1.0), (0.7, 0.7))
GROUND = (-0.6, -0.6, -0.6)
COLOURS = ((0.9, -0.7, -0.7), (-0.7, 0.8, -0.6), (-0.6, -0.4, 0.9), (0.9, 0.8, -0.7))


@dataclass(frozen=True)
class Truth:
    """A unit's shape (a ghost's: never drawn; None: the unit never fires) and the share that it paints."""

    unit: int
    concept: str | None
    effect: float


def truth(seed: int) -> dict[str, list[Truth]]:
    """What every unit of each layer means and does, for the weights of that seed."""
    names = [*NAMES, *(f"ghost{number}" for number in range(GHOSTS))]
    return {
        layer: [
            Truth(unit, None if shape is None else names[shape], share)
            for unit, (shape, share, _) in enumerate(_units(seed, layer))
        ]
        for layer in ("layer1", "layer2")
    }


def weights(seed: int) -> State:
    """The state dict of a planted generator."""
    state: State = {}
    for number in (1, 2):
        drive = torch.zeros(UNITS, SHAPE_COUNT, 1, 1)
        paint = torch.zeros(SHAPE_COUNT, UNITS, 1, 1)
        bias = torch.zeros(UNITS)
        for unit, (shape, share, gain) in enumerate(_units(seed, f"layer{number}")):
            if shape is None:
                bias[unit] = -1.0
                continue
            drive[unit, shape] = gain
            ghost = shape >= len(NAMES)
            paint[shape, unit] = (1 / GHOST_COPIES if ghost else share) / gain
        state |= {
            f"units{number}.0.weight": drive,
            f"units{number}.0.bias": bias,
            f"paint{number}.0.weight": paint,
        }
    return state


def build(state: State) -> Parts:
    """The module of a planted state dict: layer1 at 8x8 and layer2 at 16x16, images at 32x32."""
    steps: OrderedDict[str, nn.Module] = OrderedDict(place=Place())
    for number in (1, 2):
        steps[f"units{number}"] = nn.Sequential(nn.Conv2d(SHAPE_COUNT, UNITS, 1), nn.ReLU())
        steps[f"paint{number}"] = nn.Sequential(
            nn.Conv2d(UNITS, SHAPE_COUNT, 1, bias=False), nn.Upsample(scale_factor=2, mode="bilinear")
        )
    steps["draw"] = Draw()
    module = load_state(nn.Sequential(steps), state, "a planted generator")
    return Parts(module, ["units1.1", "units2.1"], (LATENT, 1, 1))


FAMILY = Family(
    "planted shapes",
    recognises=lambda state: "units1.0.weight" in state,
    build=lambda state, _config, _inputs: build(state),
    hidden=True,
)


class Place(nn.Module):
    """Latents (N, 16, 1, 1) to where shapes are, (N, shapes, 8, 8) in [0, 1]; ghosts are always there."""

    def forward(self, z: Tensor) -> Tensor:
        flat = z.flatten(1)
        drawn = 3 * len(NAMES)
        there = (flat[:, 0:drawn:3] > 0).to(flat.dtype)
        there = torch.cat([there, there.new_ones(len(flat), GHOSTS)], 1)
        rows = torch.cat([flat[:, 1:drawn:3], flat[:, drawn::2]], 1)
        columns = torch.cat([flat[:, 2:drawn:3], flat[:, drawn + 1 :: 2]], 1)
        spread = flat.new_tensor(SPREADS)
        along_rows = _bump(rows, spread[:, 0])
        along_columns = _bump(columns, spread[:, 1])
        return there[..., None, None] * along_rows[..., :, None] * along_columns[..., None, :]


class Draw(nn.Module):
    """Strengths (N, shapes, 32, 32) to images: later shapes lie over earlier ones; ghosts are not drawn."""

    def forward(self, strengths: Tensor) -> Tensor:
        images = strengths.new_tensor(GROUND).view(1, 3, 1, 1)
        for number, colour in enumerate(COLOURS):
            cover = torch.sigmoid(20 * (strengths[:, number : number + 1] - 0.35))
            images = images + cover * (strengths.new_tensor(colour).view(1, 3, 1, 1) - images)
        return images


def _bump(place: Tensor, spread: Tensor) -> Tensor:
    """(N, shapes) normal places to (N, shapes, 8) bell curves with middles spread over 1 to 6."""
    middle = 1 + 5 * torch.special.ndtr(place)
    distance = torch.arange(8, dtype=place.dtype, device=place.device) - middle[..., None]
    return torch.exp(-0.5 * (distance / spread[:, None]) ** 2)


def _units(seed: int, layer: str) -> list[tuple[int | None, float, float]]:
    """(shape, share, gain) of each unit, in an order and with gains that the seed decides."""
    random = np.random.default_rng([seed, ord(layer[-1])])
    kinds: list[tuple[int | None, float]] = [
        (shape, share) for shape in range(len(NAMES)) for share in SHARES
    ]
    kinds += [(len(NAMES) + ghost, 0.0) for ghost in range(GHOSTS) for _ in range(GHOST_COPIES)]
    kinds += [(None, 0.0)] * DEAD
    gains = np.exp(random.normal(0, 0.5, len(kinds)))
    return [(*kinds[kind], float(gains[kind])) for kind in random.permutation(len(kinds))]
