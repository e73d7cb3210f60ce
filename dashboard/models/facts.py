"""What models have in common on the Models page: layers, notes, a legend of concepts."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from analysis.models.layer import Layer
from dashboard.widgets import words

IN_A_LINE = 5  # layers that a card names


def size(height: int, width: int) -> str:
    """`64x64`."""
    return f"{height}x{width}"


def line(layers: Sequence[Layer]) -> str:
    """The layers of a generator in one line, such as: layer1: 512 units of 4x4."""
    usual = [layer for layer in layers if not layer.extra]
    parts = [
        f"{words.plain(layer.name)}: {layer.units} units of {size(layer.height, layer.width)}"
        for layer in usual[:IN_A_LINE]
    ]
    if len(layers) > len(parts):
        parts.append(f"{len(layers) - len(parts)} more")
    return " · ".join(parts)


def table(layers: Sequence[Layer]) -> None:
    """Draw one row per layer."""
    frame = pd.DataFrame(
        {
            "layer": layer.name,
            "units": layer.units,
            "grid": size(layer.height, layer.width),
            "module": layer.path,
            "dissected": "only when named" if layer.extra else "yes",
        }
        for layer in layers
    )
    st.dataframe(frame, hide_index=True, placeholder="-", alt="The layers, their units and grid sizes")


def notes(found: Sequence[str]) -> None:
    """Draw what was taken for granted, or seems odd."""
    if found:
        lines = [words.plain(note) for note in found]
        said = lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)
        st.warning(said, icon=":material/warning:")


def legend(rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw concepts with their colours, and what else is said of each under `note`."""
    square = "display:inline-block;width:0.85em;height:0.85em;border:1px solid #7b878b;border-radius:2px"
    items = "".join(
        f'<li style="white-space:nowrap"><span aria-hidden="true" style="{square};background:'
        f'{html.escape(str(row["colour"]))}"></span> {html.escape(str(row["name"]))}'
        f"{html.escape(str(row.get('note', '')))}</li>"
        for row in rows
    )
    style = (
        "display:flex;flex-wrap:wrap;gap:0.15rem 1rem;list-style:none;margin:0;padding:0;font-size:0.875rem"
    )
    st.html(f'<ul style="{style}">{items}</ul>')
