"""A segmenter beside a generator: the report and the check picture of the generator's first images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from analysis.models.generator import Generator
from analysis.models.segmentation.check_picture import PICTURES, check_picture
from analysis.models.segmentation.report import SegmenterReport, check_segmenter
from analysis.models.segmenter import (
    Segmenter,
    check_labelled,
    checked_labels,
    checked_segmenter,
    labels_by_number,
)
from analysis.shared.latents import latents


@dataclass(frozen=True)
class Look:
    """What a segmenter makes of a generator's images, as numbers and as a picture."""

    generator: str
    report: SegmenterReport
    picture: Image.Image

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the picture."""
        report = self.report
        seen = zip(report.concepts, report.shares, strict=False)
        return {
            "generator": self.generator,
            "segmenter": report.name,
            "ok": report.ok,
            "problems": list(report.problems),
            "notes": list(report.notes),
            "maps": report.maps,
            "grid": list(report.grid),
            "nothing": report.nothing,
            "seconds_per_image": report.seconds_per_image,
            "shares": {concept.name: share for concept, share in seen if share > 0},
        }


def look(
    generator: Generator,
    segmenter: Segmenter,
    seed: int = 1,
    images: int = PICTURES,
    legend: bool = True,
) -> Look:
    """Label a generator's first images; of a segmenter of exported images, the first that it has labels of.

    Raises:
        GanatomyError: its labels cannot be drawn at all, or they are of another generator's images.
    """
    concepts = checked_segmenter(segmenter)
    check_labelled(segmenter, generator)
    numbers = list(range(images))
    if labels_by_number(segmenter) is not None:
        seed, numbers = (
            getattr(segmenter, "seed", seed),
            list(getattr(segmenter, "numbers", numbers))[:images],
        )
    z = torch.cat([latents(seed, number, number + 1, generator.latent_shape) for number in numbers])
    made = generator.images(z)
    report = check_segmenter(segmenter, made, seed, numbers)
    labels = checked_labels(segmenter, made, seed, numbers).cpu().numpy()
    pictures = ((made + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    title = f"{generator.name}, labelled by {report.name}" if legend else ""
    colours = tuple(getattr(segmenter, "colours", ()))
    return Look(
        generator.name,
        report,
        check_picture(np.ascontiguousarray(pictures), labels, concepts, colours, title, legend),
    )
