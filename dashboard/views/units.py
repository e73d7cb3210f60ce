"""Units: a gallery of a layer's units with names, scores and top images."""

import pandas as pd
import streamlit as st

from dashboard.charts import dissection
from dashboard.widgets import card, page, pickers, threshold_slider, url, words
from dashboard.widgets.rows import rows
from db.queries import runs
from db.schema.naming_rule import NamingRule

EACH = 24  # cards per page
SORTS = {
    "IoU over always-on": ("over_always_on", False),
    "IoU": ("iou", False),
    "IoU over constant mask": ("over_mask", False),
    "Peak activation": ("activation_peak", False),
    "Unit number": ("unit", True),
}


def filters(units: pd.DataFrame, scored: bool) -> pd.DataFrame:
    """Draw the filters, and return the units that pass them, in order."""
    named = units.loc[units["passes"], "concept"].value_counts()
    offered = sorted(units["concept"].dropna().unique(), key=lambda name: (-named.get(name, 0), name))
    concept = url.choice(
        st.selectbox,
        "Concept",
        "concept",
        ["", *offered],
        reset=("page",),
        width=190,
        format_func=lambda name: f"{name} ({named.get(name, 0)})" if name else "All concepts",
    )
    order = url.choice(st.selectbox, "Sort", "sort", list(SORTS), width=200, reset=("page",))
    number = url.text(
        st.text_input, "Unit number", "find", width=130, reset=("page",), placeholder="e.g. 4, 17-20"
    )
    shown = ["all", "named"]
    if scored:  # elsewhere nobody knows whether the mask is beaten for sure
        shown.append("beats the mask")
    only = url.choice(st.segmented_control, "Show", "show", shown, required=True, reset=("page",))
    units = units.assign(
        over_always_on=units["iou"] - units["always_on"], over_mask=units["iou"] - units["mask_iou"]
    )
    if concept:
        units = units[(units["concept"] == concept) & units["passes"]]
    if number:
        units = units[units["unit"].isin(page.numbers(number))]
    if only != "all":
        units = units[units["passes"]]
    if only == "beats the mask":
        units = units[units["detector"].fillna(False).astype(bool)]
    column, ascending = SORTS[order]
    return units.sort_values([column, "unit"], ascending=[ascending, True], na_position="last")


def cards(run: pickers.Run, layer: str, units: pd.DataFrame) -> None:
    """Draw one page of cards, and the choice of a page."""
    pages = max(1, -(-len(units) // EACH))
    at = min(url.number("page", 1) or 1, pages)
    shown = rows(units.iloc[(at - 1) * EACH : at * EACH])
    full = dissection.scale(shown)
    with st.grid(min_column_width=330):
        for unit in shown:
            card.unit(run, unit, full, url.everything(concept=None, of=url.get("concept")))
    if pages > 1:
        key = f"pages:{at}"
        st.pagination(pages, default=at, key=key, on_change=lambda: url.put(page=st.session_state[key]))


def gallery(run: pickers.Run, layer: str, rule: NamingRule) -> None:
    """Draw the layer's units: filters, counts, cards."""
    units = runs.units(run.snapshot, run.id, layer, rule)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fraction = threshold_slider.tail()
        units = threshold_slider.follow(run, layer, units, rule, fraction)
        chosen = filters(units, fraction is None)
    named = chosen[chosen["passes"]]
    st.caption(
        f"{words.count(len(chosen), 'unit')} of {len(units):,}, {len(named):,} named, "
        f"{words.count(named['concept'].nunique(), 'distinct concept')}"
    )
    if chosen.empty:
        st.info("No unit is left. Remove a filter.", icon=":material/filter_alt_off:")
    cards(run, layer, chosen)


with page.frame("Units", "Which concept each unit of a layer agrees with, and how well.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        layer = pickers.layer(snapshot, run.id) if run else None
        if layer is not None:
            rule = pickers.rule()
    if run and layer is not None:
        gallery(run, str(layer["layer"]), rule)
