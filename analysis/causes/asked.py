"""What `ace` was asked, checked; and the samples of latents that every stage draws from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causes import constants
from analysis.causes.amounts import Amounts, sizes, top_units
from analysis.causes.keeping import Keep
from analysis.causes.meter import Eyes, Meter
from analysis.causes.realism import Realism, check_enough, pooled_pixels
from analysis.causes.sample import Sample
from analysis.causes.settings import Settings
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter
from analysis.shared import latent_ranges
from analysis.shared.errors import GanatomyError

KEPT = 2  # rises when a stage's file holds other numbers than before
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
    ablate: str
    insert: str
    settings: Settings
    amounts: Amounts
    iou: Array | None
    feature: Feature | None
    top: int | None
    by_hand: Sequence[int]
    second: Segmenter | None
    progress: Progress
    folder: Path | None
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self.place = self.generator.layer(self.layer)
        self.layer = self.place.name
        self.eyes = Eyes(self.segmenter, self.concept, self.meter)
        self.causal_set = top_units(self.place.units) if self.top is None else self.top
        if not 1 <= self.causal_set <= self.place.units:
            raise GanatomyError(
                f"A causal set of {self.causal_set} units is not possible; {self.layer} has "
                f"{self.place.units}."
            )
        self.hand = self.place.checked(self.by_hand) if len(self.by_hand) else []
        self.sizes = sorted({*sizes(self.place.units), self.causal_set, len(self.hand)})
        constants.check(self.ablate, self.insert)
        check_enough(self.amounts.seeds * self.amounts.training)
        self.other = Eyes(self.second, self.concept, self.meter) if self.second is not None else None
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
            "kept": KEPT,
            "generator": self.generator.weights_sha256,
            "segmenter": getattr(self.segmenter, "weights_sha256", None) or type(self.segmenter).__name__,
            "concepts": [concept.name for concept in self.segmenter.concepts],
            "layer": self.place.path,
            "concept": self.concept,
            "seed": self.seed,
            "ablate": self.ablate,
            "insert": self.insert,
            "settings": asdict(self.settings),
            "amounts": asdict(self.amounts),
            "iou": iou,
            "top": self.causal_set,
            "by_hand": self.hand,
            "feature": getattr(self.feature, "__qualname__", None),
        }

    # The samples are made when a stage first needs them: a call that goes on may not need them all.

    @cached_property
    def training(self) -> list[Sample]:
        """Each learning seed's own training latents."""
        return [
            self.sample("training images", latent_ranges.TRAINING, number, self.amounts.training)
            for number in range(self.amounts.seeds)
        ]

    @cached_property
    def testing(self) -> Sample:
        """The latents that only measure."""
        return self.sample("test images", latent_ranges.TESTING, 0, self.amounts.images)

    def sample(
        self, name: str, start: int, number: int, count: int, images: bool = True, eyes: Eyes | None = None
    ) -> Sample:
        """Latents of a lane; `images` False: only what learning needs is kept."""
        stage = f"{name} {number + 1}" if start != latent_ranges.TESTING else name
        return Sample(
            self.generator,
            self.layer,
            eyes or self.eyes,
            self.seed,
            latent_ranges.lane(start, number, count),
            self.meter,
            name=name,
            batch=self.amounts.batch,
            keep_images=images,
            feature=self._feature if images and eyes is None else None,
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
