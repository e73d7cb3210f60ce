"""The chart of a statement's answer, of the columns that somebody picks."""

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts.structures import Drawing, named, structure

KINDS = {"bar": "Bars", "line": "Lines", "point": "Points"}
MOST_ROWS = 5000
ROLES = ("x", "y", "colour", "facet")


def chart(frame: pd.DataFrame, kind: str, columns: dict[str, str]) -> Drawing:
    """The first rows as bars, lines or points; `columns` has those of x, y, and perhaps colour and facet."""
    rows = pd.DataFrame({role: frame[column].head(MOST_ROWS) for role, column in columns.items() if column})
    for role in rows:
        if rows[role].dtype == object or isinstance(rows[role].dtype, pd.StringDtype):
            rows[role] = rows[role].map(str, na_action="ignore")
    told = tuple((role, columns[role], _type(rows[role])) for role in rows.columns)
    return Drawing(_chart(kind, told), {"rows": rows})


def _type(values: "pd.Series[Any]") -> str:
    if pd.api.types.is_bool_dtype(values):
        return "nominal"
    if pd.api.types.is_numeric_dtype(values):
        return "quantitative"
    return "temporal" if pd.api.types.is_datetime64_any_dtype(values) else "nominal"


@structure
def _chart(kind: str, columns: tuple[tuple[str, str, str], ...]) -> alt.Chart:
    parts: dict[str, dict[str, Any]] = {
        role: {"field": role, "type": kind_of, "title": title} for role, title, kind_of in columns
    }
    base = named()
    made = {"bar": base.mark_bar, "line": base.mark_line, "point": base.mark_point}[kind]()
    across = alt.X(**parts["x"]) if parts["x"]["type"] != "nominal" else alt.X(**parts["x"], sort=None)
    encoded: dict[str, Any] = {
        "x": across,
        "y": alt.Y(**parts["y"]),
        "tooltip": [alt.Tooltip(**p) for p in parts.values()],
    }
    if "colour" in parts:
        encoded["color"] = alt.Color(**parts["colour"])
    if "facet" in parts:
        encoded["facet"] = alt.Facet(**{**parts["facet"], "type": "nominal"}, columns=3)
    size: dict[str, Any] = {"width": 220, "height": 180} if "facet" in parts else {"height": 360}
    return made.encode(**encoded).properties(**size)
