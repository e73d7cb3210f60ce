"""Layers: the number of named units and of distinct concepts per layer."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.charts import palette
from dashboard.widgets import page, pickers, url, words
from db.queries import runs


def bars(tally: pd.DataFrame, order: list[str], value: str, title: str, by: str) -> alt.Chart:
    """One stacked bar per layer, in the generator's order."""
    tips = ["layer", by, alt.Tooltip(f"sum({value}):Q", title=title)]
    many = by == "concept"  # the theme has eight colours
    palette = alt.Scale(scheme="tableau20") if many else alt.Undefined
    return (
        alt.Chart(tally)
        .mark_bar()
        .encode(
            x=alt.X("layer:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"sum({value}):Q", title=None, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(f"{by}:N", scale=palette, legend=alt.Legend(orient="top", title=None, columns=6)),
            tooltip=tips,
        )
        .properties(height=300)
    )


def heat(tally: pd.DataFrame, order: list[str]) -> alt.LayerChart:
    """The number of units per concept and layer, coloured by the best IoU."""
    base = alt.Chart(tally).encode(
        x=alt.X(
            "layer:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, orient="top", labelFlush=False)
        ),
        y=alt.Y("concept:N", title=None, sort=alt.EncodingSortField("units", "sum", "descending")),
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("best_iou:Q", title="best IoU", scale=alt.Scale(scheme="teals", domainMin=0)),
        tooltip=[
            "layer",
            "concept",
            alt.Tooltip("units:Q", title="units with this name"),
            alt.Tooltip("best_iou:Q", format=".2f", title="best IoU"),
            alt.Tooltip("best_unit:Q", title="best unit"),
            alt.Tooltip("always_on:Q", format=".2f", title="always on"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
        ],
    )
    middle = float(tally["best_iou"].max()) * 0.55
    ink = alt.condition(f"datum.best_iou > {middle}", alt.value("white"), alt.value(palette.DARK))
    digits = base.mark_text(fontSize=12).encode(text="units:Q", color=ink)
    return (cells + digits).properties(height=60 + 26 * tally["concept"].nunique())


def table(run: pickers.Run, counts: pd.DataFrame) -> None:
    """Draw the counts per layer as a table."""
    shown = counts.assign(
        grid=counts["height"].astype(str) + "x" + counts["width"].astype(str),
        share=counts["named"] / counts["units"],
        link=[url.address("units", run=run.id, layer=name, rule=url.get("rule")) for name in counts["layer"]],
    )
    columns: dict[str, Any] = {
        "layer": "Layer",
        "grid": "Grid",
        "units": "Units",
        "named": "Named",
        "share": st.column_config.NumberColumn("Share", format="percent"),
        "detectors": st.column_config.Column("Beat the mask", help=words.HELP["mask_iou"]),
        "distinct_concepts": "Concepts",
        "best_iou": st.column_config.NumberColumn("Best IoU", format="%.2f", help=words.HELP["iou"]),
        "link": st.column_config.LinkColumn("Units", display_text="open"),
    }
    st.dataframe(
        shown, hide_index=True, column_order=list(columns), column_config=columns, alt="Layers in digits"
    )


def charts(run: pickers.Run, tally: pd.DataFrame, counts: pd.DataFrame, by: str) -> None:
    """Draw named units and distinct concepts per layer, then per concept and as a table."""
    order = list(counts["layer"])
    units, concepts = st.columns(2, gap="large")
    for place, title, value in ((units, "Named units", "units"), (concepts, "Distinct concepts", "one")):
        place.subheader(title, anchor=False)
        chart = bars(tally.assign(one=1), order, value, title, by)
        place.altair_chart(chart, alt=f"{title} per layer, by {by}")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Concept by concept", anchor=False)
        st.caption("The number of units named after each concept. Darker cells have a higher best IoU.")
        st.altair_chart(heat(tally, order), alt="Units per concept and layer")
    with right:
        st.subheader("In digits", anchor=False)
        table(run, counts)


with page.frame("Layers", "How many units of each layer are named, and after which concepts.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run := pickers.run(snapshot):
            rule = pickers.rule()
            by = url.choice(st.segmented_control, "Colour by", "by", ["category", "concept"], required=True)
    if run:
        counts = runs.layer_counts(snapshot, run.id, rule)
        counts = counts.fillna({"named": 0, "distinct_concepts": 0, "detectors": 0})
        tally = runs.concept_counts(snapshot, run.id, rule)
        if tally.empty:
            hint = "No unit is named under this rule. Try the other rule, or dissect more images."
            st.info(hint, icon=":material/search_off:")
        else:
            charts(run, tally, counts, by)
