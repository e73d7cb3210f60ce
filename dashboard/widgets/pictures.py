"""Top images of units with the mask in a translucent colour, as PNG."""

from pathlib import Path

import streamlit as st
from PIL import Image

from dashboard.charts import palette
from db.store import bundles
from jobs.render import top_images
from jobs.render.top_images import Gallery, Shown, png, strip

__all__ = ["Gallery", "Shown", "gallery", "outlined", "png", "strip", "unit_images", "unit_strip"]


@st.cache_resource(max_entries=12, show_spinner="Reading images")
def gallery(bundle: str, layer: str) -> Gallery:
    """The layer's gallery, in a cache: a bundle never changes."""
    return Gallery(bundles.read(Path(bundle)), layer)


def outlined(
    shown: Shown,
    threshold: float | None,
    grid: tuple[int, int],
    width: int,
    low: bool = False,
    colour: str = palette.MASK,
) -> Image.Image:
    """As `top_images.outlined`, in a colour of the palette."""
    return top_images.outlined(shown, threshold, grid, width, low, palette.rgb(colour))


@st.cache_data(max_entries=400, show_spinner=False)  # of about 100 kB each
def unit_strip(
    bundle: str,
    layer: str,
    unit: int,
    threshold: float | None,
    grid: tuple[int, int],
    images: int,
    width: int = 128,
    low: bool = False,
    rows: int = 1,
    colour: str = palette.MASK,
) -> bytes:
    """The images of a unit's card as PNG, `images` in a row."""
    shown = gallery(bundle, layer).unit(unit, images * rows)
    return strip([outlined(each, threshold, grid, width, low, colour) for each in shown], images)


@st.cache_data(max_entries=200, show_spinner=False)
def unit_images(
    bundle: str,
    layer: str,
    unit: int,
    threshold: float | None,
    grid: tuple[int, int],
    width: int = 256,
    low: bool = False,
    colour: str = palette.MASK,
) -> list[tuple[int, bytes]]:
    """A unit's top images, highest peak first: their latents, and PNGs with the mask in a colour."""
    shown = gallery(bundle, layer).unit(unit)
    return [(each.latent, png(outlined(each, threshold, grid, width, low, colour))) for each in shown]
