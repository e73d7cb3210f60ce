"""The generators of the arms, in the layouts of the families that load them.

A generator maps latents (N, LATENT) to pictures (N, 3, 64, 64) that are not clamped. Its `inner` module has
the weights as the family reads them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from analysis.models.families.progan import progan
from analysis.models.families.stylegan.stylegan2 import StyleGAN2

LATENT = 64
MAPPED, MAPPING, RATE = 128, 3, 0.01  # numbers in w, layers that make it, their learning rate multiplier


def prepare(module: nn.Module) -> None:
    """Normal weights of the size that keeps signals' (He et al. 2015), no bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Progressive(nn.Module):
    """A progressive generator at its full size."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.inner = progan(widths, LATENT)
        prepare(self.inner)
        colour = self.inner.colour
        assert isinstance(colour, nn.Conv2d)
        nn.init.normal_(colour.weight, 0, math.sqrt(1 / widths[-1]))

    def forward(self, z: Tensor) -> Tensor:
        x = self.inner.blocks(z)  # type: ignore[operator]
        with torch.autocast(x.device.type, enabled=False):  # colours need more than bfloat16's 8 bits
            picture: Tensor = self.inner.colour(x.float())  # type: ignore[operator]
        return picture


class Dcgan(nn.Module):
    """The DCGAN's chain of transposed convolutions with batch normalisation (Radford et al. 2016)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for place, (before, after) in enumerate(pairwise((LATENT, *widths))):
            stride, padding = (1, 0) if place == 0 else (2, 1)
            parts += [
                nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False),
                nn.BatchNorm2d(after),
            ]
            parts += [nn.ReLU()]
        parts += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh()]
        self.inner = nn.Sequential()
        self.inner.add_module("main", nn.Sequential(*parts))
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, 0.02)

    def forward(self, z: Tensor) -> Tensor:
        main = self.inner.main
        assert isinstance(main, nn.Sequential)
        x = main[:-2](z[:, :, None, None])
        with torch.autocast(x.device.type, enabled=False):
            picture: Tensor = main[-2:](x.float())
        return picture


def style_state(widths: Sequence[int]) -> dict[str, Tensor]:
    """First weights of a StyleGAN2 in rosinality's layout, one width from 4x4 on; its noise is off."""
    state: dict[str, Tensor] = {"input.input": torch.randn(1, widths[0], 4, 4)}
    for place, (before, after) in enumerate(pairwise((LATENT, *[MAPPED] * MAPPING)), start=1):
        state[f"style.{place}.weight"] = torch.randn(after, before) / RATE
        state[f"style.{place}.bias"] = torch.zeros(after)
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 16

    def modulated(name: str, before: int, after: int, taps: int) -> None:
        state[f"{name}.weight"] = torch.randn(1, after, before, taps, taps)
        state[f"{name}.modulation.weight"] = torch.randn(before, MAPPED)
        state[f"{name}.modulation.bias"] = torch.ones(before)

    def styled(name: str, before: int, after: int, size: int, noise: int) -> None:
        modulated(f"{name}.conv", before, after, 3)
        state[f"{name}.noise.weight"] = torch.zeros(1)
        state[f"{name}.activate.bias"] = torch.zeros(after)
        state[f"noises.noise_{noise}"] = torch.zeros(1, 1, size, size)

    def coloured(name: str, width: int) -> None:
        modulated(f"{name}.conv", width, 3, 1)
        state[f"{name}.bias"] = torch.zeros(1, 3, 1, 1)

    styled("conv1", widths[0], widths[0], 4, 0)
    coloured("to_rgb1", widths[0])
    for place, (before, after) in enumerate(pairwise(widths)):
        size = 8 * 2**place
        styled(f"convs.{2 * place}", before, after, size, 2 * place + 1)
        state[f"convs.{2 * place}.conv.blur.kernel"] = kernel.clone()
        styled(f"convs.{2 * place + 1}", after, after, size, 2 * place + 2)
        coloured(f"to_rgbs.{place}", after)
        state[f"to_rgbs.{place}.upsample.kernel"] = kernel.clone()
    return state


class Style(nn.Module):
    """A small StyleGAN2 without noise: a picture follows from its latent alone."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        state = style_state(widths)
        self.inner = StyleGAN2(state, None, RATE)
        self.inner.load_state_dict(state)
        for name, weight in self.inner.named_parameters():
            if name.endswith("noise.weight"):
                weight.requires_grad_(False)

    def forward(self, z: Tensor) -> Tensor:
        picture: Tensor = self.inner(z)
        return picture.float()


GENERATORS: dict[str, type[Progressive] | type[Dcgan] | type[Style]] = {
    "progressive": Progressive,
    "dcgan": Dcgan,
    "style": Style,
}
