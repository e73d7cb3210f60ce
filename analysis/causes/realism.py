"""The realism score: whether an edited image is still like those that the generator makes.

R(x) = max over reference images y of radius_k(y) / |x - y| (Kynkaanniemi et al. 2019, equation 3). Here
radius_k(y) is the distance from y to its k-th nearest reference image. As in the paper, references with a
radius over the median are left out. A score of 1 or more is inside the neighbourhood of some reference.

The references are unedited images of other latents. The features are those of the segmenter, or pooled
pixels. So scores compare edits, not generators.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from analysis.shared.errors import GanatomyError

NEIGHBOURS = 3


def pooled_pixels(images: Tensor) -> Tensor:
    """Return images averaged down to 8x8, (N, 192): the features where a segmenter has none."""
    return functional.adaptive_avg_pool2d(images, 8).flatten(1)


def check_enough(references: int) -> None:
    """Check the number of reference images.

    Raises:
        GanatomyError: there are too few.
    """
    if references <= 2 * NEIGHBOURS:
        raise GanatomyError(
            f"Realism needs more than {2 * NEIGHBOURS} reference images, and there would be {references}; "
            "use more training images."
        )


class Realism:
    """The realism of images, against reference features (M, d)."""

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
        """Return the realism (N,) of images."""
        return self.of(self._feature(images))

    def of(self, features: Tensor) -> Tensor:
        """Return the realism (N,) of features (N, d)."""
        away = torch.cdist(features.double().to(self._reference), self._reference)
        return (self._radius / away.clamp(min=1e-12)).amax(1)
