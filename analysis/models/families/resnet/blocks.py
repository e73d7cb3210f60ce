"""What generators of residual blocks are made of: norms that follow a class, blocks, attention, the chain."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.shared.errors import GanatomyError

MOST_BLOCKS = 9  # 4x4 to 2048x2048


class Norm(nn.BatchNorm2d):
    """A batch norm that is called like the conditional ones."""

    def forward(self, x: Tensor, _condition: Tensor | None = None) -> Tensor:
        return super().forward(x)


class EmbeddedNorm(nn.Module):
    """A batch norm whose gain and shift are a class's: (N,) class numbers as condition."""

    def __init__(self, units: int, classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(units, affine=False)
        self.embed = nn.Embedding(classes, 2 * units)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, shift = self.embed(condition)[:, :, None, None].chunk(2, 1)
        return gain * self.bn(x) + shift


class LinearNorm(nn.Module):
    """A batch norm whose gain and shift are linear in a vector (N, size): 1 + gain, and shift."""

    def __init__(self, units: int, size: int, eps: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(units, eps=eps, affine=False)
        self.gain = nn.Linear(size, units, bias=False)
        self.bias = nn.Linear(size, units, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, shift = self.gain(condition), self.bias(condition)
        return (1 + gain)[:, :, None, None] * self.bn(x) + shift[:, :, None, None]


class Block(nn.Module):
    """Norm, nonlinearity, doubling, convolution, norm, nonlinearity, convolution; plus the doubled input.

    `norm(units)` makes a norm; the doubling is "nearest" or "bilinear".
    """

    def __init__(
        self,
        before: int,
        after: int,
        norm: Callable[[int], nn.Module],
        act: Callable[[], nn.Module],
        doubling: str,
    ) -> None:
        super().__init__()
        self.b1, self.b2 = norm(before), norm(after)
        self.act1, self.act2 = act(), act()
        self.c1 = nn.Conv2d(before, after, 3, padding=1)
        self.c2 = nn.Conv2d(after, after, 3, padding=1)
        self.c_sc = nn.Conv2d(before, after, 1)
        self.doubling = doubling

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.c1(self._doubled(self.act1(self.b1(x, condition))))
        h = self.c2(self.act2(self.b2(h, condition)))
        skip: Tensor = self.c_sc(self._doubled(x))
        return h + skip

    def _doubled(self, x: Tensor) -> Tensor:
        align = False if self.doubling == "bilinear" else None
        return functional.interpolate(x, scale_factor=2, mode=self.doubling, align_corners=align)


class Attention(nn.Module):
    """Self-attention over a map (Zhang et al. 2019): each place gathers from the pooled map, as in BigGAN."""

    def __init__(self, units: int, gamma: Tensor) -> None:
        super().__init__()
        self.theta = nn.Conv2d(units, units // 8, 1, bias=False)
        self.phi = nn.Conv2d(units, units // 8, 1, bias=False)
        self.g = nn.Conv2d(units, units // 2, 1, bias=False)
        self.o = nn.Conv2d(units // 2, units, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(gamma.shape))

    def forward(self, x: Tensor, _condition: Tensor | None = None) -> Tensor:
        query = self.theta(x).flatten(2).transpose(1, 2)
        key = functional.max_pool2d(self.phi(x), 2).flatten(2).transpose(1, 2)
        value = functional.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)
        found = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed: Tensor = self.o(found.transpose(1, 2).reshape(len(x), -1, *x.shape[2:]))
        return x + self.gamma * mixed


class Project(nn.Module):
    """Latents (N, size) to a map (N, units, side, side)."""

    def __init__(self, linear: nn.Linear, units: int, side: int) -> None:
        super().__init__()
        self.linear, self.shape = linear, (units, side, side)

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z).view(-1, *self.shape)


class Conditional(nn.Module):
    """A projection, steps that each take the map and a condition, and an end.

    `conditions(z, y)` gives the part of the latent that is projected, and a condition for each step.
    """

    def __init__(
        self, conditions: nn.Module, first: nn.Module, steps: OrderedDict[str, nn.Module], end: nn.Module
    ) -> None:
        super().__init__()
        self.conditions, self.first, self.steps, self.end = conditions, first, nn.ModuleDict(steps), end

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        part, conditions = self.conditions(z, y)
        x = self.first(part)
        for step, condition in zip(self.steps.values(), conditions, strict=True):
            x = step(x, condition)
        images: Tensor = self.end(x)
        return images


def first_side(numbers: int, units: int, key: str) -> int:
    """The side of the square map of so many units that a projection of so many numbers makes.

    Raises:
        GanatomyError: there is none.
    """
    side = math.isqrt(numbers // units)
    if side < 1 or side * side * units != numbers:
        raise GanatomyError(f"'{key}' makes {numbers} numbers, which are no square map of {units} units.")
    return side


def chained_widths(widths: Sequence[tuple[int, int]]) -> None:
    """Refuse blocks (units taken, units made) that do not fit each other, or are too many.

    Raises:
        GanatomyError: says which.
    """
    if not 1 <= len(widths) <= MOST_BLOCKS:
        raise GanatomyError(f"The generator has {len(widths)} blocks; from 1 to {MOST_BLOCKS} can be used.")
    for number, ((_before, made), (taken, _after)) in enumerate(pairwise(widths)):
        if made != taken:
            raise GanatomyError(
                f"Block {number} makes {made} units and the next one takes {taken}; the file lacks a block."
            )
