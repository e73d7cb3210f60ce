"""The distribution of a unit's activation over pixels, with its threshold."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure

BARS = 32


def histogram(
    edges: "np.ndarray[Any, Any]", pixels: "np.ndarray[Any, Any]", bars: int = BARS
) -> pd.DataFrame:
    """Bars of equal width (start, stop, share of pixels) from a unit's bins: edges (B - 1,), pixels (B,).

    Within a bin, pixels lie evenly. What is under the first edge or over the last is in the outer bars.

    >>> histogram(np.array([0.0, 1.0, 2.0]), np.array([4, 4, 0, 2]), 2).share.tolist()
    [0.8, 0.2]
    """
    edges, pixels = np.asarray(edges, float), np.asarray(pixels, float)
    total = max(float(pixels.sum()), 1.0)
    low, high = edges[0], edges[-1]
    if not high > low:
        return pd.DataFrame({"start": [low], "stop": [high], "share": [float(pixels.sum()) / total]})
    places = np.linspace(low, high, bars + 1)
    start, stop = edges[:-1, None], edges[1:, None]
    width = stop - start
    within = np.minimum(stop, places[1:]) - np.maximum(start, places[:-1])
    part = np.divide(np.maximum(within, 0), width, out=np.zeros(within.shape), where=width > 0)
    at_once = np.clip(np.searchsorted(places, edges[1:], side="left") - 1, 0, bars - 1)
    part += (width == 0) * (at_once[:, None] == np.arange(bars))
    shares = pixels[1:-1] @ part / total
    shares[0] += pixels[0] / total
    shares[-1] += pixels[-1] / total
    return pd.DataFrame({"start": places[:-1], "stop": places[1:], "share": shares})


def drawing(bars: pd.DataFrame, threshold: float, low: bool, colour: str) -> Drawing:
    """The histogram; bars on the unit's side of the threshold have the colour of its mask."""
    middle = (bars["start"] + bars["stop"]) / 2
    on = middle <= threshold if low else middle > threshold
    rows = bars.assign(colour=np.where(on, colour, palette.GREY))
    return Drawing(_histogram(), {"rows": rows, "cut": pd.DataFrame({"threshold": [threshold]})})


@structure
def _histogram() -> alt.LayerChart:
    x = alt.X("start:Q", title="activation", scale=alt.Scale(zero=False, nice=False))
    rows = (
        named()
        .mark_bar()
        .encode(
            x=x,
            x2="stop:Q",
            y=alt.Y(
                "share:Q",
                title=None,
                axis=alt.Axis(format="~%", tickCount=4),
                scale=alt.Scale(type="sqrt"),
            ),
            y2=alt.Y2(datum=0),
            color=alt.Color("colour:N", scale=None),
            tooltip=[
                alt.Tooltip("start:Q", format=".3g", title="from"),
                alt.Tooltip("stop:Q", format=".3g", title="to"),
                alt.Tooltip("share:Q", format=".2%", title="share of pixels"),
            ],
        )
    )
    cut = named("cut").mark_rule(strokeWidth=2, color=palette.LINE).encode(x=alt.X("threshold:Q"))
    return (rows + cut).properties(height=150)
