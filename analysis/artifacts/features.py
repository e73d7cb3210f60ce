"""Features of pictures, from any network or from a segmenter."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models import efficientnet_lite
from analysis.models.checkpoints import weights_sha256
from analysis.models.segmenter import checked_segmenter
from analysis.shared.distances import PER_FEATURE
from analysis.shared.errors import GanatomyError

Extractor = Callable[[Tensor], Tensor]  # images (N, 3, H, W) in [-1, 1] to features (N, d)
BATCH, COARSE = 32, 4
MOST = 128  # projected features: more need more pictures, and a Fréchet distance time for each set


def chosen_network(features: str, segmenter: Any, images: int, models: Path, device: str = "cpu") -> Any:
    """Return the network of `ArtifactsSettings.features`: the segmenter, or ImageNet's, fetched if need be.

    ImageNet's 1,280 features are projected to as many as `images` pictures allow, at most 128.

    Raises:
        GanatomyError: its weights are not here and cannot be fetched.
    """
    if features == "segmenter" or (features == "auto" and hasattr(segmenter, "features")):
        return segmenter
    try:
        efficientnet_lite.fetch(models)
    except GanatomyError as error:
        raise GanatomyError(f"{error} Or compare pictures by the segmenter's features.") from error
    return efficientnet_lite.load(models, device, max(1, min(MOST, images // PER_FEATURE)))


def as_extractor(network: Any) -> Extractor:
    """Return the function that gives a network's features.

    A module (put in evaluation mode) or a function is called itself. Of a segmenter the method `features` is
    used. A segmenter without that method gives the share of each concept in the picture, and the picture's
    colours on a 4x4 grid.
    """
    if hasattr(network, "labels"):
        if hasattr(network, "features"):
            return _of_segmenter(network)
        checked_segmenter(network, pictures=True)
        return _shares_and_colours(network)
    if isinstance(network, nn.Module):
        return _of_module(network.eval())
    chosen: Extractor = network
    return chosen


def name_of(network: Any) -> str:
    """Return the extractor's name in tables."""
    return str(getattr(network, "name", None) or getattr(network, "__name__", type(network).__name__))


def content_of(network: Any) -> str:
    """Return what identifies its features: the hash of the weights where it has any, else its name."""
    if isinstance(network, nn.Module):
        return weights_sha256(network.state_dict())
    return str(getattr(network, "weights_sha256", name_of(network)))


def features_of(extractor: Extractor, images: Tensor | Iterable[Tensor]) -> Tensor:
    """Return features (N, d) of images, or of batches of images: float32 on the CPU, without gradients."""
    batches = images.split(BATCH) if isinstance(images, Tensor) else images
    with torch.no_grad():
        return torch.cat([extractor(batch).flatten(1).float() for batch in batches]).cpu()


def _of_module(module: nn.Module) -> Extractor:
    weight = next(module.parameters(), None)

    def features(images: Tensor) -> Tensor:
        found: Tensor = module(images if weight is None else images.to(weight.device))
        return found

    return features


def _of_segmenter(segmenter: Any) -> Extractor:
    # A copy with channels last: the same numbers, in two thirds of the time on a CPU.
    quick = copy.deepcopy(segmenter)
    for part in vars(quick).values():
        if isinstance(part, nn.Module):
            part.to(memory_format=torch.channels_last)

    def features(images: Tensor) -> Tensor:
        found: Tensor = quick.features(images.contiguous(memory_format=torch.channels_last))
        return found

    return features


def _shares_and_colours(segmenter: Any) -> Extractor:
    def features(images: Tensor) -> Tensor:
        if hasattr(segmenter, "probabilities"):  # of all concepts in one pass; row 0 is nothing
            shares = segmenter.probabilities(images)[:, 1:].mean((2, 3))
        else:
            each = [segmenter.probability(images, concept).mean((1, 2)) for concept in segmenter.concepts]
            shares = torch.stack(each, 1)
        colours = functional.adaptive_avg_pool2d(images.to(shares.device), COARSE).flatten(1)
        return torch.cat([shares, colours], 1)

    return features
