"""What a segmenter is: anything with these three members.

labels = segmenter.labels(images)          # (N, maps, h, w), 0 = nothing, i + 1 = segmenter.concepts[i]
share = segmenter.probability(images, "hair").mean()
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError


@runtime_checkable
class Segmenter(Protocol):
    """Names the pixels of images (N, 3, H, W) in [-1, 1].

    A pixel may carry several concepts, so labels are a stack of maps. A segmenter may also have `name`,
    `family`, `weights_sha256` and `device`; what is absent is recorded as unknown.
    """

    @property
    def concepts(self) -> Sequence[Concept]:
        """The vocabulary; label i + 1 means concepts[i]."""
        ...

    def labels(self, images: Tensor) -> Tensor:
        """Whole-number labels (N, maps, h, w), int64; 0 where nothing is named."""
        ...

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, h, w) in [0, 1], differentiable in the images."""
        ...


def segmenter_name(segmenter: object) -> str:
    """What a segmenter is called in tables and messages: its `name`, else its class."""
    return str(getattr(segmenter, "name", "") or type(segmenter).__name__)


def segmenter_hash(segmenter: object) -> str:
    """What identifies a segmenter in caches and run ids: the hash of its weights, else its class."""
    return str(getattr(segmenter, "weights_sha256", "") or type(segmenter).__name__)


def checked_labels(segmenter: Segmenter, images: Tensor) -> Tensor:
    """The segmenter's labels, checked for type, shape and range.

    Raises:
        GanatomyError: they are not whole numbers of shape (N, maps, h, w) within the vocabulary.
    """
    labels = segmenter.labels(images)
    name = segmenter_name(segmenter)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise GanatomyError(f"Segmenter '{name}' must return whole-number labels; return a LongTensor.")
    if labels.ndim != 4 or labels.shape[0] != images.shape[0] or 0 in labels.shape[1:]:
        raise GanatomyError(
            f"Segmenter '{name}' labels {images.shape[0]} images with shape {tuple(labels.shape)}; "
            "it must return (images, maps, height, width)."
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) <= len(segmenter.concepts):
        raise GanatomyError(
            f"Segmenter '{name}' returned labels from {int(labels.min())} to {int(labels.max())}, but it has "
            f"{len(segmenter.concepts)} concepts; labels run from 0 (nothing) to the number of concepts."
        )
    return labels.long()
