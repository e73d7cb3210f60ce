"""A chart as the browser gets it: its structure in Vega-Lite, and the rows that it shows.

Altair takes 10 to 90 ms to make a structure, and most charts on a page have the same few. So what a
structure depends on are its maker's arguments, by which it is remembered; the rows are joined to it when it
is drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

KEPT = 512  # structures, of a few kilobytes each
Chart = alt.Chart | alt.LayerChart

alt.theme.enable("none")  # Streamlit's own theme gives sizes and colours


def named(name: str = "rows") -> alt.Chart:
    """A chart of the rows that are joined under this name."""
    return alt.Chart(alt.NamedData(name))


def structure(make: Callable[..., Chart]) -> Callable[..., str]:
    """Let a function's chart be remembered as JSON by its arguments; it draws `named` rows.

    Altair does not compare the chart with the schema of Vega-Lite, which would take most of the time; the
    tests of the charts do.
    """

    @lru_cache(maxsize=KEPT)
    def made(*args: Any) -> str:
        return json.dumps(make(*args).to_dict(validate=False))

    @wraps(make)
    def remembered(*args: Any) -> str:
        return made(*args)

    return remembered


def drawn() -> dict[str, Drawing]:
    """The charts that this page has drawn since `begin`, by their text. A part of a page replaces its own."""
    return st.session_state.setdefault("charts-drawn", {})


def begin() -> None:
    """Forget what the page drew before."""
    st.session_state["charts-drawn"] = {}


@dataclass(frozen=True)
class Drawing:
    """A structure as JSON, and the rows behind each of its names."""

    structure: str
    rows: Mapping[str, pd.DataFrame]

    @property
    def spec(self) -> dict[str, Any]:
        """The structure, in which rows stand under their names."""
        return dict(json.loads(self.structure))

    def _needed(self, name: str) -> pd.DataFrame:
        """The columns of these rows that the structure mentions."""
        rows = self.rows[name]
        return rows[[c for c in rows.columns if str(c) in self.structure]]

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """The rows that the chart shows as JSON has them, by their names."""
        return {
            name: json.loads(
                self._needed(name).to_json(orient="records", date_format="iso", double_precision=15)
            )
            for name in self.rows
        }

    def draw(self, alt: str, place: DeltaGenerator | None = None, **options: Any) -> Any:
        """Draw the chart on the page, here or at a place; `alt` is its text for assistive technology.

        With `on_select="rerun"`, return what was clicked.
        """
        drawn()[alt] = self
        text, datasets = self.structure, {}
        for name in self.rows:
            data = _arrow(self._needed(name))
            # The browser draws a chart again where the name of its rows is another.
            digest = hashlib.blake2b(data, digest_size=16).hexdigest()
            text = text.replace(f'{{"name": "{name}"}}', f'{{"name": "{digest}"}}')
            datasets[digest] = data
        spec = json.loads(text) | {"datasets": datasets}
        return (place or st).vega_lite_chart(spec=spec, alt=alt, **options)


def _arrow(rows: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(rows, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
