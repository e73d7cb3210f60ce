"""Planted damage: units whose output weights are disturbed, so that these units cause errors."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State

FAR = 900_000  # first of the latents that planted damage is fitted to; no other work uses them


def disturbed(state: State, weight: str, units: Sequence[int], seed: int, strength: float = 3.0) -> State:
    """Return the weights with noise on what the units give to the layer after them.

    `weight` names that layer's convolution (out, in, h, w); the noise has `strength` times the standard
    deviation of the convolution's weights.
    """
    changed = state[weight].clone().float()
    random = np.random.default_rng([seed, 5])
    noise = random.normal(size=(changed.shape[0], len(units), *changed.shape[2:])).astype(np.float32)
    changed[:, list(units)] += strength * changed.std() * torch.from_numpy(noise)
    return {**state, weight: changed}


class Rare(nn.Module):
    """One more unit behind a layer's own, which is on in few images.

    It is the positive part of unit `source` in images where the mean of that part is over `least`, else 0.
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
    """Return a copy of `chain` with a damaging unit after the module `layer`, and the path of that layer.

    The unit is the layer's last. It is on in a tenth of the images, and its weights into the convolution
    `reader` are noise. Bau et al. 2019 describe this case: the images in which one unit is on are wrong. The
    ablation of the unit gives the undamaged generator exactly. Maps of the layer, `r` (N, units, h, w), set
    how often the unit is on. They also set the noise: where the unit is strong, it adds `strength` times the
    spread of what the reader computes.
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
