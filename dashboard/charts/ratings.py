"""How many names people accept, by the units' lift, beside random names."""

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure

NAMES = ("own name", "random name")


def shares(rows: pd.DataFrame) -> Drawing:
    """A point with its interval for each bin of lift, for own and for random names."""
    return Drawing(_shares(tuple(rows["lift"].drop_duplicates())), {"rows": rows})


@structure
def _shares(order: tuple[str, ...]) -> alt.LayerChart:
    scale = alt.Scale(domain=list(NAMES), range=[palette.TEAL, palette.GREY])
    base = named().encode(
        x=alt.X("lift:N", sort=list(order), title="Lift of the unit's own name", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("names:N", sort=list(NAMES)),
        color=alt.Color("names:N", scale=scale, legend=alt.Legend(orient="top", title=None)),
        tooltip=[
            alt.Tooltip("lift:N"),
            alt.Tooltip("names:N", title="shown"),
            alt.Tooltip("share:Q", format=".0%", title="accepted"),
            alt.Tooltip("low:Q", format=".0%", title="95 % from"),
            alt.Tooltip("high:Q", format=".0%", title="to"),
            alt.Tooltip("units:Q"),
            alt.Tooltip("ratings:Q"),
        ],
    )
    y = alt.Y("low:Q", title="Names accepted", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    lines = base.mark_rule(strokeWidth=2).encode(y=y, y2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(y="share:Q")
    return (lines + points).properties(height=280)
