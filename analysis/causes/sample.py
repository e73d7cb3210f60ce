"""Latents whose maps at a layer are kept, so that any edit of any of them runs only the tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from analysis.causes.segmentation import ConceptSegmenter
from analysis.editing.kept_maps import KeptMaps
from analysis.models.generator import Generator, ImageCut, quick_layout
from analysis.shared.latents import latents
from analysis.shared.meter import Meter

Seen = Callable[[Tensor], Tensor]


class Sample:
    """Latents start to stop of a seed, each made and segmented once: maps, masks, shares of pixels.

    Until `need` images show the concept more latents are drawn behind them, up to `most` in all.

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
        need: int = 0,
        most: int = 0,
        name: str = "images",
        batch: int = 32,
        keep_images: bool = False,
        feature: Seen | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.generator, self.layer, self.meter, self.batch = generator, generator.layer(layer), meter, batch
        self.concept, self.name = segmenter.concept, name  # what a sentence calls them
        grid = (self.layer.height, self.layer.width)
        kept: dict[str, list[Tensor]] = {"images": [], "labels": [], "mask": []}
        kept |= {"shares": [], "features": []}
        (first, stop), shown = span, 0
        self._kept = KeptMaps(generator, layer, self._count)
        at, last = first, max(stop, first + most)
        while at < stop or (shown < need and at < last):
            end = min(at + batch, stop if at < stop else last)
            part = latents(seed, at, end, generator.latent_shape)
            at = end
            cut = self._kept.add(part, stop - first)
            images = self._plain(cut)
            mask, shares, labels = segmenter.segment(images)
            shown += int(mask.flatten(1).any(1).sum())
            kept["mask"].append(mask)
            kept["shares"].append(shares)
            if keep_images:
                kept["images"].append(images)
                kept["labels"].append(labels)
            if feature is not None:
                kept["features"].append(feature(images))
            progress(end - first, max(stop - first, end - first))
        joined: dict[str, Any] = {name: torch.cat(parts) if parts else None for name, parts in kept.items()}
        self.images, self.labels, self.features = joined["images"], joined["labels"], joined["features"]
        self.mask, self.shares = joined["mask"], joined["shares"]
        self.there = pooled(self.mask.float(), grid).to(generator.device)

    @property
    def shown(self) -> Tensor:
        """Which images show the concept, bool (N,), on the CPU."""
        return self.mask.flatten(1).any(1).cpu()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def z(self) -> Tensor:
        """The latents, (N, *latent_shape)."""
        return self._kept.z

    def maps(self, rows: Tensor) -> Tensor:
        """R = h(z) of some rows, (n, units, h, w)."""
        return self._kept.maps(rows)

    def tail(self, rows: Tensor, r: Tensor) -> Tensor:
        """f(r): the images of these rows when the layer returns r. Differentiable in r.

        A row may stand several times, so that many edits of an image run as one batch.
        """
        self.meter.tail += len(r)
        return self._kept.tail(rows, r)

    def _count(self, passes: int) -> None:
        self.meter.generator += passes

    def _plain(self, cut: ImageCut) -> Tensor:
        """The unedited images, made as the edited ones will be, so that no change is one of rounding."""
        if cut.kept is None or cut.r.device.type != "cpu":
            return cut.images
        self.meter.tail += len(cut.r)
        with torch.no_grad():
            return cut.kept.tail(quick_layout(cut.r))

    def all_maps(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every map with its rows, batch by batch."""
        for rows in torch.arange(len(self)).split(self.batch):
            yield rows, self.maps(rows)


def pooled(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pixels (N, H, W) averaged down to a layer's grid, (N, h, w)."""
    return functional.adaptive_avg_pool2d(pixels[:, None], grid)[:, 0]
