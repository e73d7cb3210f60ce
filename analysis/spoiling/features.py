"""Features of pictures: of any network, or of a segmenter's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Extractor = Callable[[Tensor], Tensor]  # images (N, 3, H, W) in [-1, 1] to features (N, d)
BATCH, COARSE = 32, 4


def as_extractor(network: Any) -> Extractor:
    """A network's features: itself where it is called, else what a segmenter has under `features`.

    A segmenter without features stands in with what it knows: the share of each concept, and the
    picture's colours on a 4x4 grid.
    """
    inner = getattr(network, "network", None)
    if hasattr(network, "labels"):
        if hasattr(network, "features"):
            found: Extractor = network.features
            return found
        return (
            _of_module(inner, network.device) if hasattr(inner, "features") else _shares_and_colours(network)
        )
    chosen: Extractor = network
    return chosen


def name_of(network: Any) -> str:
    """What the extractor is called in tables."""
    return str(getattr(network, "name", None) or getattr(network, "__name__", type(network).__name__))


def features_of(extractor: Extractor, images: Tensor | Iterable[Tensor]) -> Tensor:
    """Features (N, d) of images, or of batches of images, float32 on the CPU, without gradients."""
    batches = images.split(BATCH) if isinstance(images, Tensor) else images
    with torch.no_grad():
        return torch.cat([extractor(batch).flatten(1).float() for batch in batches]).cpu()


def _of_module(module: Any, device: torch.device) -> Extractor:
    # A copy with channels last: the same numbers, in two thirds of the time on a CPU.
    quick: nn.Module = copy.deepcopy(module).to(memory_format=torch.channels_last)

    def features(images: Tensor) -> Tensor:
        found: Tensor = quick.features(images.to(device).contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return found

    return features


def _shares_and_colours(segmenter: Any) -> Extractor:
    def features(images: Tensor) -> Tensor:
        shares = [segmenter.probability(images, concept).mean((1, 2)) for concept in segmenter.concepts]
        colours = functional.adaptive_avg_pool2d(images.to(shares[0].device), COARSE).flatten(1)
        return torch.cat([torch.stack(shares, 1), colours], 1)

    return features
