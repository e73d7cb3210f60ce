"""A small U-Net (Ronneberger et al. 2015) that names the pixels of drawn worlds.

It works at half the size of the pictures, and a pixel's scores depend on those at most 37 pixels away in a
row or column: an edit of a small place leaves the labels of the rest as they were.

segmenter = build(weights, {"world": "churches"}, "church-parts", "cpu")
labels = segmenter.labels(images)                            # (N, 3, 64, 64): objects, parts, materials
segmenter.probability(images, "door").mean().backward()      # differentiable in the images
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from analysis.models.checkpoints import State, load_state, weights_sha256
from analysis.models.choice import Choice
from analysis.models.families.family import Config
from analysis.models.segmentation.family import SegmenterFamily, answers
from analysis.shared.concepts import Concept, concept_index
from analysis.worlds import room_vocabulary, vocabulary

SIDE = 64
WIDTHS = (32, 64, 64)  # channels at 32, 16 and 8 pixels
DOWN, UP = (1, 2, 1), (2, 1)  # residual convolutions at these sizes, before and after the smallest
LAST = 64  # channels from which the head scores four pixels
REACH = 37  # pixels in a row or column, beyond which nothing changes a pixel's scores


class World(NamedTuple):
    """What a drawn world's label maps hold: names by map, and the concepts in the same order."""

    maps: tuple[tuple[str, ...], ...]
    concepts: tuple[Concept, ...]

    @property
    def classes(self) -> list[int]:
        """Classes of each map's softmax: nothing and its concepts."""
        return [1 + len(names) for names in self.maps]


WORLDS = {
    "churches": World(vocabulary.MAPS, vocabulary.CONCEPTS),
    "rooms": World(room_vocabulary.MAPS, room_vocabulary.CONCEPTS),
}


def recognises(state: State, config: Config) -> bool:
    """Whether these are the keys of this U-Net, with a drawn world's classes."""
    head = state.get("head.weight")
    classes = {sum(world.classes) for world in WORLDS.values()}
    return head is not None and tuple(head.shape[1:]) == (LAST, 1, 1) and head.shape[0] / 4 in classes


def build(state: State, config: Config, name: str, device: str) -> UnetSegmenter:
    """The segmenter of a checkpoint.

    Raises:
        GanatomyError: the weights are not such a U-Net's, or the world is unknown.
    """
    world = WORLDS[answers(FAMILY, config)["world"]]
    network = Unet(sum(world.classes))
    weights = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    load_state(network, weights, "a U-Net of this world")
    return UnetSegmenter(network, world, name, device)


FAMILY = SegmenterFamily(
    "U-Net of a drawn world",
    recognises,
    build,
    (Choice("world", "The drawn world that it was trained on.", tuple(WORLDS), "churches"),),
)


def _convolution(before: int, after: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(before, after, size, stride, padding=size // 2 if stride == 1 else 0, bias=False)
    return [layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


class _Residual(nn.Sequential):
    """Convolution, norm and ReLU, added to what they were given."""

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + super().forward(x)
        return added


def _level(first: list[nn.Module], width: int, residuals: int) -> nn.Sequential:
    return nn.Sequential(*first, *(_Residual(*_convolution(width, width)) for _ in range(residuals)))


class Unet(nn.Module):
    """Images (N, 3, H, W) to logits (N, classes, H, W); H and W are multiples of 8.

    No convolution works at the full size: two by two pixels become twelve channels of one (Shi et al. 2016),
    and the head scores the classes of these four pixels from one location's channels.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        firsts = [_convolution(12, WIDTHS[0]), *(_convolution(a, b, 2, 2) for a, b in pairwise(WIDTHS))]
        self.down = nn.ModuleList(map(_level, firsts, WIDTHS, DOWN))
        self.across = nn.ModuleList(nn.Sequential(*_convolution(b, a, 1)) for a, b in pairwise(WIDTHS))
        self.up = nn.ModuleList(_level([], a, residuals) for a, residuals in zip(WIDTHS, UP, strict=False))
        self.last = nn.Sequential(*_convolution(WIDTHS[0], LAST))
        self.head = nn.Conv2d(LAST, 4 * classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.scores(images).flatten(1, 2), 2)

    def scores(self, images: Tensor, classes: slice = slice(None)) -> Tensor:
        """Logits of some classes before pixels are in their places, (N, classes, 4, H / 2, W / 2).

        `pixel_shuffle` puts the four pixels of a location where they belong.
        """
        levels = self._levels(images)
        x = levels.pop()
        for up, narrow, skip in zip(reversed(self.up), reversed(self.across), reversed(levels), strict=True):
            x = up(skip + functional.interpolate(narrow(x), scale_factor=2, mode="nearest"))
        bias = self.head.bias
        assert bias is not None
        weight, bias = (
            part.unflatten(0, (-1, 4))[classes].flatten(0, 1) for part in (self.head.weight, bias)
        )
        return functional.conv2d(self.last(x), weight, bias).contiguous().unflatten(1, (-1, 4))

    def features(self, images: Tensor) -> Tensor:
        """Every level's features on the way down, fine to coarse, averaged over each picture: (N, 160)."""
        return torch.cat([level.mean((2, 3)) for level in self._levels(images)], 1)

    def _levels(self, images: Tensor) -> list[Tensor]:
        x = functional.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)
        levels: list[Tensor] = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        return levels


def folded(network: Unet) -> Unet:
    """A copy for evaluation in which every batch norm is part of the convolution before it."""
    network = copy.deepcopy(network).eval()
    for chain in [part for part in network.modules() if isinstance(part, nn.Sequential)]:
        for place, (layer, norm) in enumerate(pairwise(chain)):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                chain[place], chain[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return network


def largest(scores: Tensor, first: int = 0) -> Tensor:
    """`first` plus the class of the largest score, 0 where that is class 0: (N, classes, ...) to (N, ...).

    The classes are those of `argmax(1)`, as floats. On a CPU argmax takes ten times as long as these
    comparisons of whole planes; the first of equal scores counts, since later ones must be larger.
    """
    planes = scores.unbind(1)
    best, found, larger = planes[0].clone(), torch.zeros_like(planes[0]), torch.empty_like(planes[0])
    for number, plane in enumerate(planes[1:], start=1):
        torch.gt(plane, best, out=larger)
        torch.maximum(found, larger.mul_(first + number), out=found)
        torch.maximum(best, plane, out=best)
    return found


class UnetSegmenter:
    """The segmenter protocol over a U-Net: one softmax a label map, the first class of each being nothing.

    The network works with channels last and without batch norms: the same numbers up to rounding, in half the
    time on a CPU.
    """

    family = "unet"

    def __init__(self, network: Unet, world: World, name: str, device: str) -> None:
        self.name, self.concepts, self.maps = name, world.concepts, world.maps
        self._sizes = world.classes
        self.device = torch.device(device)
        self.weights_sha256 = weights_sha256(network.state_dict())
        quick = folded(network).requires_grad_(False).to(self.device)
        self.network = quick.to(memory_format=torch.channels_last)

    def logits(self, images: Tensor) -> tuple[Tensor, ...]:
        """One tensor a map, (N, 1 + its concepts, 64, 64); images of another size are resized."""
        scores: tuple[Tensor, ...] = self.network(self._sized(images)).split(self._sizes, 1)
        return scores

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """The network's features, averaged over each picture, (N, 160)."""
        return self.network.features(self._sized(images))

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, maps, 64, 64), int64: 0 is nothing, i + 1 is concepts[i]."""
        first, labels = 0, []
        for scores in self.network.scores(self._sized(images)).split(self._sizes, 1):
            labels.append(largest(scores, first))
            first += scores.shape[1] - 1
        return functional.pixel_shuffle(torch.cat(labels, 1), 2).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, 64, 64), differentiable in the images.

        Raises:
            GanatomyError: no concept of the vocabulary has that name.
        """
        index, first = concept_index(self.concepts, concept), 0
        for size in self._sizes:
            if index < size - 1:
                # Only the map that holds the concept is scored.
                scores = self.network.scores(self._sized(images), slice(first, first + size))
                return functional.pixel_shuffle(scores.softmax(1)[:, index + 1], 2)[:, 0]
            index, first = index - (size - 1), first + size
        raise AssertionError("the maps hold every concept")

    def _sized(self, images: Tensor) -> Tensor:
        images = images.to(self.device)
        if images.shape[-2:] != (SIDE, SIDE):
            images = functional.interpolate(
                images, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
            )
        return images
