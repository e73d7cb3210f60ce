"""The realism score of single images (Kynkaanniemi et al. 2019, equation 3): is an edited image still one of
those that the generator makes?

R(x) = max over reference images y of radius_k(y) / |x - y|, radius_k(y) the distance from y to its k-th
nearest reference image; references with a radius over the median are left out, as in the paper. 1 or more:
inside the references' neighbourhoods. The reference here are unedited images of other latents, and the
features those of the segmenter, or pooled pixels: so scores compare edits, not generators.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from analysis.shared.errors import GanatomyError

NEIGHBOURS = 3


def pooled_pixels(images: Tensor) -> Tensor:
    """Images averaged down to 8x8, (N, 192): features where a segmenter has none."""
    return functional.adaptive_avg_pool2d(images, 8).flatten(1)


def check_enough(references: int) -> None:
    """Raises `GanatomyError` when there are too few reference images."""
    if references <= 2 * NEIGHBOURS:
        raise GanatomyError(
            f"Realism needs more than {2 * NEIGHBOURS} reference images, and there would be {references}; "
            "use more training images."
        )


class Realism:
    """Scores images against reference features (M, d)."""

    def __init__(self, reference: Tensor, feature: Callable[[Tensor], Tensor]) -> None:
        check_enough(len(reference))
        self._feature = feature
        reference = reference.double()
        away = torch.cdist(reference, reference)
        radius = away.kthvalue(NEIGHBOURS + 1, dim=1).values  # the nearest is the image itself
        inner = radius <= radius.median()
        self._reference, self._radius = reference[inner], radius[inner]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Realism (N,) of images."""
        return self.of(self._feature(images))

    def of(self, features: Tensor) -> Tensor:
        """Realism (N,) of features (N, d)."""
        away = torch.cdist(features.double().to(self._reference), self._reference)
        return (self._radius / away.clamp(min=1e-12)).amax(1)
