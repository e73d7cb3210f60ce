"""A segmenter that says how far it is, since segmenting is the slow part of a block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analysis.models.segmenter import Segmenter
from analysis.shared.concepts import Concept
from jobs.tasks.progress import Progress


class Reported:
    """`segmenter`, run a few images at a time, with progress told after each few."""

    def __init__(self, segmenter: Segmenter, few: int, progress: Progress) -> None:
        self._segmenter, self._few, self._progress = segmenter, few, progress
        self._told = 0
        self.name = str(getattr(segmenter, "name", type(segmenter).__name__))
        self.weights_sha256 = str(getattr(segmenter, "weights_sha256", "") or type(segmenter).__name__)

    @property
    def concepts(self) -> Sequence[Concept]:
        """The vocabulary."""
        return self._segmenter.concepts

    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, maps, h, w)."""
        parts = []
        for few in images.split(self._few):
            parts.append(self._segmenter.labels(few))
            self._tell(len(few))
        return torch.cat(parts)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """As the segmenter's own."""
        return self._segmenter.probability(images, concept)

    def _tell(self, images: int) -> None:
        self._told += images
        self._progress.advance(images)

    def block_done(self, images: int, kept: bool) -> None:
        """A block of `images` new images is counted, or was `kept` from before, which says nothing of the
        speed. What was told of it while it was segmented is not told again."""
        rest, self._told = images - self._told, 0
        if kept:
            self._progress.skip(rest)
        else:
            self._progress.advance(rest)
