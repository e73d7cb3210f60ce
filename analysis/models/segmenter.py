"""What a segmenter is: anything with these three members.

labels = segmenter.labels(images)          # (N, maps, h, w), 0 = nothing, i + 1 = segmenter.concepts[i]
share = segmenter.probability(images, "hair").mean()
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from analysis.shared.concepts import Concept, distinct
from analysis.shared.errors import GanatomyError


@runtime_checkable
class Segmenter(Protocol):
    """Names the pixels of images (N, 3, H, W) in [-1, 1].

    A pixel may carry several concepts, so labels are a stack of maps. A segmenter may also have `name`,
    `family`, `weights_sha256` and `device`; what is absent is recorded as unknown. One that knows images by
    their latents alone, such as label maps made elsewhere, has `labels_of(seed, numbers)` too.
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


def checked_segmenter(segmenter: object, pictures: bool = False) -> tuple[Concept, ...]:
    """The segmenter's concepts, with names that differ (`concepts.distinct`), after a look at its members.

    With `pictures`, it will be asked about pictures that are made on the way, or for gradients.

    Raises:
        GanatomyError: it is no segmenter, its concepts are none, or it labels given pictures alone.
    """
    name = segmenter_name(segmenter)
    lacking = [each for each in ("labels", "probability") if not callable(getattr(segmenter, each, None))]
    if lacking or not hasattr(segmenter, "concepts"):
        lacks = " and ".join([*lacking, *([] if hasattr(segmenter, "concepts") else ["concepts"])])
        raise GanatomyError(
            f"'{name}' is no segmenter, since it has no {lacks}; write a class with concepts, "
            "labels(images) and probability(images, concept), as analysis.Segmenter describes."
        )
    if pictures and labels_by_number(segmenter) is not None:
        raise GanatomyError(
            f"'{name}' holds label maps of exported images, and knows nothing of edited ones; "
            "choose a segmenter that is a network."
        )
    return distinct(segmenter.concepts, f"Segmenter '{name}'")


def labels_by_number(segmenter: object) -> Callable[[int, Sequence[int]], Tensor] | None:
    """`labels_of(seed, numbers)` of a segmenter that knows images by latent number alone; else None."""
    found: Callable[[int, Sequence[int]], Tensor] | None = getattr(segmenter, "labels_of", None)
    return found


def check_labelled(segmenter: object, generator: object) -> None:
    """Whether a segmenter that knows images by number knows those of this generator.

    Raises:
        GanatomyError: its label maps are of another generator's images.
    """
    known = getattr(segmenter, "labelled_generator", None)
    if known is not None and known != getattr(generator, "identity", None):
        raise GanatomyError(
            f"The label maps of '{segmenter_name(segmenter)}' are of images of another generator, "
            "or of this one with other weights or inputs; export this one's images and label those."
        )


def checked_labels(
    segmenter: Segmenter, images: Tensor, seed: int | None = None, numbers: Sequence[int] = ()
) -> Tensor:
    """The segmenter's labels of images (N, 3, H, W) in [-1, 1], checked for type, shape and range.

    `seed` and `numbers` say of which latents the images were made, for a segmenter that knows them by number.

    Raises:
        GanatomyError: they are not whole numbers of shape (N, maps, h, w) within the vocabulary, or the
            segmenter fails.
    """
    name, by_number = segmenter_name(segmenter), labels_by_number(segmenter)
    try:
        if by_number is not None and seed is not None:
            labels = by_number(seed, numbers)
        else:
            labels = segmenter.labels(images)
    except (GanatomyError, MemoryError):
        raise
    except Exception as error:
        raise _failed(name, "labels(images)", error) from error
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise GanatomyError(f"Segmenter '{name}' must return whole-number labels; return a LongTensor.")
    if labels.ndim != 4 or labels.shape[0] != images.shape[0] or 0 in labels.shape[1:]:
        raise GanatomyError(
            f"Segmenter '{name}' labels {images.shape[0]} images with shape {tuple(labels.shape)}; "
            "it must return (images, maps, height, width)."
        )
    concepts = len(segmenter.concepts)
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) <= concepts:
        hint = "; 255 often means 'ignore': make it 0" if int(labels.max()) == 255 else ""
        raise GanatomyError(
            f"Segmenter '{name}' returned labels from {int(labels.min())} to {int(labels.max())}, but it has "
            f"{concepts} concepts; labels run from 0 (nothing) to the number of concepts{hint}."
        )
    return labels.long()


def checked_probability(segmenter: Segmenter, images: Tensor, concept: int) -> Tensor:
    """The probability (N, h, w) of the concept of that position, checked for type, shape and a gradient.

    Raises:
        GanatomyError: it has another shape, has no gradient though the images ask for one, or fails.
    """
    name, wanted = segmenter_name(segmenter), list(segmenter.concepts)[concept]
    try:
        found = segmenter.probability(images, wanted)
    except (GanatomyError, MemoryError):
        raise
    except Exception as error:
        raise _failed(name, f"probability(images, '{wanted.name}')", error) from error
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.ndim != 3:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise GanatomyError(
            f"Segmenter '{name}' returned the probability {got}; it must be of shape (images, height, width)."
        )
    if torch.is_grad_enabled() and images.requires_grad and not found.requires_grad:
        raise GanatomyError(
            f"The probability of segmenter '{name}' has no gradient in the images; compute it in torch, "
            "without no_grad, detach or numpy."
        )
    return found


def _failed(name: str, call: str, error: Exception) -> GanatomyError:
    # Out of memory has its own remedy, which the caller knows.
    if "out of memory" in str(error).lower() or "alloc" in str(error).lower():
        raise error
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return GanatomyError(
        f"Segmenter '{name}' failed in {call} ({reason}); try it on two images by itself, "
        "or with analysis.check_segmenter."
    )
