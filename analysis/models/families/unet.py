"""A small U-Net (Ronneberger et al. 2015) that names the pixels of drawn worlds.

segmenter = build(weights, "church-parts", "churches", "cpu")
labels = segmenter.labels(images)                            # (N, 3, 64, 64): objects, parts, materials
segmenter.probability(images, "door").mean().backward()      # differentiable in the images
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state, weights_sha256
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError
from analysis.worlds import vocabulary

SIDE = 64
WIDTHS = (16, 32, 48, 64)  # channels at 64, 32, 16 and 8 pixels


class World(NamedTuple):
    """What a drawn world's label maps hold: names by map, and the concepts in the same order."""

    maps: tuple[tuple[str, ...], ...]
    concepts: tuple[Concept, ...]


WORLDS = {"churches": World(vocabulary.MAPS, vocabulary.CONCEPTS)}


def build(state: State, name: str, variant: str, device: str) -> UnetSegmenter:
    """The segmenter of a checkpoint; the variant says which drawn world it was trained on.

    Raises:
        GanatomyError: the weights are not such a U-Net's, or the world is unknown.
    """
    if variant not in WORLDS:
        raise GanatomyError(f"There is no drawn world '{variant}'; choose {', '.join(WORLDS)}.")
    world = WORLDS[variant]
    network = Unet(sum(1 + len(names) for names in world.maps))
    weights = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    load_state(network, weights, "a U-Net of this world")
    return UnetSegmenter(network, world, name, device)


def _pair(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Unet(nn.Module):
    """Images (N, 3, H, W) to logits (N, classes, H, W); H and W are multiples of 8."""

    def __init__(self, classes: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList(_pair(a + b, a) for a, b in pairwise(widths))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        kept: list[Tensor] = []
        x = images
        for step, pair in enumerate(self.down):
            x = pair(x if step == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        for pair, skip in zip(reversed(self.up), kept[-2::-1], strict=True):
            x = pair(torch.cat([skip, functional.interpolate(x, scale_factor=2, mode="nearest")], 1))
        logits: Tensor = self.head(x)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """Every level's features, fine to coarse, averaged over each picture: (N, 160)."""
        x, means = images, []
        for step, pair in enumerate(self.down):
            x = pair(x if step == 0 else functional.max_pool2d(x, 2))
            means.append(x.mean((2, 3)))
        return torch.cat(means, 1)


class UnetSegmenter:
    """The segmenter protocol over a U-Net: one softmax a label map, the first class of each being nothing."""

    family = "unet"

    def __init__(self, network: Unet, world: World, name: str, device: str) -> None:
        self.name, self.concepts, self.maps = name, world.concepts, world.maps
        self.device = torch.device(device)
        self.weights_sha256 = weights_sha256(network.state_dict())
        self.network = network.eval().requires_grad_(False).to(self.device)

    def logits(self, images: Tensor) -> tuple[Tensor, ...]:
        """One tensor a map, (N, 1 + its concepts, 64, 64); images of another size are resized."""
        sizes = [1 + len(names) for names in self.maps]
        scores: tuple[Tensor, ...] = self.network(self._sized(images)).split(sizes, 1)
        return scores

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """The network's features, averaged over each picture, (N, 160)."""
        return self.network.features(self._sized(images))

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, maps, 64, 64), int64: 0 is nothing, i + 1 is concepts[i]."""
        first, labels = 0, []
        for names, scores in zip(self.maps, self.logits(images), strict=True):
            best = scores.argmax(1)
            labels.append(torch.where(best > 0, best + first, 0))
            first += len(names)
        return torch.stack(labels, 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, 64, 64), differentiable in the images.

        Raises:
            GanatomyError: no concept of the vocabulary has that name.
        """
        index = concept_index(self.concepts, concept)
        for names, scores in zip(self.maps, self.logits(images), strict=True):
            if index < len(names):
                return scores.softmax(1)[:, index + 1]
            index -= len(names)
        raise AssertionError("the maps hold every concept")

    def _sized(self, images: Tensor) -> Tensor:
        images = images.to(self.device)
        if images.shape[-2:] != (SIDE, SIDE):
            images = functional.interpolate(
                images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
            )
        return images
