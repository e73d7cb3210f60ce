"""A small progressive generator (Karras et al. 2018): growing blocks, pixelwise normalisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import load_state
from analysis.models.families.family import Family, Parts

WIDTHS = (96, 96, 64, 48, 24)  # channels at 4, 8, 16, 32 and 64 pixels
LATENT = 64


class PixelNorm(nn.Module):
    """Scale each location's channels to a mean square of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Grow(nn.Module):
    """Twice as many pixels a side, by bilinear interpolation."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Frame(nn.Module):
    """Pictures of one size within [-1, 1], whatever size the generator had grown to."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = (size, size)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != self.size:
            x = functional.interpolate(x, size=self.size, mode="bilinear", align_corners=False)
        return x.clamp(-1, 1)


def _half(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.2), PixelNorm()]


def first_block(latent: int, width: int) -> nn.Sequential:
    """Latents (N, latent) to (N, width, 4, 4)."""
    spread = [PixelNorm(), nn.Linear(latent, width * 16), nn.Unflatten(1, (width, 4, 4)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*spread, PixelNorm(), *_half(width, width))


def block(before: int, after: int) -> nn.Sequential:
    """(N, before, h, w) to (N, after, 2h, 2w); the first half works before growing, where it is cheap."""
    return nn.Sequential(*_half(before, after), Grow(), *_half(after, after))


def progan(widths: Sequence[int] = WIDTHS, latent: int = LATENT, size: int = 64) -> nn.Sequential:
    """Latents (N, latent) to images (N, 3, size, size): a plain chain, one block a width from 4x4 on.

    A generator that was stopped before it had grown to `size` has fewer blocks; its picture is enlarged, so
    that all checkpoints of a training are seen at one size.
    """
    blocks = nn.Sequential(first_block(latent, widths[0]), *(block(a, b) for a, b in pairwise(widths)))
    colour = nn.Conv2d(widths[-1], 3, 1)
    return nn.Sequential(OrderedDict(blocks=blocks, colour=colour, frame=Frame(size)))


def build(state: Mapping[str, Tensor]) -> Parts:
    """The generator whose weights these are; a layer is a block's last normalisation.

    Raises:
        GanatomyError: the weights are not a progressive generator's.
    """
    biases = {name: value.shape[0] for name, value in state.items() if name.endswith(".bias")}
    count = 1 + max((int(name.split(".")[1]) for name in biases if name.startswith("blocks.")), default=0)
    widths = [biases.get(f"blocks.{k}.{5 if k == 0 else 0}.bias", WIDTHS[-1]) for k in range(count)]
    first = state.get("blocks.0.1.weight")
    latent = int(first.shape[1]) if first is not None and first.ndim == 2 else LATENT
    module = progan(widths, latent)
    load_state(module, {name: value.float() for name, value in state.items()}, "a progressive generator")
    return Parts(module, ["blocks.0.7", *(f"blocks.{k}.6" for k in range(1, count))], (latent,))


FAMILY = Family(
    "progressive generator of this project's training",
    recognises=lambda state: "blocks.0.1.weight" in state and "colour.weight" in state,
    build=lambda state, _config, _inputs: build(state),
)
