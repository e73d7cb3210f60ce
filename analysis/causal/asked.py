"""What `ace` was asked, checked; and the samples of latents that every stage draws from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causal import constants, learning, streams
from analysis.causal.amounts import Amounts, sizes, top_units
from analysis.causal.keeping import Keep
from analysis.causal.meter import Eyes, Meter
from analysis.causal.realism import Realism, pooled_pixels
from analysis.causal.sample import Sample
from analysis.errors import GanatomyError
from analysis.generators.generator import Generator
from analysis.segmenters.protocol import Segmenter

Array = NDArray[Any]
Arrays = dict[str, Array]
Progress = Callable[[str, int, int], None]
Feature = Callable[[Tensor], Tensor]


@dataclass
class Asked:
    """One concept at one layer, and how it is to be learned and measured."""

    generator: Generator
    segmenter: Segmenter
    layer: str
    concept: str
    seed: int
    insert: str
    settings: learning.Settings
    amounts: Amounts
    iou: Array | None
    feature: Feature | None
    top: int | None
    progress: Progress
    folder: Path | None
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self.place = self.generator.layer(self.layer)
        self.layer = self.place.name
        self.eyes = Eyes(self.segmenter, self.concept, self.meter)
        self.top = top_units(self.place.units) if self.top is None else self.top
        if not 1 <= self.top <= self.place.units:
            raise GanatomyError(
                f"A causal set of {self.top} units is not possible; {self.layer} has {self.place.units}."
            )
        self.sizes = sorted({*sizes(self.place.units), self.top})
        if self.insert not in constants.KINDS:
            raise GanatomyError(
                f"There is no insertion '{self.insert}'; choose {', '.join(constants.KINDS)}."
            )
        if self.iou is not None and np.shape(self.iou) != (self.place.units,):
            raise GanatomyError(
                f"{self.layer} has {self.place.units} units, but {np.size(self.iou)} IoUs were given; "
                "give one each."
            )
        self._stopping: dict[int, Sample] = {}
        self.keep = Keep(self.folder, self._about(), self.meter)

    def _about(self) -> Mapping[str, Any]:
        iou = None if self.iou is None else np.asarray(self.iou, float).round(12).tolist()
        return {
            "generator": self.generator.weights_sha256,
            "segmenter": getattr(self.segmenter, "weights_sha256", None) or type(self.segmenter).__name__,
            "concepts": [concept.name for concept in self.segmenter.concepts],
            "layer": self.place.path,
            "concept": self.concept,
            "seed": self.seed,
            "insert": self.insert,
            "settings": asdict(self.settings),
            "amounts": asdict(self.amounts),
            "iou": iou,
            "top": self.top,
            "feature": getattr(self.feature, "__qualname__", None),
        }

    # The samples are made when a stage first needs them: a call that goes on may not need them all.

    @cached_property
    def training(self) -> list[Sample]:
        """Each learning seed's own training latents."""
        return [
            self.sample(
                f"training images {number + 1}", streams.TRAINING, number, self.amounts.training, True
            )
            for number in range(self.amounts.seeds)
        ]

    @cached_property
    def testing(self) -> Sample:
        """The latents that only measure."""
        return self.sample("test images", streams.TESTING, 0, self.amounts.images, True)

    def sample(self, stage: str, start: int, number: int, count: int, images: bool) -> Sample:
        return Sample(
            self.generator,
            self.layer,
            self.eyes,
            self.seed,
            streams.lane(start, number, count),
            self.meter,
            batch=self.amounts.batch,
            keep_images=images,
            feature=self._feature if images else None,
            progress=lambda done, total: self.progress(stage, done, total),
        )

    @cached_property
    def _feature(self) -> Feature:
        found = self.feature or getattr(self.segmenter, "features", None)
        return found if found is not None else pooled_pixels

    @cached_property
    def realism(self) -> Realism:
        reference = torch.cat([sample.features for sample in self.training])
        return Realism(reference, self._feature)
