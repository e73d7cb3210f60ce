"""What an edit does to one image, in numbers: each concept's share, and the change of the pixels.

    found = measure(generator, segmenter, Edit.parse("insert layer3 36=4 at 8-11:2-6"), z)
    found.after["tree"].stroke          # the share of the edited cells' pixels that show a tree now

It is an observation of one image, and no effect: for that, see `analysis.causes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources, edited_images
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.concepts import distinct


class Shares(NamedTuple):
    """A concept's share of the pixels: of the whole image, of the edited cells, and of all others.

    None is the share of no pixels.
    """

    image: float
    stroke: float | None
    elsewhere: float | None


@dataclass(frozen=True)
class EditMeasurement:
    """One image before and after an edit; concepts by name."""

    before: dict[str, Shares]
    after: dict[str, Shares]
    stroke: float  # the edited cells' share of the image
    change_in_stroke: float | None  # root mean square change of the pixel values, which lie in [-1, 1]
    change_elsewhere: float | None  # None where there are no such pixels
    labels_before: NDArray[np.int64]  # (maps, h, w), see Segmenter
    labels_after: NDArray[np.int64]


def measure(
    generator: Generator, segmenter: Segmenter, edit: Edit, z: Tensor, sources: Sources | None = None
) -> EditMeasurement:
    """What an edit does to the image of one latent (1, *latent_shape).

    Raises:
        GanatomyError: the edit names a layer, unit or cell that the generator does not have.
    """
    before, after = edited_images(generator, edit, z, sources)
    return compared(generator, segmenter, edit, before, after, checked_labels(segmenter, before)[0])


def compared(
    generator: Generator, segmenter: Segmenter, edit: Edit, before: Tensor, after: Tensor, was: Tensor
) -> EditMeasurement:
    """What an edit did to one image (1, 3, H, W); `was` are the label maps (maps, h, w) of `before`."""
    where = edited_pixels(generator, edit).to(before.device)
    now = checked_labels(segmenter, after)[0]
    names = [concept.name for concept in distinct(segmenter.concepts)]
    square = (after - before).square().mean((0, 1))
    return EditMeasurement(
        before=dict(zip(names, _shares(was, where, len(names)), strict=True)),
        after=dict(zip(names, _shares(now, where, len(names)), strict=True)),
        stroke=float(where.float().mean()),
        change_in_stroke=_mean(square, where, root=True),
        change_elsewhere=_mean(square, ~where, root=True),
        labels_before=was.cpu().numpy(),
        labels_after=now.cpu().numpy(),
    )


def edited_pixels(generator: Generator, edit: Edit) -> Tensor:
    """The pixels (H, W), bool, that lie in the cells of an edit's steps; a step without cells has all."""
    height, width = generator.image_shape[-2:]
    where = torch.zeros((height, width), dtype=torch.bool)
    for step in edit.steps:
        layer = generator.layer(step.layer)
        cells = torch.zeros((1, 1, layer.height, layer.width))
        for box in step.cells:
            cells[..., box.top : box.bottom + 1, box.left : box.right + 1] = 1
        if not step.cells:
            cells += 1
        where |= functional.interpolate(cells, size=(height, width), mode="nearest-exact")[0, 0] > 0
    return where


def _shares(labels: Tensor, where: Tensor, count: int) -> list[Shares]:
    """Of each concept, from label maps (maps, h, w); a pixel that carries it in two maps counts once."""
    grid = where[None, None].float()
    chosen = functional.interpolate(grid, size=labels.shape[1:], mode="nearest-exact")[0, 0] > 0
    every, inside = _pixels(labels, count), _pixels(labels[:, chosen], count)
    pixels, covered = chosen.numel(), int(chosen.sum())
    return [
        Shares(all_ / pixels, _share(part, covered), _share(all_ - part, pixels - covered))
        for all_, part in zip(every, inside, strict=True)
    ]


def _pixels(labels: Tensor, count: int) -> list[int]:
    """How many pixels of label maps (maps, ...) carry each concept from 1 to `count`."""
    single = labels.clone()
    for later in range(1, len(labels)):
        for earlier in range(later):
            single[later][labels[later] == labels[earlier]] = 0
    found: list[int] = torch.bincount(single.flatten(), minlength=count + 1)[1 : count + 1].tolist()
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Tensor, where: Tensor, root: bool = False) -> float | None:
    if not where.any():
        return None
    mean = float(values[where].float().mean())
    return mean**0.5 if root else mean
