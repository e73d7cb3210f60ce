"""The charts of layers: how many units detect what, layer by layer."""

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure


def bars(
    tally: pd.DataFrame,
    order: list[str],
    value: str,
    title: str,
    by: str,
    twins: pd.DataFrame | None = None,
) -> Drawing:
    """One stacked bar per layer, in the generator's order; a click gives the layer and the part's name.

    `twins` has the count of each layer with random weights (layer, twin), as ticks.
    """
    names = tuple(sorted(tally[by].unique()))
    made = _bars(tuple(order), value, title, by, names, twins is not None)
    return Drawing(made, {"rows": tally} | ({} if twins is None else {"twins": twins}))


@structure
def _bars(
    order: tuple[str, ...], value: str, title: str, by: str, names: tuple[str, ...], twins: bool
) -> alt.LayerChart:
    tips = [alt.Tooltip("layer:N"), alt.Tooltip(f"{by}:N"), alt.Tooltip(f"sum({value}):Q", title=title)]
    colour = palette.category if by == "category" else palette.concept
    scale = alt.Scale(domain=list(names), range=[colour(name) for name in names])
    picked = alt.selection_point(name="part", fields=["layer", by], on="click", empty=False, toggle=False)
    across = alt.X("layer:N", sort=list(order), title=None, axis=alt.Axis(labelAngle=0, labelFlush=False))
    filled = (
        named()
        .mark_bar(cursor="pointer")
        .encode(
            x=across,
            y=alt.Y(f"sum({value}):Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=alt.Color(f"{by}:N", scale=scale, legend=alt.Legend(orient="top", title=None, columns=6)),
            tooltip=tips,
        )
        .add_params(picked)
    )
    layers: list[alt.Chart] = [filled]
    if twins:
        tick = named("twins").mark_tick(color=palette.LINE, thickness=3)
        tip = [alt.Tooltip("layer:N"), alt.Tooltip("twin:Q", title="with random weights")]
        layers.append(tick.encode(x=across, y=alt.Y("twin:Q"), tooltip=tip))
    return alt.LayerChart(layer=layers).properties(height=300)


def heat(tally: pd.DataFrame, order: list[str], dark: bool) -> Drawing:
    """The number of units per concept and layer, coloured by the best lift; a click gives both."""
    most = max(float(tally["best_lift"].max()), 0.01)
    return Drawing(_heat(tuple(order), most, tally["concept"].nunique(), dark), {"rows": tally})


@structure
def _heat(order: tuple[str, ...], most: float, concepts: int, dark: bool) -> alt.LayerChart:
    plain = alt.Axis(labelFlush=False, labelOverlap=False, ticks=False, domain=False)
    base = named().encode(
        x=alt.X(
            "layer:N",
            sort=list(order),
            title=None,
            axis=alt.Axis(labelAngle=0, orient="top", labelFlush=False, ticks=False, domain=False),
        ),
        y=alt.Y(
            "concept:N", title=None, sort=alt.EncodingSortField("units", "sum", "descending"), axis=plain
        ),
    )
    picked = alt.selection_point(
        name="part", fields=["layer", "concept"], on="click", empty=False, toggle=False
    )
    tints = alt.Scale(
        domain=[0, most / 2, most], range=list(palette.heat(dark)), interpolate="rgb", clamp=True
    )
    legend = alt.Legend(orient="bottom", direction="horizontal", gradientLength=160, tickCount=4)
    cells = base.mark_rect(cornerRadius=3, cursor="pointer").encode(
        color=alt.Color("best_lift:Q", title="best lift", scale=tints, legend=legend),
        tooltip=[
            alt.Tooltip("layer:N"),
            alt.Tooltip("concept:N"),
            alt.Tooltip("units:Q", title="units with this name"),
            alt.Tooltip("best_lift:Q", format=".2f", title="best lift"),
            alt.Tooltip("best_iou:Q", format=".2f", title="best IoU"),
            alt.Tooltip("best_unit:Q", title="best unit"),
            alt.Tooltip("always_on:Q", format=".2f", title="always on"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
        ],
    )
    low, high = palette.ink(dark)
    ink = alt.condition(f"datum.best_lift > {most * 0.55}", alt.value(high), alt.value(low))
    digits = base.mark_text(fontSize=12).encode(text=alt.Text("units:Q"), color=ink)
    return alt.LayerChart(layer=[cells.add_params(picked), digits]).properties(height=100 + 26 * concepts)
