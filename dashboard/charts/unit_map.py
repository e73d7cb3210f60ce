"""The map of a layer's units: near units fire together. A click opens a unit."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure
from dashboard.widgets import words
from dashboard.widgets.rows import rows as table_rows

HEIGHT = 560


def drawing(units: pd.DataFrame) -> Drawing:
    """The map of units with a place; detectors have the colour of their concept, all others are grey."""
    found = units["passes"].fillna(False).astype(bool)
    concept = units["concept"].fillna("no name").where(found, "no detector")
    rows = units.assign(
        shown=concept,
        colour=[
            palette.concept(name) if here else palette.GREY for name, here in zip(concept, found, strict=True)
        ],
        size=found.map({True: 130, False: 45}),
        verdict=[words.verdict(row) for row in table_rows(units)],
    )
    best = rows[found].sort_values("lift", ascending=False).drop_duplicates("concept")
    return Drawing(_map(), {"rows": rows, "names": best})


@structure
def _map() -> alt.LayerChart:
    scale = alt.Scale(domain=[-1.08, 1.08], nice=False)
    x, y = alt.X("map_x:Q", scale=scale, axis=None), alt.Y("map_y:Q", scale=scale, axis=None)
    chosen = alt.selection_point(name="opened", fields=["unit"], on="click", empty=False)
    points = (
        named()
        .mark_circle(cursor="pointer", opacity=0.85)
        .encode(
            x=x,
            y=y,
            color=alt.Color("colour:N", scale=None),
            size=alt.Size("size:Q", scale=None),
            tooltip=[
                alt.Tooltip("unit:Q"),
                alt.Tooltip("shown:N", title="concept"),
                alt.Tooltip("verdict:N", title="IoU"),
                alt.Tooltip("lift:Q", format=".2f"),
            ],
        )
        .add_params(chosen)
    )
    text = (
        named("names")
        .mark_text(dy=-12, fontSize=12, color=palette.LINE)
        .encode(x=x, y=y, text=alt.Text("concept:N"))
    )
    return (points + text).properties(height=HEIGHT)


def draw(units: pd.DataFrame, key: str) -> int | None:
    """Draw the map, and return the unit that was clicked just now, or None."""
    opened = f"{key}-opened"

    def clicked() -> None:
        found = st.session_state[key]["selection"].get("opened") or []
        if found:
            st.session_state[opened] = int(found[0]["unit"])

    text = "Map of the layer's units, where units that fire together are near"
    drawing(units).draw(text, key=key, on_select=clicked, selection_mode=["opened"])
    unit = st.session_state.pop(opened, None)
    return None if unit is None else int(unit)
