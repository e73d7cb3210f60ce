"""Maps over images: where an insertion makes its concept appear. A click chooses a cell."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from analysis.editing.edits import Box, Edit
from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure
from dashboard.widgets import pictures, url
from db.store import bundles

SIDE = 372  # pixels of the map that is clicked; no wider than a phone
SMALL = 160
# The concept comes, the concept goes, the cell is left out.
WARM, COLD, GREY = palette.ORANGE, palette.BLUE, palette.GREY


@dataclass(frozen=True)
class Cells:
    """One run's maps at one strength: N images, h x w cells."""

    effect: np.ndarray  # (N, h, w), in areas of one cell; NaN where not tried
    near: np.ndarray  # (N, h, w): cells with the concept in them or beside them
    members: np.ndarray  # (contexts, N, h, w)
    contexts: list[str]
    latents: list[int]
    values: dict[int, float]  # what each unit is forced to

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.effect.shape[1]), int(self.effect.shape[2])

    def best(self, image: int) -> tuple[int, int]:
        """The cell of an image where the concept came most, of those that are compared."""
        shown = np.where(self.near[image] | np.isnan(self.effect[image]), -np.inf, self.effect[image])
        row, column = np.unravel_index(int(shown.argmax()), self.shape)
        return int(row), int(column)

    def there(self, image: int, row: int, column: int) -> str:
        """The contexts that a cell showed before, or `nothing`."""
        names = [name for name, m in zip(self.contexts, self.members, strict=True) if m[image, row, column]]
        return ", ".join(names) or "nothing"

    def frame(self, image: int) -> pd.DataFrame:
        """One row per measured cell of an image: row, column, effect, there, near."""
        rows, columns = np.nonzero(np.isfinite(self.effect[image]))
        return pd.DataFrame(
            {
                "row": rows,
                "column": columns,
                "bottom": rows + 1,
                "right": columns + 1,
                "effect": self.effect[image][rows, columns],
                "there": [self.there(image, int(r), int(c)) for r, c in zip(rows, columns, strict=True)],
                "near": self.near[image][rows, columns],
            }
        )


@st.cache_resource(max_entries=8, show_spinner="Reading maps")
def read(bundle: str, strength: str) -> Cells:
    """The maps of a run, in a cache: a bundle never changes."""
    a = bundles.read(Path(bundle)).array("cells")
    which = [str(name) for name in a["strengths"]].index(strength)
    units = [int(unit) for unit in a["units"]]
    return Cells(
        effect=a["effect"][which],
        near=a["near"],
        members=a["members"],
        contexts=[str(name) for name in a["contexts"]],
        latents=[int(number) for number in a["latents"]],
        values={u: round(float(v), 4) for u, v in zip(units, a["values"][which], strict=True)},
    )


def edit(layer: str, cells: Cells, row: int, column: int, patch: int) -> Edit:
    """The insertion at one cell, or at the square of cells around it."""
    height, width = cells.shape
    reach, even = (patch - 1) // 2, (patch - 1) % 2
    top, left = max(0, row - reach), max(0, column - reach)
    bottom, right = min(height - 1, row + reach + even), min(width - 1, column + reach + even)
    return Edit.insert(layer, cells.values, [Box(top, bottom, left, right)])


def choose(name: str) -> None:
    """Write the cell that was clicked into the address."""
    state: Any = st.session_state.get(name)
    chosen = state.selection.get("cell") if state else None
    if chosen:
        cell = {part: str(int(chosen[0][part])) for part in ("row", "column")}
        url.go(**url.everything(**cell))


def clickable(cells: Cells, image: int, picture: str, at: tuple[int, int]) -> None:
    """Draw the image with its map; a click on a cell chooses it."""
    height, width = cells.shape
    frame = cells.frame(image)
    most = float(np.nanmax(np.abs(cells.effect))) or 1.0
    share = np.sqrt(np.abs(frame["effect"]) / most).clip(0, 1) * 0.8
    frame["strength"] = np.where(frame["near"], 0.45, share)
    tints = np.where(frame["effect"] >= 0, WARM, COLD)
    frame["colour"] = np.where(frame["near"], GREY, tints)
    below = pd.DataFrame({"column": [width / 2], "row": [height / 2], "url": [_data(picture)]})
    where = pd.DataFrame({"row": [at[0]], "column": [at[1]], "bottom": [at[0] + 1], "right": [at[1] + 1]})
    name = f"map-{image}"
    Drawing(_clickable(height, width), {"rows": frame, "picture": below, "chosen": where}).draw(
        f"Map of latent {cells.latents[image]}: where the concept appears when a cell is forced",
        width="content",
        key=name,
        on_select=lambda: choose(name),
        selection_mode=["cell"],
    )


@structure
def _clickable(height: int, width: int) -> alt.LayerChart:
    scale_x, scale_y = alt.Scale(domain=[0, width], nice=False), alt.Scale(domain=[height, 0], nice=False)
    # Without axes the cells fill the chart, and lie where they lie in the picture.
    x = alt.X("column:Q", scale=scale_x, axis=None)
    y = alt.Y("row:Q", scale=scale_y, axis=None)
    below = named("picture").mark_image(width=SIDE, height=SIDE, aspect=False).encode(x=x, y=y, url="url:N")
    selection = alt.selection_point(name="cell", fields=["row", "column"], on="click", empty=False)
    rects = (
        named()
        .mark_rect(stroke=None, cursor="pointer")
        .encode(
            x=x,
            x2="right:Q",
            y=y,
            y2="bottom:Q",
            color=alt.Color("colour:N", scale=None),
            opacity=alt.Opacity("strength:Q", scale=None),
            tooltip=[
                *(alt.Tooltip("row:Q"), alt.Tooltip("column:Q"), alt.Tooltip("there:N", title="before")),
                alt.Tooltip("effect:Q", format="+.2f"),
                alt.Tooltip("near:N", title="left out"),
            ],
        )
        .add_params(selection)
    )
    mark = (
        named("chosen")
        .mark_rect(fillOpacity=0, stroke=palette.WHITE, strokeWidth=3)
        .encode(x=x, x2="right:Q", y=y, y2="bottom:Q")
    )
    return alt.LayerChart(layer=[below, mark, rects]).properties(width=SIDE, height=SIDE, padding=0)


def _data(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode()


def over(path: str, effect: np.ndarray, near: np.ndarray, most: float) -> Image.Image:
    """An image with a map (h, w) over it.

    Cells are warm where the concept appears, cold where it goes, and grey where they are left out.
    """
    picture = np.asarray(Image.open(path).convert("RGB").resize((SMALL, SMALL), Image.Resampling.BICUBIC))
    shown = np.nan_to_num(effect)
    colour = np.where((shown >= 0)[..., None], palette.rgb(WARM), palette.rgb(COLD)).astype(np.float64)
    share = np.sqrt(np.clip(np.abs(shown) / most, 0, 1)) * 0.8
    colour[near], share = palette.rgb(GREY), np.where(near, 0.45, share)
    rows = np.arange(SMALL) * effect.shape[0] // SMALL
    columns = np.arange(SMALL) * effect.shape[1] // SMALL
    at = np.ix_(rows, columns)
    mixed = picture * (1 - share[at][..., None]) + colour[at] * share[at][..., None]
    return Image.fromarray(mixed.round().astype(np.uint8))


def sheet(cells: Cells, images: list[int], paths: list[str]) -> bytes:
    """Maps over images, as one PNG."""
    most = float(np.nanmax(np.abs(cells.effect))) or 1.0
    found = [over(path, cells.effect[i], cells.near[i], most) for i, path in zip(images, paths, strict=True)]
    return pictures.strip(found, len(found))
