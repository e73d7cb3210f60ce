"""Top images of units with the mask in a translucent colour, from a run's bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image

from analysis.dissection.pictures import Pictures
from analysis.editing import masks
from db.errors import StoreError
from db.store.bundles import Bundle

GAP = 4  # pixels between the pictures of a strip


@dataclass(frozen=True)
class Shown:
    """One image of a unit: latent number, image (H, W, 3) uint8, activation map (h, w) float32."""

    latent: int
    image: np.ndarray
    map: np.ndarray


class Gallery:
    """The top images of one layer's units, read from the run's bundle when they are needed."""

    def __init__(self, bundle: Bundle, layer: str) -> None:
        self.bundle, self.layer = bundle, layer

    @cached_property
    def _images(self) -> Pictures:
        return Pictures(self.bundle.array("images").mapped())

    @cached_property
    def _activations(self) -> dict[str, np.ndarray]:
        return self.bundle.array(f"activations-{self.layer}").mapped()

    def unit(self, unit: int, most: int = 8) -> list[Shown]:
        """The unit's images, highest peak first; none where the run keeps none."""
        if not {"images", f"activations-{self.layer}"} <= set(self.bundle.names("arrays")):
            return []
        a = self._activations
        rows = np.flatnonzero(a["unit"] == unit)
        rows = rows[np.argsort(a["rank"][rows])][:most]
        latents = [(row, int(a["latent"][row])) for row in rows]
        kept = self._images
        return [Shown(n, kept[n], a["maps"][row]) for row, n in latents if n in kept]


def outlined(
    shown: Shown,
    threshold: float | None,
    grid: tuple[int, int],
    width: int,
    low: bool = False,
    ink: Sequence[int] = masks.YELLOW,
) -> Image.Image:
    """The image, about `width` pixels wide, with the mask at `threshold` in a colour unless that is None.

    With `low`, the mask is where the activation is not over the threshold.

    The mask is the scored one, on the run's grid; it is enlarged without smoothing.
    """
    height, across = grid
    factor = max(1, round(width / across))
    size = (across * factor, height * factor)
    image = np.asarray(Image.fromarray(shown.image).resize(size, Image.Resampling.BICUBIC))
    if threshold is None or not np.isfinite(threshold):
        return Image.fromarray(image)
    mask = masks.mask(shown.map, threshold, height, across, low)
    tinted = masks.tint(image, mask, ink)
    return Image.fromarray(masks.outline(tinted, mask, ink, max(1, round(factor * across / 128))))


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


def unit(
    bundle: Bundle,
    layer: str,
    number: int,
    threshold: float | None,
    grid: tuple[int, int],
    columns: int = 4,
    rows: int = 1,
    width: int = 128,
    low: bool = False,
) -> bytes:
    """The unit's top images as one PNG, highest peak first, each about `width` pixels wide.

    Raises StoreError where the run keeps no images of the unit.
    """
    shown = Gallery(bundle, layer).unit(number, columns * rows)
    if not shown:
        raise StoreError(f"This run keeps no images of {layer} unit {number}.")
    return strip([outlined(each, threshold, grid, width, low) for each in shown], columns)
