"""The image in what a generator's module returned, whatever it is wrapped in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from analysis.shared.errors import GanatomyError

IMAGE_KEYS = ("img", "image", "images", "sample")  # of dicts and dataclasses, as published ports name it


def as_images(output: object) -> Tensor:
    """The images (N, 3, H, W) in a module's output; grey becomes three equal channels.

    Of several, the largest counts: multi-scale generators return small copies beside it.

    Raises:
        GanatomyError: there is none.
    """
    found = [tensor for tensor in _tensors(output) if tensor.ndim == 4 and tensor.shape[1] in (1, 3)]
    if not found:
        raise GanatomyError(f"The generator returned {described(output)}; {_remedy(output)}.")
    images = max(found, key=lambda tensor: tensor.shape[2] * tensor.shape[3])
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def described(output: object) -> str:
    """The shapes and types in a module's output, in a few words."""
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in _tensors(output))
    return f"{type(output).__name__} of {shapes or 'no tensors'}"[:200]


def _remedy(output: object) -> str:
    if isinstance(output, Tensor) and output.ndim == 4 and output.shape[1] == 4:
        return "four channels are red, green, blue and alpha: drop alpha"
    if isinstance(output, Tensor) and output.ndim == 4 and output.shape[3] in (1, 3):
        return "the channels come last there: permute(0, 3, 1, 2)"
    if isinstance(output, Tensor) and output.ndim == 5:
        return "that is a video: return one frame"
    if isinstance(output, Tensor) and output.ndim == 2:
        return "reshape each row to an image (N, 3, H, W)"
    return "it must return images of shape (N, 3, H, W)"


def _tensors(output: object) -> Iterator[Tensor]:
    """Every tensor in an output: in the image-like key of a mapping if it has one, else in all of it."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        named = next((output[key] for key in IMAGE_KEYS if key in output), None)
        for part in [named] if named is not None else output.values():
            yield from _tensors(part)
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _tensors(part)
