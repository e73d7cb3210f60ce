"""Top images of units with the mask outlined, as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from analysis.dissection.pictures import Pictures
from analysis.editing import masks
from db.store import bundles

GAP = 4  # pixels between the pictures of a strip


@dataclass(frozen=True)
class Shown:
    """One image of a unit: latent number, image (H, W, 3) uint8, activation map (h, w) float32."""

    latent: int
    image: np.ndarray
    map: np.ndarray


class Gallery:
    """The top images of one layer's units, read from the run's bundle when they are needed."""

    def __init__(self, bundle: bundles.Bundle, layer: str) -> None:
        self.bundle, self.layer = bundle, layer

    @cached_property
    def _images(self) -> Pictures:
        return Pictures(self.bundle.array("images"))

    @cached_property
    def _activations(self) -> dict[str, np.ndarray]:
        return dict(self.bundle.array(f"activations-{self.layer}"))

    def unit(self, unit: int, most: int = 8) -> list[Shown]:
        """The unit's images, highest peak first."""
        if not {"images", f"activations-{self.layer}"} <= set(self.bundle.names("arrays")):
            return []
        a = self._activations
        rows = np.flatnonzero(a["unit"] == unit)
        rows = rows[np.argsort(a["rank"][rows])][:most]
        latents = [(row, int(a["latent"][row])) for row in rows]
        kept = self._images
        return [Shown(n, kept[n], a["maps"][row]) for row, n in latents if n in kept]


@st.cache_resource(max_entries=12, show_spinner="Reading images")
def gallery(bundle: str, layer: str) -> Gallery:
    """The layer's gallery, in a cache: a bundle never changes."""
    return Gallery(bundles.read(Path(bundle)), layer)


def outlined(shown: Shown, threshold: float | None, grid: tuple[int, int], width: int) -> Image.Image:
    """The image, about `width` pixels wide, with the mask at `threshold` outlined unless that is None.

    The mask is the scored one, on the run's grid; it is enlarged without smoothing.
    """
    height, across = grid
    factor = max(1, round(width / across))
    size = (across * factor, height * factor)
    image = np.asarray(Image.fromarray(shown.image).resize(size, Image.Resampling.BICUBIC))
    if threshold is None or not np.isfinite(threshold):
        return Image.fromarray(image)
    mask = masks.mask(shown.map, threshold, height, across)
    return Image.fromarray(masks.outline(image, mask, thickness=max(1, round(factor * across / 80))))


def strip(pictures: Sequence[Image.Image], columns: int) -> bytes:
    """Images of one size, `columns` in a row, as PNG with transparent gaps."""
    if not pictures:
        return png(Image.new("RGBA", (columns * 64, 64)))
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    canvas = Image.new("RGBA", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP))
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        canvas.paste(picture, (column * (width + GAP), row * (height + GAP)))
    return png(canvas)


def png(image: Image.Image) -> bytes:
    """The image as PNG."""
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


@st.cache_data(max_entries=2000, show_spinner=False)
def unit_strip(
    bundle: str,
    layer: str,
    unit: int,
    threshold: float | None,
    grid: tuple[int, int],
    images: int,
    width: int = 128,
) -> bytes:
    """The images of a unit's card as PNG."""
    shown = gallery(bundle, layer).unit(unit, images)
    return strip([outlined(each, threshold, grid, width) for each in shown], images)
