"""Planted damage: units whose output weights are disturbed, so that these units cause errors."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State

FAR = 900_000  # first of the latents that planting looks at; no other work uses them


def disturbed(state: State, weight: str, units: Sequence[int], seed: int, strength: float = 3.0) -> State:
    """The weights with noise on what the units give to the layer after them.

    `weight` names that layer's convolution (out, in, h, w); the noise has `strength` times the standard
    deviation of the convolution's weights.
    """
    changed = state[weight].clone().float()
    random = np.random.default_rng([seed, 5])
    noise = random.normal(size=(changed.shape[0], len(units), *changed.shape[2:])).astype(np.float32)
    changed[:, list(units)] += strength * changed.std() * torch.from_numpy(noise)
    return {**state, weight: changed}


class Rare(nn.Module):
    """One more unit behind a layer's own, on in few images: the positive part of unit `source`, where its
    mean over the image is over `least`, else 0 everywhere.
    """

    def __init__(self, source: int, least: float) -> None:
        super().__init__()
        self.source, self.least = source, least

    def forward(self, r: Tensor) -> Tensor:
        on = r[:, self.source : self.source + 1].relu()
        return torch.cat([r, on * (on.mean((2, 3), keepdim=True) > self.least)], 1)


def with_rare_unit(
    chain: nn.Sequential, layer: str, reader: str, source: int, r: Tensor, seed: int, strength: float
) -> tuple[nn.Sequential, str]:
    """A copy of `chain` with one more unit after the module `layer`, on in a tenth of the images, whose
    weights into the convolution `reader` are noise; and the path of the layer with that unit as its last.

    It is the case that Bau et al. 2019 describe: some images are wrong, those in which a unit is on. Ablating
    it gives the undamaged generator exactly. `r` (N, units, h, w) are maps of the layer, which set how often
    the unit is on and the noise: where it is strong it adds `strength` times the spread of what the reader
    computes.
    """
    changed = copy.deepcopy(chain)
    on = r[:, source].relu()
    often = float(torch.quantile(on.mean((1, 2)), 0.9))
    conv = changed.get_submodule(reader)
    assert isinstance(conv, nn.Conv2d)
    size = (
        float(torch.quantile(on[on.mean((1, 2)) > often].flatten(), 0.99)) * conv.weight[0, 0].numel() ** 0.5
    )
    noise = np.random.default_rng([seed, 6]).normal(size=(conv.out_channels, 1, *conv.kernel_size))
    added = strength * float(conv(r).std()) / size * torch.from_numpy(noise).float()
    conv.weight = nn.Parameter(torch.cat([conv.weight.detach(), added.to(conv.weight)], 1))
    conv.in_channels += 1
    before, _, last = layer.rpartition(".")
    block = changed.get_submodule(before)
    assert isinstance(block, nn.Sequential)
    block.append(Rare(source, often))
    return changed, f"{before}.{int(last) + 1}"
