"""Pictures of an edit: before, after, and where they differ.

rendering = render(generator, Edit.parse("ablate layer3 4,17,31"), latents(1, 0, 4, generator.latent_shape))
    rendering.difference[0]             # uint8 (H, W, 3): dim grey where nothing changed, else red to white
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources, edited_images
from analysis.models.generator import Generator

Pixels = np.ndarray  # uint8 (N, H, W, 3)

# A change of this share of the full range is shown white. One scale for all pictures, so that they compare.
FULL_CHANGE = 0.5
HEAT = np.array([[0, 0, 0], [120, 10, 30], [230, 70, 20], [255, 190, 40], [255, 255, 230]], dtype=np.float32)


@dataclass(frozen=True)
class Rendering:
    """Pictures of N latents, each uint8 (N, H, W, 3)."""

    before: Pixels
    after: Pixels
    difference: Pixels


def render(generator: Generator, edit: Edit, z: Tensor, sources: Sources | None = None) -> Rendering:
    """Images of latents before and after an edit, by one whole pass and one of the tail alone.

    Raises:
        GanatomyError: the edit names a layer, unit or cell that the generator does not have.
    """
    return rendering(*edited_images(generator, edit, z, sources))


def rendering(before: Tensor, after: Tensor) -> Rendering:
    """The pictures of images (N, 3, H, W) before and after an edit."""
    was, now = pixels(before), pixels(after)
    return Rendering(was, now, difference(was, now))


def pixels(images: Tensor) -> Pixels:
    """Images (N, 3, H, W) in [-1, 1] as uint8 (N, H, W, 3); values outside are clipped."""
    scaled = ((images.detach().nan_to_num().clamp(-1, 1) + 1) * 127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def difference(before: Pixels, after: Pixels) -> Pixels:
    """How much each pixel changed, as heat over a dim grey of what was there."""
    change = (np.maximum(before, after) - np.minimum(before, after)).max(-1)
    amount = np.clip(np.arange(256, dtype=np.float32) / 255 / FULL_CHANGE, 0, 1)  # of each possible change
    shown = np.clip(4 * amount, 0, 1)[:, None]  # the grey gives way at an eighth of the full range
    grey = 0.35 * before.astype(np.float32).mean(-1, keepdims=True)
    return np.round((1 - shown)[change] * grey + (shown * heat(amount))[change]).astype(np.uint8)


def heat(amount: np.ndarray) -> np.ndarray:
    """Amounts in [0, 1] as colours (..., 3) from black over red and yellow to white, float32 in [0, 255]."""
    places = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(amount, places, HEAT[:, channel]) for channel in range(3)], -1).astype(
        np.float32
    )
