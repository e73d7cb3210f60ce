"""A segmenter that reports progress, since segmenting is the slow part of a block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analysis.models.segmenter import Segmenter, labels_by_number, segmenter_hash, segmenter_name
from analysis.shared.concepts import Concept
from jobs.tasks.progress import Progress


class ReportedSegmenter:
    """`segmenter`, run on `batch` images at a time, with progress reported after each batch."""

    def __init__(self, segmenter: Segmenter, batch: int, progress: Progress) -> None:
        self._segmenter, self._batch, self._progress = segmenter, batch, progress
        self._reported = 0  # images of the current block
        self.name = segmenter_name(segmenter)
        self.weights_sha256 = segmenter_hash(segmenter)
        if (by_number := labels_by_number(segmenter)) is not None:
            self.labels_of = by_number
            self.labelled_generator = getattr(segmenter, "labelled_generator", None)

    @property
    def concepts(self) -> Sequence[Concept]:
        """The vocabulary."""
        return self._segmenter.concepts

    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, maps, h, w)."""
        parts = []
        for batch in images.split(self._batch):
            parts.append(self._segmenter.labels(batch))
            self._reported += len(batch)
            self._progress.advance(len(batch))
        return torch.cat(parts)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """As the segmenter's own."""
        return self._segmenter.probability(images, concept)

    def block_done(self, images: int, found: bool) -> None:
        """Report a block of `images` new images, less those that were reported while it was segmented.

        A block that was `found` from an earlier attempt says nothing about the speed.
        """
        rest, self._reported = images - self._reported, 0
        if found:
            self._progress.skip(rest)
        else:
            self._progress.advance(rest)
