"""Calibration IoU of units on the training latents, by the counting engine, from maps and labels kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causes.sample import Sample
from analysis.causes.segmentation import ConceptSegmenter
from analysis.counting.passes import Made, Source, count_from, pilot_from
from analysis.counting.plan import Plan
from analysis.counting.thresholds import choose
from analysis.models.generator import Generator
from analysis.shared.latent_ranges import LANE, TRAINING


class KeptSource(Source):
    """A source whose blocks were made before: samples (which kept their images) by their first latent."""

    def __init__(
        self, generator: Generator, segmenter: ConceptSegmenter, plan: Plan, samples: dict[int, Sample]
    ) -> None:
        super().__init__(generator, segmenter.segmenter, plan, None)
        self._samples = samples

    def block(self, start: int, stop: int) -> Made:
        first = max(known for known in self._samples if known <= start)
        sample = self._samples[first]
        rows = torch.arange(start - first, stop - first)
        assert sample.images is not None
        maps = {sample.layer.name: sample.maps(rows)}
        labels: NDArray[Any] = sample.labels[rows.to(sample.labels.device)].cpu().numpy()
        return Made((start, stop), sample.images[rows.to(sample.images.device)], maps, labels)

    def features(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        first = max(known for known in self._samples if known <= numbers[0])
        sample = self._samples[first]
        return {sample.layer.name: sample.maps(torch.tensor(numbers) - first)}


def calibration_iou(
    generator: Generator, segmenter: ConceptSegmenter, seed: int, samples: dict[int, Sample]
) -> NDArray[np.float64]:
    """IoU (U, C) at t(u, c), chosen and measured on the samples (by first latent); NaN without threshold."""
    layer = next(iter(samples.values())).layer.name
    whole = (TRAINING, TRAINING + 15 * LANE)
    spans = [(start, start + len(sample)) for start, sample in samples.items()]
    counts = None
    edges = None
    for span in spans:
        # A shard ends at a block's end or at the plan's; a lane may end anywhere, so each is its own plan.
        plan = Plan(seed=seed, layers=(layer,), calibration=span, evaluation=(whole[1], whole[1] + 64))
        source = KeptSource(generator, segmenter, plan, samples)
        edges = edges or pilot_from(source)
        counted = count_from(source, span, edges)
        counts = counted if counts is None else counts.merge(counted)
    assert counts is not None
    # An insertion raises the activation, so only high values count.
    return choose(counts, sides="high", compositions=False).layers[layer].score
