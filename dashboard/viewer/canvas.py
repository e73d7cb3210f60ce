"""An image to paint on in cells of a layer grid, by mouse, finger or keyboard, with a before/after wipe."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

from analysis.editing.edits import Cell

_HERE = Path(__file__).parent
_CANVAS = st.components.v2.component(
    "ganatomy_canvas",
    html=(_HERE / "canvas.html").read_text(),
    css=(_HERE / "canvas.css").read_text(),
    js=(_HERE / "canvas.js").read_text(),
)


@dataclass(frozen=True)
class Sheet:
    """What the canvas shows: two pictures (PNG files) of one image, the grid, and the brush."""

    before: str
    after: str
    grid: tuple[int, int]  # rows and columns of cells
    size: int  # cells across the brush
    colour: str
    labels: bool = False  # the pictures are label maps, which are not smoothed
    last: Sequence[Cell] = ()  # cells of the last stroke, which are outlined


def paint(sheet: Sheet, on_stroke: Callable[[list[Cell]], None], key: str) -> None:
    """Draw the canvas. `on_stroke` gets the cells of each finished stroke, before the page is drawn again."""
    with Image.open(sheet.before) as image:
        width, height = image.size
    rows, columns = sheet.grid
    data = {
        "before": _url(sheet.before),
        "after": _url(sheet.after),
        "rows": rows,
        "columns": columns,
        "size": sheet.size,
        "colour": sheet.colour,
        "labels": sheet.labels,
        "last": [list(cell) for cell in sheet.last],
        "width": width,
        "height": height,
    }

    def finished() -> None:
        stroke = st.session_state[key].get("stroke") or {"cells": []}
        cells = {(int(row), int(column)) for row, column in stroke["cells"]}
        on_stroke(sorted(cell for cell in cells if 0 <= cell[0] < rows and 0 <= cell[1] < columns))

    _CANVAS(key=key, data=data, on_stroke_change=finished)


def _url(file: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(Path(file).read_bytes()).decode()}"
