"""The first pictures of a generator with their label maps over them, and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from analysis.models.vocabularies import colour
from analysis.shared.concepts import Concept, distinct
from analysis.shared.errors import GanatomyError

PICTURES = 16
TILE, GAP, LINE, MARGIN = 128, 4, 18, 12
COLUMN = 200  # of the legend
MOST = 60  # concepts in the legend
COVER = 0.6
INK, PAPER, PALE = (25, 25, 25), (255, 255, 255), (110, 110, 110)


def check_picture(
    pictures: NDArray[np.uint8],
    labels: NDArray[Any],
    concepts: Sequence[Concept],
    colours: Sequence[str] = (),
    title: str = "",
    legend: bool = True,
) -> Image.Image:
    """A sheet of up to 16 pictures (N, H, W, 3) beside their label maps (N, maps, h, w), with a legend.

    Each label map has a sheet of its own. The legend has the share of all pixels that carry a concept, the
    largest first. `colours` are "#rrggbb", one for each concept; without them they are made.
    A page that writes the legend itself leaves it out.

    Raises:
        GanatomyError: pictures and labels are not of as many images, or a label is no concept.
    """
    pictures, labels = pictures[:PICTURES], np.asarray(labels)[:PICTURES].astype(np.int64)
    names = [concept.name for concept in distinct(concepts)]
    fits = pictures.ndim == 4 and labels.ndim == 4 and len(pictures) == len(labels) > 0
    if not fits or not 0 <= labels.min(initial=0) <= labels.max(initial=0) <= len(names):
        raise GanatomyError(
            "Pictures and label maps do not fit each other; give as many, within the vocabulary."
        )
    wanted = [*colours] if len(colours) == len(names) else [colour(number) for number in range(len(names))]
    palette = np.array([(0, 0, 0), *(ImageColor.getrgb(each)[:3] for each in wanted)], np.uint8)
    sheets = [_sheet([_tile(picture) for picture in pictures])]
    for level in range(labels.shape[1]):
        sheets.append(
            _sheet(
                [_over(picture, maps[level], palette) for picture, maps in zip(pictures, labels, strict=True)]
            )
        )
    shares = np.array([(labels == number).any(1).mean() for number in range(1, len(names) + 1)])
    nothing = float((labels == 0).all(1).mean())
    width = max(sum(sheet.width for sheet in sheets) + MARGIN * (len(sheets) + 1), COLUMN + 2 * MARGIN)
    columns = max(1, (width - 2 * MARGIN) // COLUMN)
    rows = _legend(names, wanted, shares, nothing) if legend else []
    top = MARGIN + (LINE + GAP if title else 0)
    height = top + sheets[0].height + MARGIN + math.ceil(len(rows) / columns) * LINE + MARGIN * legend
    made = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(size=12)
    if title:
        draw.text((MARGIN, MARGIN), title, INK, font)
    for number, sheet in enumerate(sheets):
        made.paste(sheet, (MARGIN + number * (sheet.width + MARGIN), top))
    first, deep = top + sheets[0].height + MARGIN, math.ceil(len(rows) / columns)
    for number, (text, shown) in enumerate(rows):
        x, y = MARGIN + number // deep * COLUMN, first + number % deep * LINE
        if shown is not None:
            draw.rectangle((x, y + 2, x + 12, y + 14), ImageColor.getrgb(shown))
        draw.text(
            (x + (18 if shown is not None else 0), y + 1), text, INK if shown is not None else PALE, font
        )
    return made


def _legend(
    names: Sequence[str], colours: Sequence[str], shares: NDArray[np.float64], nothing: float
) -> list[tuple[str, str | None]]:
    """Lines of text, each with the colour of its swatch or none."""
    order = [int(number) for number in np.argsort(-shares, kind="stable") if shares[number] > 0]
    rows: list[tuple[str, str | None]] = []
    for number in order[:MOST]:
        rows.append((f"{_short(names[number])}  {_percent(shares[number])}", colours[number]))
    rows.append((f"nothing  {_percent(nothing)}", None))
    if len(order) > MOST:
        rows.append((f"{len(order) - MOST} more are seen", None))
    if unseen := len(names) - len(order):
        rows.append((f"{unseen} of {len(names)} concepts are not seen", None))
    return rows


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:20] + "..."


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _tile(picture: NDArray[np.uint8]) -> Image.Image:
    height, width = picture.shape[:2]
    factor = TILE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Image.fromarray(picture).resize(
        size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    )


def _over(picture: NDArray[np.uint8], labels: NDArray[np.int64], palette: NDArray[np.uint8]) -> Image.Image:
    """A picture in grey with its labels' colours; what is nothing stays as it is."""
    tile = _tile(picture)
    shown = Image.fromarray(labels.astype(np.int32)).resize(tile.size, Image.Resampling.NEAREST)
    numbers = np.asarray(shown)
    grey = np.asarray(tile.convert("L"), np.float32)[..., None]
    mixed = (1 - COVER) * grey + COVER * palette[numbers]
    return Image.fromarray(np.where(numbers[..., None] > 0, mixed, np.asarray(tile)).astype(np.uint8))


def _sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    side = math.ceil(math.sqrt(len(tiles)))
    width, height = tiles[0].size
    rows = math.ceil(len(tiles) / side)
    sheet = Image.new("RGB", (side * (width + GAP) - GAP, rows * (height + GAP) - GAP), PAPER)
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % side * (width + GAP), number // side * (height + GAP)))
    return sheet
