"""A look at a segmenter before it is registered and after: the same labels, from what was kept."""

from __future__ import annotations

import torch
from torch import Tensor

from analysis.models.segmentation.report import check_segmenter
from analysis.models.segmenter import (
    Segmenter,
    checked_labels,
    checked_probability,
    checked_segmenter,
    labels_by_number,
)
from analysis.shared.errors import GanatomyError

SIDE = 64


def pictures() -> Tensor:
    """Two images (2, 3, 64, 64) of smooth random colours, the same at each call."""
    noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(SIDE, SIDE), mode="bilinear").clamp(-1, 1)


def tried(segmenter: Segmenter) -> tuple[object, ...]:
    """The segmenter's concepts, with labels and a probability of two pictures where it takes pictures.

    Raises:
        GanatomyError: it breaks the contract of a segmenter.
    """
    concepts = checked_segmenter(segmenter)
    if labels_by_number(segmenter) is not None:
        return concepts, segmenter.weights_sha256  # type: ignore[attr-defined]
    images = pictures()
    with torch.no_grad():
        probability = checked_probability(segmenter, images, 0)
    return concepts, checked_labels(segmenter, images), probability


def problems(segmenter: Segmenter) -> tuple[str, ...]:
    """What `check_segmenter` finds wrong with a segmenter on the two pictures, a sentence each."""
    if labels_by_number(segmenter) is not None:
        return ()
    return check_segmenter(segmenter, pictures()).problems


def compare(before: tuple[object, ...], after: tuple[object, ...], name: str) -> None:
    """Compare what was tried before adding a segmenter with the same of the one that was kept.

    Raises:
        GanatomyError: the two differ.
    """
    for one, two in zip(before, after, strict=True):
        same = torch.equal(one, two) if isinstance(one, Tensor) and isinstance(two, Tensor) else one == two
        if not same:
            raise GanatomyError(
                f"The segmenter '{name}' labels pictures differently once it is kept, so it was not added; "
                "please report its family."
            )
