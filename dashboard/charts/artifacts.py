"""Artifact units: the curve of distances, images before and after, and a unit's top images."""

from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure
from dashboard.widgets import pictures
from db.store import bundles

NAMES = {
    "images": "its top images",
    "ablation": "ablation alone",
    "hand": "marked by hand",
    "random": "random units",
}
INKS = [palette.ORANGE, palette.TEAL, palette.VIOLET, palette.GREY]
CAPTIONS = {
    "images": "The first units are those whose top images are furthest from the reference (Bau et al. 2019). "
    "This ranking misses damage that a unit does to all images alike. The ranking by ablation does not.",
    "ablation": "The first units are those whose ablation alone brings the images nearest to the reference.",
    "hand": "Somebody marked these units after looking at their top images.",
}
SIDE = 176


def curve(frame: pd.DataFrame, metric: str) -> Drawing:
    """The distance against the number of ablated units, beside that before and that of random sets."""
    part = frame[frame["metric"] == metric].assign(name=lambda f: f["ranking"].map(NAMES))
    start = pd.DataFrame({"before": [float(part["before"].iloc[0])]})
    return Drawing(_curve(metric), {"rows": part, "start": start})


@structure
def _curve(metric: str) -> alt.LayerChart:
    scale = alt.Scale(domain=list(NAMES.values()), range=INKS)
    y = alt.Y("after:Q", title=f"{metric} after ablating them", scale=alt.Scale(zero=False))
    legend = alt.Legend(orient="top", symbolOpacity=1, columns=2)
    base = named().encode(
        x=alt.X("units:Q", title="units ablated", axis=alt.Axis(tickMinStep=1)),
        color=alt.Color("name:N", title=None, scale=scale, legend=legend),
        tooltip=[
            *(alt.Tooltip("name:N"), alt.Tooltip("units:Q")),
            *(
                alt.Tooltip(f"{name}:Q", format=".4g")
                for name in ("before", "after", "after_low", "after_high", "fall", "fall_error", "as_good")
            ),
            alt.Tooltip("sets:Q"),
        ],
    )
    span = alt.Y("after_low:Q", title=f"{metric} after ablating them", scale=alt.Scale(zero=False))
    random = alt.FieldEqualPredicate(field="ranking", equal="random")
    end = alt.Y2("after_high:Q")
    band = base.transform_filter(random).mark_area(opacity=0.18).encode(y=span, y2=end)
    bars = base.transform_filter("datum.ranking !== 'random'").mark_rule(opacity=0.6)
    lines = base.mark_line(point=True).encode(y=y)
    rule = named("start").mark_rule(color=palette.LINE, strokeDash=[6, 4]).encode(y=alt.Y("before:Q"))
    return alt.LayerChart(layer=[rule, band, bars.encode(y=span, y2=end), lines]).properties(height=340)


def large(picture: Image.Image | str | Path) -> Image.Image:
    image = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def sheet(before: tuple[str, ...], after: tuple[str, ...]) -> bytes:
    """The images before, and below each the one after, as PNG."""
    return pictures.strip([large(each) for each in (*before, *after)], len(before))


@st.cache_resource(max_entries=6, show_spinner="Reading images")
def top(bundle: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Each unit's most activating latents (units, n), and their images if the run stores them."""
    arrays = bundles.read(Path(bundle)).array("top")
    return arrays["latents"], arrays["pictures"] if "pictures" in list(arrays) else None


@st.cache_data(max_entries=400, show_spinner=False)
def unit(bundle: str, number: int, columns: int, most: int | None = None) -> bytes | None:
    """A unit's top images as PNG; None when the run stores none."""
    _latents, shown = top(bundle)
    if shown is None:
        return None
    return pictures.strip([large(Image.fromarray(each)) for each in shown[number][:most]], columns)
