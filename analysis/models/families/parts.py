"""What a family builds from a state dict."""

from typing import NamedTuple

from torch import nn


class Parts(NamedTuple):
    """A module with its weights, the paths of its layers in order, and the shape of one latent."""

    module: nn.Module
    layers: list[str]
    latent_shape: tuple[int, ...]
