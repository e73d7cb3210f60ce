"""Planted generators of hard causes: what their units do is known, because it is written here.

Each draws one disc per image from the units of its only layer. The first units are those of the case; four
more carry the disc's map without effect (they agree with the disc as well as a cause), and the rest is smooth
noise that nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analysis import Generator
from analysis.shared.concepts import Concept

CELLS, WIDTH, COPIES = 16, 24, 4
LATENT = 4 + 2 * 4 + 4 * WIDTH
RARE = 1.3  # a tenth of normal numbers exceed it
Maps = Callable[["Scene"], Sequence[Tensor]]
Paint = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scene:
    """What the units of a case are made of, each (N, 16, 16)."""

    disc: Tensor  # 0 to 1
    bump: Tensor  # another disc, at a place of its own
    smooth: Tensor  # from 0.6 to 1 everywhere
    noise: Tensor  # smooth, around 0

    @property
    def one(self) -> Tensor:
        """1 everywhere."""
        return torch.ones_like(self.disc)


@dataclass(frozen=True)
class Case:
    """The units that matter, from the scene; and the disc that units (N, U, 16, 16) paint, 0 to 1."""

    units: Maps
    paint: Paint


def shifted(maps: Tensor, cells: int) -> Tensor:
    """Maps moved to the right."""
    return torch.roll(maps, cells, -1)


def upper(r: Tensor) -> Tensor:
    """1 in the upper half of the maps."""
    rows = torch.arange(CELLS).view(-1, 1) < CELLS // 2
    return rows.to(r)


CASES: dict[str, Case] = {
    "plain": Case(lambda s: [s.disc], lambda r: r[:, 0]),
    "or": Case(lambda s: [s.disc, s.disc], lambda r: torch.maximum(r[:, 0], r[:, 1])),
    "threefold": Case(lambda s: [s.disc] * 3, lambda r: r[:, :3].sum(1).clamp(max=1)),
    "and": Case(lambda s: [s.disc, s.disc], lambda r: torch.minimum(r[:, 0], r[:, 1])),
    "partner": Case(lambda s: [s.disc, s.smooth], lambda r: r[:, 0] * r[:, 1]),
    "gate": Case(lambda s: [s.disc, s.one], lambda r: r[:, 0] * r[:, 1]),
    "suppressor": Case(lambda s: [s.disc, s.bump], lambda r: r[:, 0] - 0.8 * r[:, 1]),
    "balanced": Case(lambda s: [s.disc / 2 + s.noise, s.disc / 2 - s.noise], lambda r: r[:, 0] + r[:, 1]),
    "place": Case(lambda s: [s.disc, s.disc], lambda r: r[:, 0] * upper(r) + r[:, 1] * (1 - upper(r))),
    "displaced": Case(lambda s: [shifted(s.disc, -6)], lambda r: shifted(r[:, 0], 6)),
    "inverted": Case(lambda s: [1 - s.disc], lambda r: 1 - r[:, 0]),
    "offset": Case(lambda s: [2 + s.disc, 2 * s.one], lambda r: r[:, 0] + r[:, 1] - 4),
    "negative": Case(lambda s: [-s.disc], lambda r: -r[:, 0]),
    "weak": Case(lambda s: [s.disc] * 12, lambda r: r[:, :12].mean(1)),
    "majority": Case(lambda s: [s.disc] * 3, lambda r: r[:, :3].median(1).values),
}


class Units(nn.Module):
    """The layer: the units of a case, inert copies of the disc, and noise."""

    def __init__(self, case: Case, rare: bool) -> None:
        super().__init__()
        self.case, self.rare = case, rare

    def forward(self, z: Tensor) -> Tensor:
        smooth = nn.functional.interpolate(
            z[:, 4:12].reshape(-1, 2, 2, 2), CELLS, mode="bilinear", align_corners=False
        )
        scene = Scene(
            disc=disc(z[:, :2]) * (z[:, 12] > (RARE if self.rare else -torch.inf))[:, None, None],
            bump=disc(z[:, 2:4]),
            smooth=0.8 + 0.2 * torch.tanh(smooth[:, 0]),
            noise=smooth[:, 1],
        )
        units = list(self.case.units(scene))
        others = nn.functional.interpolate(
            z[:, 12:].reshape(-1, WIDTH, 2, 2), CELLS, mode="bilinear", align_corners=False
        )
        free = WIDTH - len(units) - COPIES
        return torch.cat([torch.stack([*units, *[scene.disc] * COPIES], 1), torch.relu(others[:, :free])], 1)


def disc(place: Tensor) -> Tensor:
    """Maps (N, 16, 16) of a disc, 0 to 1, around places (N, 2) that may be any numbers."""
    line = torch.linspace(-1, 1, CELLS)
    y, x = (0.5 * torch.tanh(place[:, axis, None, None]) for axis in (0, 1))
    return torch.sigmoid(40 * (0.12 - (line[:, None] - y) ** 2 - (line[None] - x) ** 2))


class Painted(nn.Module):
    """Paints the disc from the units."""

    def __init__(self, case: Case, rare: bool) -> None:
        super().__init__()
        self.case, self.units = case, Units(case, rare)

    def forward(self, z: Tensor) -> Tensor:
        r = self.units(z.flatten(1))
        # A little of all units, so that each reaches the picture.
        shade = 2 * self.case.paint(r) - 1 + 1e-4 * r.mean(1)
        return nn.functional.interpolate(
            shade.clamp(-1, 1)[:, None].expand(-1, 3, -1, -1), scale_factor=2, mode="nearest"
        )


def generator(name: str, rare: bool = False) -> Generator:
    """The generator of a case; if rare, only a tenth of the images have the disc."""
    return Generator(Painted(CASES[name], rare), ["units"], latent_shape=(LATENT, 1, 1))


class Bright:
    """A segmenter that marks what is bright."""

    concepts: Sequence[Concept] = (Concept("disc"),)

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > 0).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return torch.sigmoid(4 * images[:, 0])
