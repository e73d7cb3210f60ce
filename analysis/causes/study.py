"""One concept at one layer: the models, the settings, and the samples of latents that every stage uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analysis.causes.realism import Realism, check_enough, pooled_pixels
from analysis.causes.sample import Sample
from analysis.causes.segmentation import ConceptSegmenter
from analysis.causes.settings import CausesSettings, curve_sizes
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.models.segmenter import Segmenter
from analysis.shared import latent_ranges
from analysis.shared.arrays import Floats
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.meter import Meter
from analysis.shared.stage_cache import StageCache

FORMAT = 5  # rises when a stage's file holds other numbers than before
Feature = Callable[[Tensor], Tensor]
Progress = Callable[[str, int, int], None]


@dataclass
class Study:
    """What all stages need. Use `of`, which checks it.

    The samples are made when a stage first needs them: a call that goes on may not need them all.
    """

    generator: Generator
    segmenter: ConceptSegmenter
    second: ConceptSegmenter | None
    layer: Layer
    seed: int
    settings: CausesSettings
    iou: Floats | None  # as given, (units,)
    by_hand: list[int]
    feature: Feature  # of the realism score
    progress: Progress
    meter: Meter
    cache: StageCache

    @classmethod
    def of(
        cls,
        generator: Generator,
        segmenter: Segmenter,
        layer: str,
        concept: Concept | str,
        seed: int,
        settings: CausesSettings,
        iou: Floats | None,
        by_hand: Sequence[int],
        second: Segmenter | None,
        feature: Feature | None,
        progress: Progress | None,
        folder: Path | None,
    ) -> Study:
        """Check what was asked for.

        Raises:
            GanatomyError: there is no such layer, concept or unit, the IoUs do not fit the layer, or realism
                would have too few reference images.
        """
        found, meter = generator.layer(layer), Meter()
        own = ConceptSegmenter(segmenter, concept, meter)
        other = ConceptSegmenter(second, concept, meter) if second is not None else None
        hand = found.checked(by_hand) if len(by_hand) else []
        top = settings.causal_set(found.units)
        check_enough(settings.seeds * settings.training)
        if iou is not None and np.shape(iou) != (found.units,):
            raise GanatomyError(
                f"{found.name} has {found.units} units, but {np.size(iou)} IoUs were given; give one each."
            )
        about = {
            "format": FORMAT,
            "generator": generator.identity,
            "segmenter": own.identity,
            "concepts": [known.name for known in own.concepts],
            "layer": found.path,
            "concept": own.concept,
            "seed": seed,
            "settings": asdict(settings),
            "iou": None if iou is None else np.asarray(iou, float).round(12).tolist(),
            "top": top,
            "by_hand": hand,
            "feature": getattr(feature, "__qualname__", None),
        }
        return cls(
            generator=generator,
            segmenter=own,
            second=other,
            layer=found,
            seed=seed,
            settings=settings,
            iou=None if iou is None else np.asarray(iou, float),
            by_hand=hand,
            feature=feature or getattr(segmenter, "features", None) or pooled_pixels,
            progress=progress or (lambda stage, done, total: None),
            meter=meter,
            cache=StageCache(folder, about, meter),
        )

    @property
    def top(self) -> int:
        """The size of the causal set that the summary speaks of."""
        return self.settings.causal_set(self.layer.units)

    @cached_property
    def sizes(self) -> list[int]:
        """The numbers n of units on the curves, 0 first."""
        return sorted({*curve_sizes(self.layer.units), self.top, len(self.by_hand)})

    @cached_property
    def training(self) -> list[Sample]:
        """The training images of each learning seed."""
        return [
            self.sample(f"training images {number + 1}", latent_ranges.TRAINING, number)
            for number in range(self.settings.seeds)
        ]

    @cached_property
    def testing(self) -> Sample:
        """The images that only measure."""
        return self.sample("test images", latent_ranges.TESTING)

    def stopping(self, number: int) -> Sample:
        """Make the stopping images of one learning seed."""
        return self.sample(f"stopping images {number + 1}", latent_ranges.STOPPING, number, images=False)

    def sample(
        self,
        stage: str,
        start: int,
        number: int = 0,
        images: bool = True,
        segmenter: ConceptSegmenter | None = None,
        exactly: int | None = None,
    ) -> Sample:
        """Make the images of a learning seed from a latent range on.

        More latents of the seed's own lane are drawn until enough images show the concept, except where it is
        said how many `exactly`. Without `images` the sample keeps only what learning needs. Realism's
        features are made only of what the study's own segmenter sees.
        """
        settings = self.settings
        count = {
            latent_ranges.TRAINING: settings.training,
            latent_ranges.STOPPING: 2 * settings.stop_images,  # of each edit
            latent_ranges.TESTING: settings.images,
        }[start]
        count = exactly or count
        return Sample(
            self.generator,
            self.layer.name,
            segmenter or self.segmenter,
            self.seed,
            latent_ranges.lane(start, number, count),
            self.meter,
            need=0 if exactly else settings.shown,
            most=min(latent_ranges.LANE, settings.drawn * count),
            name=stage.rstrip(" 0123456789"),
            batch=settings.batch,
            keep_images=images,
            feature=self.feature if images and segmenter is None else None,
            progress=lambda done, total: self.progress(stage, done, total),
        )

    @cached_property
    def realism(self) -> Realism:
        """The realism score against all training images."""
        return Realism(torch.cat([sample.features for sample in self.training]), self.feature)

    def counter(self, stage: str, total: int) -> Callable[[int], None]:
        """Return a function that counts a stage's images and reports progress."""
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.progress(stage, done, total)

        return count
