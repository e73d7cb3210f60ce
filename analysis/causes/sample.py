"""Latents whose maps at a layer are kept, so that any edit of any of them runs only the tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from analysis.causes.segmentation import ConceptSegmenter
from analysis.models.generator import Generator, ImageCut
from analysis.shared.latents import latents
from analysis.shared.meter import Meter

ROOM = 2 << 30  # bytes of maps that are kept; beyond, h runs again
Seen = Callable[[Tensor], Tensor]


class Sample:
    """Latents start to stop of a seed, each made and segmented once: maps, masks, shares of pixels.

    `there` (N, h, w) is the concept's share of each featuremap cell, `shares` (N, C) every concept's share of
    the image, `mask` (N, H, W) the concept's pixels, `features` whatever `feature` makes of the images.
    """

    def __init__(
        self,
        generator: Generator,
        layer: str,
        segmenter: ConceptSegmenter,
        seed: int,
        span: tuple[int, int],
        meter: Meter,
        *,
        name: str = "images",
        batch: int = 32,
        keep_images: bool = False,
        feature: Seen | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.generator, self.layer, self.meter, self.batch = generator, generator.layer(layer), meter, batch
        self.concept, self.name = segmenter.concept, name  # what a sentence calls them
        self.z = latents(seed, *span, generator.latent_shape)
        grid = (self.layer.height, self.layer.width)
        self._kept = len(self.z) * self.layer.units * grid[0] * grid[1] * 4 <= ROOM
        self._cut: ImageCut | None = None
        self._rows: list[int] = []
        kept: dict[str, list[Tensor]] = {"r": [], "images": [], "labels": [], "mask": []}
        kept |= {"shares": [], "features": []}
        for part in self.z.split(batch):
            cut = generator.cut(part, layer)
            meter.generator += len(part)
            images = self._plain(cut)
            mask, shares, labels = segmenter.segment(images)
            kept["mask"].append(mask)
            kept["shares"].append(shares)
            for name, wanted, value in (
                ("r", self._kept, cut.r),
                ("images", keep_images, images),
                ("labels", keep_images, labels),
            ):
                if wanted:
                    kept[name].append(value)
            if feature is not None:
                kept["features"].append(feature(images))
            progress(sum(map(len, kept["mask"])), len(self.z))
        if cut.any_batch:
            self._cut = cut
        self._chain = cut.any_batch
        joined: dict[str, Any] = {name: torch.cat(parts) if parts else None for name, parts in kept.items()}
        self._maps: Tensor | None = joined["r"]
        self.images, self.labels, self.features = joined["images"], joined["labels"], joined["features"]
        self.mask, self.shares = joined["mask"], joined["shares"]
        self.there = pooled(self.mask.float(), grid).to(generator.device)

    def __len__(self) -> int:
        return len(self.z)

    def maps(self, rows: Tensor) -> Tensor:
        """R = h(z) of some rows, (n, units, h, w)."""
        if self._maps is not None:
            return self._maps[rows.to(self._maps.device)]
        return self._made(rows).r

    def tail(self, rows: Tensor, r: Tensor) -> Tensor:
        """f(r): the images of these rows when the layer returns r. Differentiable in r."""
        self.meter.tail += len(r)
        if self._chain and self._cut is not None:
            return self._cut.tail(_quick(r))
        return self._made(rows).tail(r)

    def _plain(self, cut: ImageCut) -> Tensor:
        """The unedited images, made as the edited ones will be, so that no change is one of rounding."""
        if not cut.any_batch or cut.r.device.type != "cpu":
            return cut.images
        self.meter.tail += len(cut.r)
        with torch.no_grad():
            return cut.tail(_quick(cut.r))

    def all_maps(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every map with its rows, batch by batch."""
        for rows in torch.arange(len(self)).split(self.batch):
            yield rows, self.maps(rows)

    def _made(self, rows: Tensor) -> ImageCut:
        """A pass of these rows, kept until others are asked for."""
        wanted = rows.tolist()
        if self._cut is None or wanted != self._rows:
            self._cut = self.generator.cut(self.z[rows.cpu()], self.layer.name)
            self._rows = wanted
            self.meter.generator += len(wanted)
        return self._cut


def _quick(r: Tensor) -> Tensor:
    """On a CPU with channels last, which halves the time of small convolutions and what comes after them."""
    return r.contiguous(memory_format=torch.channels_last) if r.device.type == "cpu" else r


def pooled(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pixels (N, H, W) averaged down to a layer's grid, (N, h, w)."""
    return functional.adaptive_avg_pool2d(pixels[:, None], grid)[:, 0]
