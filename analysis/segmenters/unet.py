"""A small U-Net (Ronneberger et al. 2015) that names the pixels of drawn worlds.

segmenter = UnetSegmenter(build(weights), vocabulary.MAPS, vocabulary.CONCEPTS)
labels = segmenter.labels(images)                            # (N, 3, 64, 64): objects, parts, materials
segmenter.probability(images, "door").mean().backward()      # differentiable in the images
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.concepts import Concept, concept_index

WIDTHS = (16, 32, 48, 64)  # channels at 64, 32, 16 and 8 pixels


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
        """The coarsest features, averaged over each picture: (N, 64)."""
        x = images
        for step, pair in enumerate(self.down):
            x = pair(x if step == 0 else functional.max_pool2d(x, 2))
        return x.mean((2, 3))


class UnetSegmenter:
    """The segmenter protocol over a U-Net: one softmax a label map, the first class of each being nothing."""

    def __init__(
        self,
        module: Unet,
        maps: Sequence[Sequence[str]],
        concepts: Sequence[Concept],
        size: int = 64,
        name: str = "unet",
        weights_sha256: str = "",
        device: str = "cpu",
    ) -> None:
        self.module = module.eval().requires_grad_(False).to(device)
        self.maps = tuple(tuple(names) for names in maps)
        self.concepts: tuple[Concept, ...] = tuple(concepts)
        self.size, self.name, self.family = size, name, "unet"
        self.weights_sha256, self.device = weights_sha256, torch.device(device)

    def logits(self, images: Tensor) -> tuple[Tensor, ...]:
        """One tensor a map, (N, 1 + its concepts, size, size); images of another size are resized."""
        images = images.to(self.device)
        if images.shape[-2:] != (self.size, self.size):
            images = functional.interpolate(
                images, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=True
            )
        return self.module(images).split([1 + len(names) for names in self.maps], 1)

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, maps, size, size), int64: 0 is nothing, i + 1 is concepts[i]."""
        first, labels = 0, []
        for names, scores in zip(self.maps, self.logits(images), strict=True):
            best = scores.argmax(1)
            labels.append(torch.where(best > 0, best + first, 0))
            first += len(names)
        return torch.stack(labels, 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, size, size), differentiable in the images.

        Raises:
            GanatomyError: no concept of the vocabulary has that name.
        """
        index = concept_index(self.concepts, concept)
        for names, scores in zip(self.maps, self.logits(images), strict=True):
            if index < len(names):
                return scores.softmax(1)[:, index + 1]
            index -= len(names)
        raise AssertionError("the maps hold every concept")


def build(state: Mapping[str, Tensor]) -> Unet:
    """The U-Net whose weights these are: its widths are read from their shapes."""
    count = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("down."))
    widths = [state[f"down.{k}.0.weight"].shape[0] for k in range(count)]
    module = Unet(state["head.weight"].shape[0], widths)
    module.load_state_dict({k: v if "num_batches" in k else v.float() for k, v in state.items()})
    return module.eval()
