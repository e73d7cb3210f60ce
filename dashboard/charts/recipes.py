"""The chart of recipes over their trainings: each training as a point, the mean with its interval."""

from typing import Literal

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure

Scale = Literal["share", "count", "lift"]  # what a measure's numbers are


def over_trainings(values: pd.DataFrame, means: pd.DataFrame, title: str, scale: Scale) -> Drawing:
    """Draw one measure per layer and recipe.

    `values` has layer, recipe, generator, value; `means` has layer, recipe, trainings, mean, low, high.
    """
    layers, recipes = (tuple(dict.fromkeys(means[name])) for name in ("layer", "recipe"))
    least, most = float(values["value"].min()), float(values["value"].max())
    end = max(1.3 * most, 0.01)
    ends = (
        min(0.0, 1.3 * least),
        end if scale == "count" else min(end, 1.0),
    )  # few trainings have long intervals
    made = _over_trainings(layers, recipes, title, scale, ends)
    return Drawing(made, {"values": values, "means": means})


@structure
def _over_trainings(
    layers: tuple[str, ...],
    recipes: tuple[str, ...],
    title: str,
    scale: Scale,
    ends: tuple[float, float],
) -> alt.LayerChart:
    number = {"share": ".1%", "count": ".3g", "lift": ".3f"}[scale]
    rows = alt.Axis(
        labelLimit=200,
        labelOverlap=False,
        domain=False,
        ticks=False,
        labelExpr="datum.label == 'all' ? 'all layers' : datum.label",
    )
    y = alt.Y("layer:N", sort=list(layers), title=None, axis=rows)
    beside = alt.YOffset("recipe:N", sort=list(recipes))
    of = [palette.RUNS[place % len(palette.RUNS)] for place in range(len(recipes))]
    colour = alt.Color(
        "recipe:N",
        title=None,
        sort=list(recipes),
        scale=alt.Scale(domain=list(recipes), range=of),
        legend=alt.Legend(orient="top", labelLimit=260),
    )
    axis = alt.Axis(format={"share": "%", "count": "d", "lift": ".2f"}[scale], tickCount=6)
    x = alt.X("value:Q", title=title, axis=axis, scale=alt.Scale(domain=ends, clamp=True, nice=False))
    each = (
        named("values")
        .mark_point(size=26, opacity=0.75)
        .encode(
            x=x,
            y=y,
            yOffset=beside,
            color=colour,
            tooltip=["generator:N", "layer:N", alt.Tooltip("value:Q", format=number)],
        )
    )
    told = [
        alt.Tooltip("recipe:N"),
        alt.Tooltip("layer:N"),
        alt.Tooltip("trainings:Q"),
        alt.Tooltip("mean:Q", format=number),
        alt.Tooltip("low:Q", format=number, title="95 % from"),
        alt.Tooltip("high:Q", format=number, title="to"),
    ]
    base = named("means").encode(y=y, yOffset=beside, color=colour, tooltip=told)
    spans = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    middles = base.mark_tick(thickness=4, size=14).encode(x="mean:Q")
    height = max(28, 20 * len(recipes)) * len(layers)
    return alt.LayerChart(layer=[each, spans, middles]).properties(height=height + 120)  # legend and axis
