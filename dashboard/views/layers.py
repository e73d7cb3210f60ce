"""Layers: the number of detectors, or of named units, and of distinct concepts per layer."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis.counting.agreement import MIN_IMAGES
from dashboard.charts import layers as charts
from dashboard.charts import palette
from dashboard.team import notes
from dashboard.widgets import downloads, page, pickers, url, words
from db.queries import runs
from db.schema.naming_rule import NamingRule


def headline(run: pickers.Run, counts: pd.DataFrame) -> None:
    """Draw what was found in one sentence, beside the same generator with random weights."""
    units, detectors, several = (int(counts[name].sum()) for name in ("units", "detectors", "multiple"))
    text = (
        f"{detectors:,} of {words.count(units, 'unit')} are detectors: evaluation images confirm that they "
        f"follow their concept more than any control does. {several:,} of them detect another concept too."
    )
    if not counts["scored"].fillna(0).any():
        text = (
            f"No unit is scored: fewer than {MIN_IMAGES} of {int(run.row['calibration']):,} calibration "
            "images show any concept, or no unit varies. Dissect again with more images."
        )
    elif int(run.row["images"]) < MIN_IMAGES:
        text += f" Fewer than {MIN_IMAGES} evaluation images confirm nothing."
    dead, constant = (int(counts[name].fillna(0).sum()) for name in ("dead", "constant"))
    if dead:
        text += f" {words.count(dead, 'unit is', 'units are')} dead: 0 in every image."
    if constant:
        text += f" {words.count(constant, 'unit has', 'units have')} one value in every image."
    twin = counts["twin_detectors"].dropna()
    if len(twin):
        known = counts.loc[twin.index, "detectors"].sum()
        text += (
            f" With random weights there are {int(twin.sum()):,}, where the trained layers have {known:,}."
        )
    st.markdown(text, help=words.HELP["twin"])
    if twin.empty:
        page.queue_link(
            "Dissect it with random weights, as a baseline for these counts",
            kind="dissection",
            generator=run.row["generator"],
            segmenter=run.row["segmenter"],
            inputs=run.row.get("inputs"),
            control="random-weights",
        )


def table(run: pickers.Run, counts: pd.DataFrame, rule: NamingRule) -> None:
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
        "detectors": st.column_config.Column("Detectors", help=words.HELP["rule"]),
        "share": st.column_config.NumberColumn("Share", format="percent"),
        "dead": st.column_config.Column("Dead", help="Units that are 0 in every image."),
        "constant": st.column_config.Column("Constant", help="Units that have one other value throughout."),
        "twin_detectors": st.column_config.Column("Random weights", help=words.HELP["twin"]),
        "multiple": st.column_config.Column(
            "Several", help="Detectors that detect another concept beside their name."
        ),
        "like_groups": st.column_config.Column(
            "Groups", help="Groups of like units: their activations correlate at .9 or more."
        ),
        "distinct_concepts": "Concepts",
        "scored": st.column_config.Column("of", help="Concepts that units were held against."),
        "best_lift": st.column_config.NumberColumn("Best lift", format="%.2f", help=words.HELP["lift"]),
        "best_iou": st.column_config.NumberColumn("Best IoU", format="%.2f", help=words.HELP["iou"]),
        "link": st.column_config.LinkColumn("Units", display_text="open"),
    }
    if rule.name == "lift":
        columns.pop("named")  # these are the detectors
    st.dataframe(
        shown, hide_index=True, column_order=list(columns), column_config=columns, alt="Layers in digits"
    )
    downloads.table(shown.drop(columns="link"), "layers")


def follow(run: pickers.Run, clicked: Any, rule: NamingRule) -> None:
    """Open the units of the bar or cell that was clicked."""
    parts = clicked.selection.get("part") if hasattr(clicked, "selection") else None
    if not parts:
        return
    there = {"run": run.id, "layer": str(parts[0]["layer"]), "rule": rule.name, "show": "named"}
    if rule.cut and rule.name == "paper":
        there["cut"] = str(rule.cut)
    if concept := parts[0].get("concept"):
        there["concept"] = str(concept)
    st.switch_page("views/units.py", query_params=there)


def drawn(run: pickers.Run, tally: pd.DataFrame, counts: pd.DataFrame, by: str, rule: NamingRule) -> None:
    """Draw detectors and distinct concepts per layer, then per concept and as a table.

    A click on a bar or a cell opens the units behind it.
    """
    order = list(counts["layer"])
    units, concepts = st.columns(2, gap="large")
    several = "Detectors" if rule.name == "lift" else "Named units"
    for place, title, value in ((units, several, "units"), (concepts, "Distinct concepts", "one")):
        place.header(title, anchor=False)
        twins = counts[["layer", "twin_detectors"]].dropna().rename(columns={"twin_detectors": "twin"})
        beside = twins if value == "units" and rule.name == "lift" and len(twins) else None
        chart = charts.bars(tally.assign(one=1), order, value, title, by, beside)
        clicked = chart.draw(
            f"{title} per layer, by {by}",
            place,
            key=f"layers-{value}",
            on_select="rerun",
            selection_mode=["part"],
        )
        follow(run, clicked, rule)
        if beside is not None:
            place.caption("Lines: the same layers with random weights. Click a bar to see its units.")
        else:
            place.caption("Click a bar to see its units.")
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Concept by concept", anchor=False)
        st.caption("The number of units of each concept. A stronger colour is a larger best lift.")
        clicked = charts.heat(tally, order, palette.is_dark()).draw(
            "Units per concept and layer", key="layers-heat", on_select="rerun", selection_mode=["part"]
        )
        follow(run, clicked, rule)
        downloads.table(tally, "layer-concepts", "Concepts")
    with right:
        st.header("In digits", anchor=False)
        table(run, counts, rule)


with page.frame("Layers", "How many units of each layer detect a concept, and which ones.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run := pickers.run(snapshot):
            rule = pickers.rule()
            by = url.choice(st.segmented_control, "Colour by", "by", ["category", "concept"], required=True)
    if run:
        counts = runs.layer_counts(snapshot, run.id, rule)
        counts = counts.fillna({"named": 0, "distinct_concepts": 0, "detectors": 0, "multiple": 0})
        headline(run, counts)
        tally = runs.concept_counts(snapshot, run.id, rule)
        if tally.empty:
            hint = "No unit is named under this rule. Try the other rule, or dissect more images."
            st.info(hint, icon=":material/search_off:")
        else:
            drawn(run, tally, counts, by, rule)
        notes.draw(notes.subject(run.id), "run-notes")
        notes.undo()
