"""A small progressive generator (Karras et al. 2018): growing blocks, pixelwise normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

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


def _half(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.2), PixelNorm()]


def first_block(latent: int, width: int) -> nn.Sequential:
    """Latents (N, latent) to (N, width, 4, 4)."""
    spread = [PixelNorm(), nn.Linear(latent, width * 16), nn.Unflatten(1, (width, 4, 4)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*spread, PixelNorm(), *_half(width, width))


def block(before: int, after: int) -> nn.Sequential:
    """(N, before, h, w) to (N, after, 2h, 2w); the first half works before growing, where it is cheap."""
    return nn.Sequential(*_half(before, after), Grow(), *_half(after, after))


class Progan(nn.Module):
    """Latents (N, latent) to images (N, 3, size, size) in [-1, 1].

    `blocks` grow from 4 pixels on, one a width; a generator that was stopped before it had grown to `size`
    has fewer blocks, and its picture is enlarged, so that all checkpoints are seen at one size.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, latent: int = LATENT, size: int = 64) -> None:
        super().__init__()
        self.latent_shape = (latent,)
        self.size = size
        pairs = pairwise(widths)
        self.blocks = nn.Sequential(first_block(latent, widths[0]), *(block(a, b) for a, b in pairs))
        self.colour = nn.Conv2d(widths[-1], 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        picture = self.colour(self.blocks(z))
        if picture.shape[-1] != self.size:
            wanted = (self.size, self.size)
            picture = functional.interpolate(picture, size=wanted, mode="bilinear", align_corners=False)
        return picture.clamp(-1, 1)


def build(state: Mapping[str, Tensor], size: int = 64) -> Progan:
    """The generator whose weights these are: its widths are read from their shapes."""
    latent = state["blocks.0.1.weight"].shape[1]
    count = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    widths = [state[f"blocks.{k}.{5 if k == 0 else 0}.bias"].shape[0] for k in range(count)]
    module = Progan(widths, latent, size)
    module.load_state_dict({name: value.float() for name, value in state.items()})
    return module.eval()
