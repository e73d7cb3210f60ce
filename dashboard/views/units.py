"""Units: a gallery of a layer's units with names, verdicts and top images, and a map of them."""

from collections.abc import Container

import pandas as pd
import streamlit as st

from dashboard.charts import unit_map
from dashboard.viewer import size
from dashboard.widgets import card, downloads, page, pickers, threshold_slider, url, words
from dashboard.widgets.rows import rows
from db.queries import concepts as concept_queries
from db.queries import runs
from db.schema.naming_rule import NamingRule

EACH = 24  # cards per page
SORTS = {
    "Lift": ("lift", False),
    "IoU": ("iou", False),
    "Stability of the name": ("name_share", False),
    "Concepts detected": ("detected", False),
    "Peak activation": ("activation_peak", False),
    "Unit number": ("unit", True),
}
AS = {"gallery": "Gallery", "map": "Map"}


def members(units: pd.DataFrame, scored: bool) -> pd.DataFrame:
    """Which unit goes with which concept: unit, concept. By its name, or, where scored, beside it."""
    own = units.loc[units["passes"], ["unit", "concept"]]
    if not scored:
        return own
    beside = units[["unit", "also"]].dropna().assign(concept=lambda found: found["also"].str.split(", "))
    return pd.concat([own, beside[["unit", "concept"]].explode("concept")]).drop_duplicates()


def concept_filter(units: pd.DataFrame, scored: bool, known: Container[str]) -> tuple[str, pd.DataFrame]:
    """Draw the choice of a concept among all that a unit detects; returns it and the units that pass.

    A concept that the run knows and no unit here detects is said below, and not replaced by another.
    """
    found = members(units, scored)
    counts = found["concept"].value_counts()
    offered = sorted(counts.index, key=lambda name: (-counts[name], name))
    wanted = url.get("concept")
    if wanted not in counts and wanted in known:
        offered.append(wanted)
    concept = url.choice(
        st.selectbox,
        "Concept",
        "concept",
        ["", *offered],
        reset=("page",),
        width=170,
        format_func=lambda name: f"{words.plain(name)} ({counts.get(name, 0)})" if name else "All concepts",
        help="Every concept that a unit of this layer detects, with the number of these units.",
    )
    if not concept:
        return "", units
    return concept, units[units["unit"].isin(found.loc[found["concept"] == concept, "unit"])]


def filters(units: pd.DataFrame, rule: NamingRule, scored: bool) -> pd.DataFrame:
    """Draw the other filters, and return the units that pass them, in order."""
    order = url.choice(st.selectbox, "Sort", "sort", list(SORTS), reset=("page",))
    number = url.text(st.text_input, "Unit number", "find", reset=("page",), placeholder="e.g. 4, 17-20")
    shown = {"all": "All", "named": "Detectors" if rule.name == "lift" else "Named"}
    if rule.name == "lift" and scored:
        shown |= {"several": "Several concepts", "unnamed": "Unnamed"}
    only = url.choice(
        st.segmented_control,
        "Show",
        "show",
        list(shown),
        required=True,
        reset=("page",),
        format_func=shown.__getitem__,
    )
    if number:
        units = units[units["unit"].isin(page.numbers(number))]
    if only == "named":
        units = units[units["passes"]]
    if only == "several":
        units = units[units["detected"] > 1]
    if only == "unnamed":
        units = units[units["concept"].isna()]
    column, ascending = SORTS[order]
    return units.sort_values([column, "unit"], ascending=[ascending, True], na_position="last")


def summary(
    run: pickers.Run,
    layer: str,
    chosen: pd.DataFrame,
    units: pd.DataFrame,
    rule: NamingRule,
    scored: bool,
) -> str:
    """How many units detect something, or are named, beside the same count with random weights."""
    passing = chosen[chosen["passes"]]
    what = words.count(len(passing), "detector") if rule.name == "lift" else f"{len(passing):,} named"
    if rule.name == "lift" and not scored:
        what = f"{len(passing):,} with a lift over 0 (not tested at this threshold)"
    text = (
        f"{words.count(len(chosen), 'unit')} of {len(units):,}, {what}, "
        f"{words.count(passing['concept'].nunique(), 'distinct concept')}."
    )
    counts = runs.layer_counts(run.snapshot, run.id, rule)
    twin = counts.loc[counts["layer"] == layer, "twin_detectors"].dropna()
    if rule.name == "lift" and scored and len(twin):
        text += f" With random weights, the layer has {words.count(int(twin.iloc[0]), 'detector')}."
    return text


def elsewhere(run: pickers.Run, layer: str, concept: str) -> None:
    """Draw that no unit here has the concept, and the layers where some have."""
    found = rows(concept_queries.by_layer(run.snapshot, run.id, concept))
    others = [row for row in found if row["detectors"] and row["layer"] != layer]
    text = f"No unit of {words.plain(layer)} detects {words.plain(concept)}."
    st.info(text if others else f"{text} Nor does any unit of another layer.", icon=":material/search_off:")
    with st.container(horizontal=True):
        for row in others:
            there = url.same_page(**url.everything(layer=row["layer"], page=None))
            label = f"{words.plain(row['layer'])} ({row['detectors']})"
            st.page_link("views/units.py", label=label, query_params=there)


def turner(pages: int, at: int, key: str) -> None:
    """Draw the choice of a page, where there is one to choose."""
    if pages < 2:
        return
    name = f"{key}:{at}"
    st.pagination(pages, default=at, key=name, on_change=lambda: url.change(page=st.session_state[name]))


def cards(run: pickers.Run, units: pd.DataFrame, at: int, link: dict[str, str]) -> None:
    """Draw one page of cards."""
    with st.grid(min_column_width=size.card_width()):
        for unit in rows(units.iloc[(at - 1) * EACH : at * EACH]):
            card.unit(run, unit, link)


def mapped(run: pickers.Run, layer: str, chosen: pd.DataFrame) -> None:
    """Draw the map of the layer's units, on which a click opens a unit."""
    placed = chosen.dropna(subset=["map_x", "map_y"])
    if placed.empty:
        st.info("This run did not measure which units fire together.", icon=":material/help:")
        page.queue_link(
            "Dissect it again",
            kind="dissect",
            generator=run.row["generator"],
            inputs=run.row.get("inputs"),
        )
        return
    st.caption(
        "Units that fire together are near. Distances between far groups, and the axes, mean nothing. "
        "Click a unit to open it."
    )
    unit = unit_map.draw(placed, "unit-map")
    if unit is not None:
        there = {"run": run.id, "layer": layer, "unit": str(unit)}
        st.switch_page("views/unit.py", query_params=there)


def controls(
    run: pickers.Run, layer: str
) -> tuple[NamingRule, float | None, str, pd.DataFrame, pd.DataFrame]:
    """Draw what one chooses by; returns rule, share of pixels, concept, the units that pass, and all units.

    The share is None where units are on as they were scored.
    """
    first = st.container(width="content")
    size.slider()
    with st.popover("More", icon=":material/tune:"):
        rule = pickers.rule()
        fraction = threshold_slider.tail()
        stored = runs.units(run.snapshot, run.id, layer, rule)
        units = threshold_slider.follow(run, layer, stored, rule, fraction)
        with first:
            known = set(runs.concepts(run.snapshot, run.id)["concept"])
            concept, chosen = concept_filter(units, rule.name == "lift" and fraction is None, known)
        chosen = filters(chosen, rule, fraction is None)
    return rule, fraction, concept, chosen, stored


def gallery(run: pickers.Run, layer: str) -> None:
    """Draw the layer's units: what was found, then cards or the map, and files."""
    rule, fraction, concept, chosen, stored = controls(run, layer)
    link: dict[str, str] = {"rule": rule.name} if rule.name != "lift" else {}
    pages = max(1, -(-len(chosen) // EACH))
    at = url.page_number(pages)
    with body:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            scored = fraction is None
            st.markdown(
                summary(run, layer, chosen, stored, rule, scored), help=words.HELP["twin"], width="content"
            )
            shown = url.choice(
                st.segmented_control,
                "Show as",
                "as",
                list(AS),
                required=True,
                sparse=True,
                label_visibility="collapsed",
                format_func=AS.__getitem__,
            )
            if shown == "gallery":
                turner(pages, at, "above")
        if chosen.empty and concept:
            elsewhere(run, layer, concept)
        elif chosen.empty:
            st.info("No unit is left. Remove a filter.", icon=":material/filter_alt_off:")
        elif shown == "map":
            mapped(run, layer, chosen)
        else:
            cards(run, chosen, at, link)
            turner(pages, at, "below")
        pickers.old_names(stored)
        there = {"run": run.id, "layer": layer}
        st.page_link("views/rate.py", label="Rate names", icon=":material/how_to_vote:", query_params=there)
        downloads.table(chosen, "units", "These units")


with page.frame("Units", "") as snapshot:
    bar, body = st.container(horizontal=True, vertical_alignment="bottom"), st.container()
    with bar:
        run = pickers.run(snapshot, width=300)
        layer = pickers.layer(snapshot, run.id) if run else None
        if run and layer is not None:
            gallery(run, str(layer["layer"]))
