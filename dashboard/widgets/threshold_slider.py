"""The threshold slider: scores and outlines at any threshold, from the joint counts of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from analysis.counting import agreement
from dashboard.charts import activations, dissection, palette
from dashboard.charts.structures import Drawing, named, structure
from dashboard.widgets import pickers, url, words
from dashboard.widgets.rows import Row, rows
from db.errors import StoreError
from db.queries import runs
from db.schema.naming_rule import NamingRule
from db.store import bundles

Counts = Mapping[str, "np.ndarray[Any, Any]"]
SCORED = "scored"
INKS = [palette.TEAL, palette.NULL]  # of IoU and null, as in the bars
TAILS = {"20 %": 0.2, "10 %": 0.1, "5 %": 0.05, "2 %": 0.02, "1 %": 0.01, "0.5 %": 0.005}


@st.cache_resource(max_entries=12, show_spinner="Reading counts")
def _counts(bundle: str, layer: str) -> Counts:
    try:
        return bundles.read(Path(bundle)).array(f"counts-{layer}").mapped()
    except KeyError:
        raise StoreError(
            f"This run stores no counts of {layer}. Dissect it again to move its thresholds."
        ) from None


def counts(run: pickers.Run, layer: str) -> Counts:
    """The layer's joint counts, see `analysis.counting.agreement`."""
    return _counts(run.bundle, layer)


def places(run: pickers.Run) -> dict[str, int]:
    """The index of each concept in the counts: its number in the label maps, from 0."""
    found = runs.concepts(run.snapshot, run.id)
    return dict(zip(found["concept"], (int(label) - 1 for label in found["label"]), strict=True))


def tail() -> float | None:
    """Draw the gallery's slider: the scored thresholds (None), or one share of pixels for all units."""
    chosen = url.choice(
        st.select_slider,
        "Threshold",
        "tail",
        [SCORED, *TAILS],
        width=260,
        help=f"{words.HELP['threshold']} Here all units are on for the same share of pixels.",
    )
    return TAILS.get(chosen)


def follow(
    run: pickers.Run, layer: str, units: pd.DataFrame, rule: NamingRule, fraction: float | None
) -> pd.DataFrame:
    """The units' scores at the slider's share of pixels, without intervals; q-values are the scored ones."""
    if fraction is None or units.empty:
        return units
    place = units["concept"].map(places(run))
    moved = units.assign(iou_low=np.nan, iou_high=np.nan, lift_low=np.nan, lift_high=np.nan)
    for side, found in (("high", counts(run, layer)), ("low", agreement.turned(counts(run, layer)))):
        edges = agreement.edge_of_tail(found, fraction)
        known = place.notna() & (units["side"] == side)
        if not known.any():
            continue
        unit, concept = units.loc[known, "unit"].to_numpy(), place[known].astype(int).to_numpy()
        pairs, at = _pairs(found, unit, concept), edges[unit]
        values = {**agreement.measures_at(pairs, at), "null_iou": agreement.null_iou_at(pairs, at)}
        for column, value in values.items():
            moved.loc[known, column] = value[:, 0]
        sign = -1 if side == "low" else 1
        moved.loc[known, "threshold"] = sign * found["edges"][unit, edges[unit]]
    moved["lift"] = lift(moved)
    moved["lift_q_value"] = moved["lift_q_value"].fillna(moved["q_value"])  # runs of 0.1.0 have no other
    moved["detector"] = False  # it is known at the scored thresholds only
    return moved.assign(passes=rule.of_frame(moved))


def _pairs(found: Counts, unit: "np.ndarray[Any, Any]", concept: "np.ndarray[Any, Any]") -> Counts:
    """The counts of some units (n,) with one concept each (n,), as those of n units with one concept."""
    joint, null = (found[name][unit, concept][:, None] for name in ("joint", "null"))
    areas = found["areas"][concept][:, None]
    return {**found, "joint": joint, "null": null, "areas": areas, "pixels": found["pixels"][unit]}


def lift(scores: pd.DataFrame) -> "pd.Series[float]":
    """The lift of rows of iou over their largest control."""
    control = scores[["mask_iou", "always_on", "null_iou"]].astype(float).max(axis=1)
    return pd.Series(agreement.lift(scores["iou"].to_numpy(float), control.to_numpy()), scores.index)


@dataclass(frozen=True)
class Cut:
    """Where a unit counts as on for a concept: over a threshold, or, on the low side, not over it."""

    threshold: float
    low: bool
    concept: str


def unit(run: pickers.Run, layer: str, number: int, scores: pd.DataFrame) -> Cut:
    """Draw one unit's slider with its score for one concept, and its activations."""
    row = _concept(scores)
    found = counts(run, layer)
    place = places(run)[row["concept"]]
    scored = int(found["pair"][number, place])  # -1: no edge was admissible
    mine = {name: value[number : number + 1] if value.ndim > 1 else value for name, value in found.items()}
    low = row["side"] == "low"
    if low:  # counted as the unit with the opposite sign
        mine, scored = agreement.turned(mine), len(found["edges"][number]) - 1 - scored
    edges = (-1 if low else 1) * mine["edges"][0]
    shares = agreement.tail(mine["pixels"])[0]
    steps = [k for k in range(len(edges)) if shares[k] > 0] or [0]
    edge = url.choice(
        st.select_slider,
        "Threshold",
        "t",
        steps,
        default=scored if scored in steps else steps[-1],
        sparse=True,
        format_func=lambda k: f"{edges[k]:.3g}: {_percent(shares[k])} of pixels",
        help=words.HELP["threshold"],
    )
    at = dict(row)
    if edge != scored:
        at |= _moved(mine, place, edge)
        at["lift"] = float(lift(pd.DataFrame([at])).iloc[0])
    dissection.chart(at, dissection.scale([row, at]))
    _tell(edge == scored, row)
    cut = Cut(float(edges[edge]), low, str(row["concept"]))
    bars = activations.histogram(found["edges"][number], found["pixels"][number])
    drawn = activations.drawing(bars, cut.threshold, low, palette.concept(cut.concept))
    drawn.draw("Histogram of the unit's activation, with the threshold")
    st.caption("The unit's activation over all pixels of the evaluation images. In colour: where it is on.")
    with st.expander("IoU at every threshold", icon=":material/show_chart:"):
        _curve(mine, place, edge, row)
    return cut


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "all"


def _concept(scores: pd.DataFrame) -> Row:
    """Draw the choice of a concept; the default is the unit's name."""
    known = {row["concept"]: row for row in rows(scores)}
    name = next((row["concept"] for row in known.values() if row["label"]), next(iter(known)))
    chosen = url.choice(
        st.selectbox,
        "Score with the concept",
        "concept",
        list(known),
        default=name,
        reset=("t",),
        sparse=True,
        format_func=words.plain,
    )
    return known[chosen]


def _moved(mine: Counts, concept: int, edge: int) -> Row:
    """The scores at another threshold, where there is no interval."""
    values = {name: float(value[0, concept]) for name, value in agreement.measures_at(mine, edge).items()}
    null = float(agreement.null_iou_at(mine, edge)[0, concept])
    bounds = dict.fromkeys(("iou_low", "iou_high", "lift_low", "lift_high"))
    return {**values, **bounds, "null_iou": null}


def _tell(at_scored: bool, row: Row) -> None:
    """Draw which threshold this is, and a button back to the scored one."""
    if at_scored:
        ceiling = words.score(row["ceiling_iou"])
        text = f"The scored threshold, chosen on calibration images. The averaged map has IoU {ceiling}."
        st.caption(text, help=words.HELP["ceiling_iou"])
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Not the scored threshold, so there is no interval.")
        label = "Back to the scored threshold"
        st.button(label, type="tertiary", icon=":material/undo:", on_click=url.change, kwargs={"t": None})


def _curve(mine: Counts, concept: int, edge: int, row: Row) -> None:
    """Draw IoU and null against the share of pixels where the unit is on."""
    edges = range(mine["pixels"].shape[-1] - 1)
    frame = pd.DataFrame(
        {
            "share": agreement.tail(mine["pixels"])[0],
            "IoU": agreement.iou_curve(mine["joint"], mine["pixels"], mine["areas"])[0, concept],
            "null": [float(agreement.null_iou_at(mine, k)[0, concept]) for k in edges],
            "here": [k == edge for k in edges],
        }
    )
    frame = frame[frame["share"] > 0]
    lines = frame.melt(["share", "here"], ["IoU", "null"], "score", "value")
    floor = pd.DataFrame({"mask": [row["mask_iou"]]}).dropna()
    rows = {"rows": lines, "here": frame[frame["here"]], "floor": floor}
    Drawing(_lines(), rows).draw("IoU against the threshold")
    st.caption("The dashed line is the best constant mask.")


@structure
def _lines() -> alt.LayerChart:
    x = alt.X("share:Q", title="share of pixels", scale=alt.Scale(type="log"), axis=alt.Axis(format="~%"))
    lines = (
        named()
        .mark_line()
        .encode(
            x=x,
            y=alt.Y("value:Q", title=None),
            color=alt.Color("score:N", title=None, scale=alt.Scale(domain=["IoU", "null"], range=INKS)),
            tooltip=[alt.Tooltip("score:N"), alt.Tooltip("value:Q")],
        )
    )
    here = named("here").mark_point(size=90, filled=True).encode(x=x, y=alt.Y("IoU:Q"))
    ticks = named("floor").mark_rule(strokeDash=[4, 3], color=palette.MASK).encode(y=alt.Y("mask:Q"))
    return (lines + here + ticks).properties(height=220)
