"""Counts what passes through generator, tail and segmenter, in images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.concepts import concept_index


@dataclass
class Meter:
    """Images that went through the whole generator, its tail, and the segmenter; and seconds."""

    generator: int = 0
    tail: int = 0
    segmenter: int = 0
    earlier: float = 0.0  # seconds of stages that an earlier call had finished
    begun: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since the start, and what an earlier call had spent."""
        return self.earlier + time.perf_counter() - self.begun

    def values(self) -> tuple[float, ...]:
        return (self.generator, self.tail, self.segmenter, self.seconds)

    def add(self, values: tuple[float, ...]) -> None:
        """Takes over what an earlier call had counted."""
        self.generator += int(values[0])
        self.tail += int(values[1])
        self.segmenter += int(values[2])
        self.earlier += float(values[3])


class Eyes:
    """A segmenter that looks for one concept, and counts."""

    def __init__(self, segmenter: Segmenter, concept: str, meter: Meter) -> None:
        self.segmenter, self.concept, self._meter = segmenter, concept, meter
        self.label = concept_index(segmenter.concepts, concept) + 1
        self.count = len(segmenter.concepts)

    def probability(self, images: Tensor) -> Tensor:
        """How probable the concept is at each pixel, (N, H, W), differentiable."""
        self._meter.segmenter += len(images)
        return self.segmenter.probability(images, self.concept)

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The concept's mask (N, H, W), every concept's share of the pixels (N, C), and labels as bytes."""
        self._meter.segmenter += len(images)
        labels = checked_labels(self.segmenter, images)
        flat = labels.flatten(2)
        there = torch.zeros(
            (len(labels), self.count + 1, flat.shape[2]), dtype=torch.bool, device=labels.device
        )
        # A pixel that carries a concept in two maps counts once.
        there.scatter_(1, flat, torch.ones_like(flat, dtype=torch.bool))
        kind = torch.uint8 if self.count < 256 else torch.int16
        return (labels == self.label).any(1), there[:, 1:].float().mean(2), labels.to(kind)
