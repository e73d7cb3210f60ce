"""Planted damage: some units' output weights disturbed, so that these units cause errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from analysis.checkpoints import State


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
