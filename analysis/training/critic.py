"""The critic of all arms: residual blocks, and the spread over the minibatch where an arm has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP = 8  # pictures over which the spread is taken
HALF = math.sqrt(0.5)  # of each of two summands, which keeps the variance


class Down(nn.Module):
    """Maps (N, a, h, w) to (N, b, h / 2, w / 2)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, before, 3, padding=1)
        self.second = nn.Conv2d(before, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(functional.leaky_relu(self.first(x), 0.2), 2)
        y = functional.leaky_relu(self.second(y), 0.2)
        made: Tensor = (y + self.skip(functional.avg_pool2d(x, 2))) * HALF
        return made


class ResidualCritic(nn.Module):
    """Pictures (N, 3, s, s) to scores (N,), higher where they look drawn; s is 4 * 2**(blocks)."""

    def __init__(self, widths: Sequence[int], spread: bool) -> None:
        super().__init__()
        self.spread, last = spread, widths[-1]
        self.colours = nn.Conv2d(3, widths[0], 1)
        self.blocks = nn.Sequential(*(Down(a, b) for a, b in pairwise(widths)))
        self.mixed = nn.Conv2d(last + spread, last, 3, padding=1)
        self.judge = nn.Sequential(nn.Linear(last * 16, last), nn.LeakyReLU(0.2), nn.Linear(last, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.blocks(functional.leaky_relu(self.colours(pictures), 0.2))
        with torch.autocast(x.device.type, enabled=False):  # scores need more than bfloat16's 8 bits
            x = x.float()
            if self.spread:
                x = torch.cat([x, spread_of(x)], 1)
            x = functional.leaky_relu(self.mixed(x), 0.2)
            score: Tensor = self.judge(x.flatten(1)).squeeze(1)
        return score


def spread_of(x: Tensor) -> Tensor:
    """The minibatch statistic (N, 1, h, w): the mean deviation in groups of consecutive pictures."""
    groups = x.unflatten(0, (-1, GROUP))
    deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    each = deviation[:, None].expand(-1, GROUP).reshape(-1)
    return each[:, None, None, None].expand(-1, 1, *x.shape[2:])
