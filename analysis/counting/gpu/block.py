"""Label maps of a block on a GPU, arranged once for all layers, and what is counted of them alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from analysis.counting import replicas
from analysis.counting.ceiling import EVERY, LEVELS
from analysis.counting.counts import Counts
from analysis.counting.formulas import Formula
from analysis.counting.plan import partner_offsets
from analysis.counting.vector_loops import PAD
from analysis.shared.arrays import Array
from analysis.shared.bilinear import axis


class LabelMaps:
    """Label maps (n, maps, H, W) on a device, with one more for each formula as in `formulas.stacked`.

    A concept that two maps name at a pixel is in the first only.
    """

    def __init__(
        self, labels: Array, device: torch.device, formulas: Sequence[Formula], concepts: int
    ) -> None:
        self.images, _maps, self.height, self.width = labels.shape
        self.concepts, self.columns, self.device = concepts, concepts + len(formulas), device
        given = torch.from_numpy(np.ascontiguousarray(labels.astype(np.int32))).to(device).flatten(2)
        levels = list(given.unbind(1))
        for level, own in enumerate(levels):
            for earlier in levels[:level]:
                own = torch.where(own == earlier, 0, own)
            levels[level] = own
        for number, formula in enumerate(formulas):
            one, other = ((given == concept + 1).any(dim=1) for concept in formula[:2])
            shown = one & ~other if formula.negated else one | other
            levels.append(shown.int() * (concepts + number + 1))
        self.labels = torch.stack(levels, 1)  # (n, levels, pixels) int32

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def shown(self, images: slice, columns: Sequence[Array]) -> Tensor:
        """(n, most, H, W) float32 0/1 of some columns of each image, 0 behind an image's last."""
        labels = self.labels[images]
        most = max((len(own) for own in columns), default=0)
        number = np.zeros((len(labels), self.columns + 1), np.int64)
        for row, own in zip(number, columns, strict=True):
            row[own + 1] = np.arange(1, len(own) + 1)
        at = torch.arange(len(labels), device=self.device)[:, None, None]
        local = torch.from_numpy(number).to(self.device)[at, labels.long()]
        found = torch.zeros(len(labels), most + 1, self.pixels, device=self.device)
        found.scatter_(1, local, 1.0)
        return found[:, 1:].unflatten(2, (self.height, self.width))

    def overlap(self) -> Array:
        """Pixels (C, C) on which two concepts lie, both ways; on the diagonal each concept's."""
        many = self.concepts + 1
        found = torch.zeros(many * many, dtype=torch.int64, device=self.device)
        levels = [level.long().flatten() for level in self.labels.unbind(1)]
        for level, own in enumerate(levels):
            found += torch.bincount(own * (many + 1), minlength=many * many)
            for other in levels[:level]:
                found += torch.bincount(own * many + other, minlength=many * many)
                found += torch.bincount(other * many + own, minlength=many * many)
        return found.view(many, many)[1:, 1:].cpu().numpy()


@dataclass(frozen=True)
class Block:
    """A block's label maps as the GPU's loops want them; K concepts and formulas are present, n images.

    `present` (K,) are columns of the counts, and `shown` (K, n) says in which images they are. Tensors: areas
    and constant (K, n) int64, pixels of each concept and of those within its constant control; weights
    (n, replicas) float64. segments (s,) int32 are concept * n + image of each concept in each image that
    shows it, and pixels[starts[k] : starts[k + 1]] int32 its pixels there.
    """

    maps: LabelMaps
    present: Array
    shown: Array
    areas: Tensor
    constant: Tensor
    weights: Tensor
    offsets: tuple[int, ...]
    segments: Tensor
    starts: Tensor
    pixels: Tensor

    @property
    def images(self) -> int:
        return self.maps.images

    @property
    def single(self) -> int:
        """How many of those present are no formulas."""
        return int((self.present < self.maps.concepts).sum())

    @cached_property
    def columns(self) -> Tensor:
        """Those of the concepts present, on the device."""
        return torch.from_numpy(self.present).to(self.maps.device)

    @cached_property
    def weights_of_lanes(self) -> Tensor:
        """How often images i - 4 ... i + 4 are a partner of image i: (9,) int32; 1 for itself."""
        found = np.zeros(2 * PAD + 1, np.int32)
        for offset in self.offsets:
            found[PAD - offset] += 1
            found[PAD + offset] += 1
        found[PAD] = 1
        return torch.from_numpy(found).to(self.maps.device)

    def concepts_of(self, image: int) -> Array:
        """The columns of the single concepts that an image shows."""
        return self.present[: self.single][self.shown[: self.single, image]]

    @classmethod
    def of(
        cls, first: int, maps: LabelMaps, counts: Counts, masks: Array | None, places: dict[str, Tensor]
    ) -> "Block":
        """From the maps of the latents from `first` on.

        Counts the places of concepts, into `places` on the device, and with the constant controls (C, H, W)
        these.
        """
        device, images = maps.device, maps.images
        present = np.flatnonzero(torch.bincount(maps.labels.flatten(), minlength=1).cpu().numpy()[1:])
        number = np.zeros(maps.columns + 1, np.int64)
        number[present + 1] = np.arange(1, len(present) + 1)
        local = torch.from_numpy(number).to(device)[maps.labels.flatten()]
        # Sorted by concept; within one by image, since the sort is stable.
        ordered, order = torch.sort(local, stable=True)
        lacking = int((ordered == 0).sum())
        concept, order = ordered[lacking:] - 1, order[lacking:]
        image, pixel = order // maps.labels[0].numel(), order % maps.pixels
        segment = concept * images + image
        area = torch.bincount(segment, minlength=len(present) * images).view(len(present), images)
        _add_places(first, concept, image, pixel, present, maps, places)
        both = torch.zeros_like(area)
        if masks is not None:
            control = torch.from_numpy(masks.reshape(len(masks), -1)[present]).to(device)
            inside = segment[control[concept, pixel]]
            both = torch.bincount(inside, minlength=len(present) * images).view(len(present), images)
        there = area.cpu().numpy()
        counts.areas[present] += there.sum(axis=1)
        counts.shown[present] += (there > 0).sum(axis=1)
        if len(counts.overlap):
            counts.overlap += maps.overlap()
        weight = np.zeros((images, 0))
        if masks is not None:
            weight = replicas.weights(first, images, counts.about["replica_rate"])
            sizes, found = masks.reshape(len(masks), -1).sum(1), both.cpu().numpy()
            out = (counts.constant, counts.constant_replicas)
            replicas.add_constant(sizes, present, found.T, there.T, weight, *out)
        listed = np.flatnonzero(there)
        starts = np.concatenate([[0], there.ravel()[listed].cumsum()])
        segments, begins = (torch.from_numpy(each.astype(np.int32)).to(device) for each in (listed, starts))
        weights, offsets = torch.from_numpy(weight).to(device), partner_offsets(images)
        whole = (area, both, weights, offsets, segments, begins, pixel.int())
        return cls(maps, present, there > 0, *whole)


def _add_places(
    first: int,
    concept: Tensor,
    image: Tensor,
    pixel: Tensor,
    present: Array,
    maps: LabelMaps,
    places: dict[str, Tensor],
) -> None:
    """Adds where concepts lie, of all images and, in calibration, of odd latents."""
    columns, size = torch.from_numpy(present).to(maps.device), len(present) * maps.pixels
    for name, total in places.items():
        place = concept * maps.pixels + pixel
        if name == "odd":
            place = torch.where((first + image) % 2 == 1, place, size)
        found = torch.bincount(place, minlength=size + 1)[:size].view(len(present), maps.pixels)
        total.flatten(1).index_add_(0, columns, found.to(total.dtype))


def add_ceilings(first: int, block: Block, ceilings: dict[str, Array]) -> None:
    """Adds the ceiling of each grid on every eighth latent, as `analysis.counting.ceiling` does."""
    maps = block.maps
    for image in range(-first % EVERY, block.images, EVERY):
        columns = block.concepts_of(image)
        shown = maps.shown(slice(image, image + 1), [columns])[0]
        for name, counts in ceilings.items():
            h, w = (int(side) for side in name.split("x"))
            counts[columns] += _ceiling(shown, (min(h, maps.height), min(w, maps.width))).cpu().numpy()


def _ceiling(shown: Tensor, cells: tuple[int, int]) -> Tensor:
    """Pixels (concepts, LEVELS + 1, 2) by level, outside and in."""
    some, height, width = shown.shape
    down, across = _members(cells[0], height, shown), _members(cells[1], width, shown)
    share = (down.T @ shown.double() @ across) / torch.outer(down.sum(0), across.sum(0))
    value = _between(_between(share, height, 1), width, 2)
    level = (value * LEVELS - 1e-6).ceil().long()
    number = torch.arange(some, device=shown.device)[:, None, None]
    place = (number * (LEVELS + 1) + level) * 2 + shown.long()
    found = torch.bincount(place.flatten(), minlength=some * (LEVELS + 1) * 2)
    return found.view(some, LEVELS + 1, 2)


def _members(cells: int, pixels: int, like: Tensor) -> Tensor:
    """(pixels, cells) float64 0/1: which cell a pixel row or column lies in."""
    found = torch.zeros(pixels, cells, dtype=torch.float64)
    found[torch.arange(pixels), torch.arange(pixels) * cells // pixels] = 1
    return found.to(like.device)


def _between(share: Tensor, pixels: int, dim: int) -> Tensor:
    """Upsampled along one dimension, in the order of operations of the loop on a processor."""
    places = axis(share.shape[dim], pixels)
    first, second, weight = (torch.from_numpy(part).to(share.device) for part in places)
    a, b = share.index_select(dim, first), share.index_select(dim, second)
    return a + weight.double().view([-1 if k == dim else 1 for k in range(3)]) * (b - a)
