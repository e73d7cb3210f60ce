"""Unit: one unit with its concepts, top images, and scores at any threshold."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import dissection
from dashboard.widgets import card, page, pickers, pictures, threshold_slider, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import causes as causes_queries
from db.queries import runs
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

SHOWN = {
    "concept": "Concept",
    "category": "Category",
    "iou": "IoU",
    "iou_low": "low",
    "iou_high": "high",
    "always_on": "Always on",
    "mask_iou": "Constant mask",
    "null_iou": "Null",
    "q_value": "q",
    "precision": "Precision",
    "recall": "Recall",
    "ceiling_iou": "Ceiling",
    "threshold": "Threshold",
}


def heading(layer: Row, unit: int, row: Row) -> None:
    """Draw the unit's name, and links to its neighbours and to the gallery."""
    count = int(layer["units"])
    name = row["concept"] or "no name"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(name, anchor=False, width="content")
        card.badge(row)
    with st.container(horizontal=True):
        back = url.everything(unit=None, t=None, concept=url.get("of") or None, of=None)
        st.page_link("views/units.py", label="Gallery", icon=":material/arrow_back:", query_params=back)
        for label, other in (("Previous", unit - 1), ("Next", unit + 1)):
            if 0 <= other < count:
                there = url.same_page(**url.everything(unit=other, concept=None, t=None))
                st.page_link("views/unit.py", label=label, query_params=there)
        off = {"run": url.get("run"), "layer": url.get("layer"), "units": str(unit)}
        st.page_link("views/ablate.py", label="Ablate it", icon=":material/content_cut:", query_params=off)


def others(scores: pd.DataFrame) -> None:
    """Draw the concepts that the unit agrees with best, and a table of all concepts."""
    best = rows(scores.dropna(subset=["iou"]).head(6))
    full = dissection.scale(best)
    for row in best:
        named = " (its name)" if row["label"] else ""
        st.markdown(f"**{row['concept']}**{named}")
        dissection.chart(row, full)
    digits = {
        name: st.column_config.NumberColumn(title, format="%.3f", help=words.HELP.get(name))
        for name, title in SHOWN.items()
        if name not in ("concept", "category")
    }
    with st.expander("All concepts in digits", icon=":material/table_rows:"):
        st.dataframe(
            scores,
            hide_index=True,
            column_order=list(SHOWN),
            column_config={**SHOWN, **digits},
            alt="All concepts",
        )


def causes(run: pickers.Run, layer: str, unit: int) -> None:
    """Draw what the unit causes, if causes were learned in its layer."""
    alone = causes_queries.unit_causes(run.snapshot, run.id, layer, unit)
    learned = causes_queries.unit_alphas(run.snapshot, run.id, layer, unit)
    st.subheader("Causes", anchor=False)
    if alone.empty:
        st.caption("No causes have been learned in this layer yet.")
        page.queue_link(
            "Learn the causes of a concept", kind="ace", generator=run.row["generator"], layer=layer
        )
        return
    images = int(alone["images"].iloc[0])
    st.caption(
        f"Switched off alone, on {images} test images, the unit removes this share of each concept's pixels; "
        "below 0 it adds them. *Of all pixels* is the same change over all pixels, with its 95 % interval. "
        "ACE "
        "is the share of pixels with the concept when the unit is inserted, minus the share when it is off."
    )
    scores = runs.unit_concepts(run.snapshot, run.id, layer, unit)[["concept", "iou"]]
    shown = alone.merge(scores, on="concept", how="left")
    shown = shown.merge(learned.drop_duplicates("concept")[["concept", "alpha"]], on="concept", how="left")
    columns: dict[str, Any] = {
        "concept": "Concept",
        "iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
        "relative_effect": st.column_config.NumberColumn("removes", format="percent"),
        "effect": st.column_config.NumberColumn("of all pixels", format="%.3g"),
        "effect_low": st.column_config.NumberColumn("low", format="%.3g"),
        "effect_high": st.column_config.NumberColumn("high", format="%.3g"),
        "ace": st.column_config.NumberColumn("ACE", format="%.3g"),
        "ace_low": st.column_config.NumberColumn("low", format="%.3g"),
        "ace_high": st.column_config.NumberColumn("high", format="%.3g"),
        "alpha": st.column_config.NumberColumn("alpha", format="%.2f"),
    }
    st.dataframe(
        shown, hide_index=True, column_order=list(columns), column_config=columns, alt="What the unit causes"
    )
    newest = str(alone["run_id"].iloc[0])
    st.page_link(
        "views/causes.py", label="Causes", icon=":material/account_tree:", query_params={"run": newest}
    )


def images(run: pickers.Run, layer: str, unit: int, threshold: float | None) -> None:
    """Draw the unit's top images with the mask at the threshold outlined."""
    shown = pictures.gallery(run.bundle, layer).unit(unit)
    if not shown:
        st.caption("This run stores no images of this unit.")
        return
    with st.grid(columns=4, min_column_width=130):
        for each in shown:
            picture = pictures.outlined(each, threshold, run.grid, 256)
            alt = f"Latent {each.latent} with the unit's mask outlined"
            st.image(pictures.png(picture), caption=f"latent {each.latent}", width="stretch", alt=alt)


def unit_page(snapshot: Snapshot, run: pickers.Run, layer: Row, rule: NamingRule) -> None:
    """Draw the whole page of one unit."""
    name, unit = str(layer["layer"]), url.number("unit", 0) or 0
    units = runs.units(snapshot, run.id, name, rule)
    row = only(units, unit=unit)
    if row is None:
        st.error(f"{name} has units 0 to {len(units) - 1}; there is no unit {unit}.", icon=":material/error:")
        return
    heading(layer, unit, row)
    scores = runs.unit_concepts(snapshot, run.id, name, unit)
    if scores.empty:
        st.info("No concept was frequent enough to be scored for this unit.", icon=":material/help:")
        return
    left, right = st.columns([3, 2], gap="large")
    with left, page.sentences():
        threshold = threshold_slider.unit(run, name, unit, scores)
        images(run, name, unit, threshold)
    with right:
        st.subheader("Agrees with", anchor=False)
        others(scores)
        causes(run, name, unit)


ABOUT = "Which concepts one unit agrees with, and what it causes."

named = url.get("layer") or ""  # part of the title only if it can be the name of a layer
title = f"{named} unit {url.number('unit', 0)}" if named.isidentifier() else "Unit"

with page.frame(title, ABOUT) as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        layer = pickers.layer(snapshot, run.id, keep=("unit",)) if run else None
        rule = pickers.rule()
    if run and layer is not None:
        unit_page(snapshot, run, layer, rule)
