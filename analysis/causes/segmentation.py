"""A segmenter asked about one concept, with every image counted."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from analysis.models.segmenter import (
    Segmenter,
    checked_labels,
    checked_probability,
    checked_segmenter,
    segmenter_hash,
    segmenter_name,
)
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.meter import Meter


class Segmentation(NamedTuple):
    """What a segmenter says about N images."""

    mask: Tensor  # (N, H, W): the concept's pixels
    shares: Tensor  # (N, C): every concept's share of the pixels
    labels: Tensor  # (N, maps, H, W), in as few bytes as they need


class ConceptSegmenter:
    """A segmenter, one concept that it knows, and the meter that counts its images.

    Raises:
        GanatomyError: it is no segmenter of new pictures, or does not know the concept.
    """

    def __init__(self, segmenter: Segmenter, concept: Concept | str, meter: Meter) -> None:
        self.concepts = checked_segmenter(segmenter, pictures=True)
        self.index = concept_index(segmenter.concepts, concept)
        self.segmenter, self.concept, self._meter = segmenter, self.concepts[self.index].name, meter
        self.count = len(self.concepts)

    @property
    def identity(self) -> str:
        """What its results are recognised by: the hash of its weights, or its class."""
        return segmenter_hash(self.segmenter)

    @property
    def name(self) -> str:
        """What tables call it."""
        return segmenter_name(self.segmenter)

    def probability(self, images: Tensor) -> Tensor:
        """Return the concept's probability at each pixel (N, H, W), differentiable in the images."""
        self._meter.segmenter += len(images)
        return checked_probability(self.segmenter, images, self.index)

    @torch.no_grad()
    def segment(self, images: Tensor) -> Segmentation:
        """Segment images (N, 3, H, W)."""
        self._meter.segmenter += len(images)
        labels = checked_labels(self.segmenter, images)
        flat = labels.flatten(2)
        there = torch.zeros(
            (len(labels), self.count + 1, flat.shape[2]), dtype=torch.bool, device=labels.device
        )
        # Setting a flag, not adding: a pixel that carries a concept in two label maps counts once.
        there.scatter_(1, flat, torch.ones_like(flat, dtype=torch.bool))
        mask = (labels == self.index + 1).any(1)
        small = labels.to(torch.uint8 if self.count < 256 else torch.int16)
        return Segmentation(mask, there[:, 1:].float().mean(2), small)
