"""How a network wants its images: size, scale, mean and deviation, as processors of Hugging Face say it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from analysis.models.choice import Choice
from analysis.shared.errors import GanatomyError

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 512  # where nothing is said
LARGEST = 4096
MODES = {0: "nearest", 1: "bicubic", 2: "bilinear", 3: "bicubic", 4: "area"}  # by number of Pillow's filter

CHOICES = (
    Choice("size", "The size at which images are judged: 512, or 512x683 (height x width).", (), ""),
    Choice("mean", "The mean that is subtracted from images in 0 to 1: 0.485,0.456,0.406.", (), ""),
    Choice("deviation", "What they are divided by then: 0.229,0.224,0.225.", (), ""),
)


@dataclass(frozen=True)
class Pixels:
    """Images (N, 3, H, W) in [-1, 1] to what a network takes; differentiable.

    Attributes:
        size: height and width; or the length of the shorter side; None leaves images as they are.
        mean, deviation: of the three colours.
        scale: what images in [0, 1] are multiplied by before.
        mode: how images are resized.
        flip: whether colours are in the order blue, green, red.
        multiple: both sides are multiples of it.
    """

    size: tuple[int, int] | int | None = (SIDE, SIDE)
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION
    scale: float = 1.0
    mode: str = "bilinear"
    flip: bool = False
    multiple: int = 1

    @classmethod
    def of_processor(cls, processor: Mapping[str, Any], side: int | None = None) -> Pixels:
        """What a preprocessor_config.json says; `side` is the network's own size where that is fixed.

        Raises:
            GanatomyError: its values are none that images can have.
        """
        try:
            size = _size(processor) if processor.get("do_resize", True) is not False else None
            scale = float(processor.get("rescale_factor", 1 / 255)) * 255
            rescaled = processor.get("do_rescale", True) is not False
            normalised = processor.get("do_normalize", True) not in (False, None)
            found = cls(
                (side, side) if side is not None else size,
                _three(processor.get("image_mean") or IMAGENET_MEAN) if normalised else (0.0,) * 3,
                _three(processor.get("image_std") or IMAGENET_DEVIATION) if normalised else (1.0,) * 3,
                scale if rescaled else 255.0,
                MODES.get(int(processor.get("resample") or 2), "bilinear"),
                bool(processor.get("do_flip_channel_order")),
                int(processor.get("size_divisor") or processor.get("ensure_multiple_of") or 1),
            )
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise GanatomyError(
                "preprocessor_config.json holds values that say nothing about images; "
                "correct its size, image_mean and image_std."
            ) from error
        return found.checked()

    def overridden(self, answers: Mapping[str, str]) -> Pixels:
        """With the answers to `CHOICES`, where one is not empty."""
        found = self
        if text := answers.get("size"):
            parts = text.lower().split("x")
            if not 1 <= len(parts) <= 2 or not all(part.isdecimal() and len(part) < 6 for part in parts):
                raise GanatomyError(f"'{text[:40]}' is no size; write 512, or 512x683 (height x width).")
            found = replace(found, size=(int(parts[0]), int(parts[-1])))
        if text := answers.get("mean"):
            found = replace(found, mean=_written(text, "mean"))
        if text := answers.get("deviation"):
            found = replace(found, deviation=_written(text, "deviation"))
        return found.checked()

    def checked(self) -> Pixels:
        """The same, if its values are possible."""
        sides = self.size if isinstance(self.size, tuple) else (self.size or SIDE,)
        if not all(1 <= side <= LARGEST for side in sides) or not 1 <= self.multiple <= 256:
            raise GanatomyError(
                f"Images of {'x'.join(map(str, sides))} pixels cannot be judged; give a size up to {LARGEST}."
            )
        values = (*self.mean, *self.deviation, self.scale)
        if not all(map(math.isfinite, values)) or not all(self.deviation) or not self.scale:
            raise GanatomyError(
                "A deviation of 0 or a value that is no number cannot be applied; correct mean and deviation."
            )
        return self

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """The height and width at which an image of that size is judged."""
        if isinstance(self.size, tuple):
            return self.size
        factor = 1 if self.size is None else self.size / min(height, width)
        sides = (min(LARGEST, max(1, round(side * factor))) for side in (height, width))
        tall, wide = (-(-side // self.multiple) * self.multiple for side in sides)
        return tall, wide

    def __call__(self, images: Tensor) -> Tensor:
        x = (images + 1) / 2
        wanted = self.shape(*images.shape[2:])
        if tuple(images.shape[2:]) != wanted:
            smooth = self.mode in ("bilinear", "bicubic")
            x = functional.interpolate(
                x, wanted, mode=self.mode, **({"align_corners": False, "antialias": True} if smooth else {})
            )
            x = x.clamp(0, 1) if self.mode == "bicubic" else x  # as pixels of a picture file would be
        if self.flip:
            x = x.flip(1)
        mean, deviation = (
            torch.tensor(values, dtype=x.dtype, device=x.device).view(3, 1, 1)
            for values in (self.mean, self.deviation)
        )
        return (x * self.scale - mean) / deviation


def _three(values: Sequence[float]) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise ValueError(found)
    return found


def _written(text: str, what: str) -> tuple[float, ...]:
    try:
        return _three([float(part) for part in text.split(",")])
    except ValueError as error:
        raise GanatomyError(
            f"'{text[:40]}' is no {what}; write three numbers such as 0.5,0.5,0.5."
        ) from error


def _size(processor: Mapping[str, Any]) -> tuple[int, int] | int:
    size = processor.get("size")
    if processor.get("do_center_crop") and processor.get("crop_size"):
        size = processor["crop_size"]
    if size is None:
        return SIDE, SIDE
    if isinstance(size, Mapping):
        if "height" in size:
            return int(size["height"]), int(size["width"])
        return int(size["shortest_edge"])
    if isinstance(size, (list, tuple)):
        return int(size[0]), int(size[-1])
    return int(size) if processor.get("default_to_square") is False else (int(size), int(size))
