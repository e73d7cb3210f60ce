"""Concepts: which units of all layers detect a concept, what removes it from images, where it may appear."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.viewer import links, size
from dashboard.widgets import (
    card,
    causal_edits,
    downloads,
    findings,
    page,
    pickers,
    pictures,
    renders,
    url,
    words,
)
from dashboard.widgets.rows import Row, rows
from db.queries import concepts as queries
from db.queries import runs

CARDS = 12
PICTURES = 4  # of the best unit, and of the edit
SECTIONS = ("In each layer", "Best units of all layers", "What causes it", "Where it may appear")
ELSEWHERE = "In other runs"
UNITS = 8  # units that are switched off where no causes were learned


def chosen(run: pickers.Run) -> Row | None:
    """Draw the concept picker, and return the concept's row."""
    known = rows(queries.concepts(run.snapshot, run.id))
    if not known:
        st.info("This run has published no concept yet.", icon=":material/hourglass:")
        return None
    found = {str(row["concept"]): row for row in known}
    wanted = url.get("concept")
    if wanted and wanted not in found:
        st.error(f"This run knows no concept {words.plain(wanted)}; choose one.", icon=":material/error:")
        with st.container(horizontal=True):
            for name in found:
                there = url.same_page(run=run.id, concept=name)
                st.page_link("views/concept.py", label=words.plain(name), query_params=there)
        return None
    name = url.choice(
        st.selectbox,
        "Concept",
        "concept",
        list(found),
        width=260,
        format_func=lambda name: f"{name} ({words.count(found[name]['detectors'], 'detector')})",
    )
    return found[name]


def finding(row: Row, layers: pd.DataFrame, best: Row | None, learned: Row | None) -> str:
    """What is known of the concept, in two or three sentences."""
    concept = words.plain(str(row["concept"]))
    if best is None:
        return f"No unit was scored for {concept}: too few images show it."
    where = f"{words.plain(best['layer'])} unit {best['unit']}"
    if not row["detectors"]:
        said = f"**No unit detects {concept}.** The nearest is {where}, with {_lift(best)}."
    else:
        many = int((layers["detectors"] > 0).sum())
        said = (
            f"**{words.count(row['detectors'], 'unit detects', 'units detect')} {concept}**, in "
            f"{words.count(many, 'layer')}. The best is {where}, with {_lift(best)}{_times(best)}."
        )
    twins = layers["twin_detectors"].dropna()
    if len(twins):
        count = words.count(int(twins.sum()), "unit") if twins.sum() else "no unit"
        verb = "detects" if twins.sum() <= 1 else "detect"
        said += f" In the same generator with random weights, {count} {verb} it."
    if learned is not None and learned["removed"] is not None:
        said += (
            f" In the trained generator, switching off {words.count(int(learned['top_units']), 'unit')} of "
            f"{words.plain(learned['layer'])} removes **{findings.percent(learned, 'removed')}** of its "
            f"pixels{findings.chance(learned, int(learned['sets'] or 0))}."
        )
    return said


def _lift(best: Row) -> str:
    ends = ""
    if best["lift_low"] is not None:
        ends = f" (95 % interval {words.score(best['lift_low'])} to {words.score(best['lift_high'])})"
    return f"a lift of {words.score(best['lift'])}{ends}"


def _times(best: Row) -> str:
    """How many times its strongest control the unit scores, where that says something."""
    control = max(best[name] or 0.0 for name in ("mask_iou", "always_on", "null_iou"))
    if control <= 0.001:
        return ""
    return f". Its IoU is {best['iou'] / control:.1f} times that of its strongest control"


def best_unit(run: pickers.Run, best: Row) -> None:
    """Draw the best unit's top images, and a link to it."""
    layer, number = str(best["layer"]), int(best["unit"])
    st.markdown(f"**Best unit: {words.plain(layer)} unit {number}**")
    low = best["side"] == "low"
    strip = pictures.unit_strip(
        run.bundle,
        layer,
        number,
        best["threshold"],
        run.grid,
        PICTURES,
        low=low,
        rows=2,
        colour=card.colour(best["concept"]),
    )
    there = {"run": run.id, "layer": layer, "unit": str(number)}
    links.picture(strip, f"Top images of {layer} unit {number}, its mask in colour", "unit", there)
    st.caption(
        "The images that activate it most. The colour is where the unit is on."
        if not low
        else "The images that activate it least. The colour is where its activation is low."
    )
    st.page_link(
        "views/unit.py", label="All about this unit", icon=":material/crop_free:", query_params=there
    )


def edit_of(run: pickers.Run, best: Row, learned: Row | None) -> tuple[Edit, str]:
    """The edit that takes the concept away, and what it is: learned causes, or the best units."""
    if learned is not None:
        table, kind = causal_edits.ranked(run.snapshot, str(learned["run_id"]))
        first = table.head(int(learned["top_units"]))
        edit = causal_edits.ablation(str(learned["layer"]), first, kind)
        return edit, f"{words.count(len(first), 'unit')} of {learned['layer']} off: the learned causes"
    layer = str(best["layer"])
    units = runs.best_units(run.snapshot, run.id, layer, str(best["concept"]), UNITS)["unit"].tolist()
    edit = Edit.ablate(layer, units) if units else Edit()
    return edit, f"{words.count(len(units), 'unit')} of {layer} off: those that agree best"


def taken_away(run: pickers.Run, best: Row, learned: Row | None) -> None:
    """Draw images that show the concept, before and after its units are switched off."""
    edit, what = edit_of(run, best, learned)
    latents = queries.images(run.snapshot, run.id, str(best["concept"]), PICTURES)
    if not edit.steps or not latents:
        st.caption("This run stores no images of the concept.")
        return
    st.markdown(f"**Without it: {words.plain(what)}**")
    seed = int(run.row["seed"])
    with st.skeleton(height=320):
        made = renders.made(run.row, edit, seed, latents)
    shown = renders.Pictures(latents, made)
    before, after = ([shown.row(i)[place] for i in range(len(latents))] for place in (0, 1))
    st.image(
        renders.strip((*before, *after), len(latents)),
        width="stretch",
        alt=f"Latents {', '.join(map(str, latents))}: before above, after below",
    )
    st.caption(
        f"Above: images that activate {'its detectors' if best['detector'] else 'the nearest unit'} most. "
        "Below: the same images with the units off."
        + ("" if learned else " These units were not tested together; learn the causes to know their effect.")
    )
    there = {"run": run.id, "layer": edit.layers[0], "by": "edit", "edit": str(edit), "seed": str(seed)}
    there |= {"first": str(latents[0])}
    with st.container(horizontal=True):
        label, icon = "Try on other images", ":material/content_cut:"
        st.page_link("views/ablate.py", label=label, icon=icon, query_params=there)
        if learned is not None:
            params = {"run": str(learned["run_id"])}
            st.page_link("views/causes.py", label="The evidence", query_params=params)


def in_layers(layers: pd.DataFrame) -> None:
    """Draw how many units of each layer detect the concept."""
    page.section("In each layer")
    shown = layers.assign(grid=layers["height"].astype(str) + "x" + layers["width"].astype(str))
    columns: dict[str, Any] = {
        "layer": "Layer",
        "grid": "Grid",
        "units": "Units",
        "detectors": st.column_config.NumberColumn("Detectors", help=words.HELP["rule"]),
        "twin_detectors": st.column_config.NumberColumn("With random weights", help=words.HELP["twin"]),
        "best_lift": st.column_config.ProgressColumn(
            "Best lift", min_value=0, max_value=1, format="%.3f", help=words.HELP["lift"]
        ),
    }
    if layers["twin_detectors"].isna().all():
        del columns["twin_detectors"]
    st.dataframe(
        shown,
        hide_index=True,
        placeholder="-",
        column_order=list(columns),
        column_config=columns,
        alt="Detectors by layer",
    )
    downloads.table(layers, "concept-layers", "Layers")


def units(run: pickers.Run, found: list[Row]) -> None:
    """Draw the cards of the best units over all layers."""
    page.section("Best units of all layers")
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for row in found:
            card.unit(run, row, {})
    downloads.table(pd.DataFrame(found), "concept-units", "These units")


def studies(run: pickers.Run, row: Row, best: Row, learned: list[Row]) -> None:
    """Draw what the other studies found about the concept, or links to the jobs that would find it."""
    concept = str(row["concept"])
    ask = {
        "generator": run.row["generator"],
        "inputs": run.row.get("inputs"),
        "layer": best["layer"],
        "concept": concept,
    }
    left, right = st.columns(2, gap="large")
    with left:
        page.section("What causes it")
        for each in learned:
            label = (
                f"{words.plain(each['layer'])}: {words.count(int(each['top_units']), 'unit')} "
                f"{'removes' if each['top_units'] == 1 else 'remove'} {findings.percent(each, 'removed')}"
            )
            there = {"run": str(each["run_id"])}
            st.page_link("views/causes.py", label=label, icon=":material/account_tree:", query_params=there)
        if not learned:
            st.caption(
                f"A unit that agrees with a concept need not cause it. The causes of {words.plain(concept)} "
                "have not been learned on this run."
            )
        page.queue_link(f"Learn its causes in {words.plain(str(best['layer']))}", kind="ace", **ask)
    with right:
        page.section("Where it may appear")
        placed = rows(queries.contexts(run.snapshot, run.id, concept))
        for each in placed:
            label = f"Inserted with units of {words.plain(str(each['layer']))}"
            there = {"run": str(each["run_id"])}
            st.page_link("views/context.py", label=label, icon=":material/place:", query_params=there)
        if not placed:
            st.caption("It has not been inserted place by place on this run.")
        page.queue_link(f"Insert it with units of {words.plain(best['layer'])}", kind="context", **ask)


def elsewhere(found: pd.DataFrame, concept: str) -> None:
    """Draw the other dissections that scored the concept."""
    page.section(ELSEWHERE)
    found = found.copy()
    found["link"] = [url.address("concept", run=name, concept=concept) for name in found["run_id"]]
    columns: dict[str, Any] = {
        "link": st.column_config.LinkColumn("Run", display_text=r"run=([^&]+)"),
        "generator": "Generator",
        "segmenter": "Segmenter",
        "images": st.column_config.NumberColumn("Images", format="localized"),
        "detectors": "Detectors",
        "best_lift": st.column_config.NumberColumn("Best lift", format="%.3f", help=words.HELP["lift"]),
        "layer": "Best unit's layer",
        "unit": "Best unit",
    }
    st.dataframe(
        found,
        hide_index=True,
        placeholder="-",
        column_order=list(columns),
        column_config=columns,
        alt="In other runs",
    )
    downloads.table(found.drop(columns="link"), "concept-runs", "Runs")


def concept_page(run: pickers.Run, row: Row) -> None:
    """Draw the whole page of one concept."""
    concept = str(row["concept"])
    found = rows(queries.units(run.snapshot, run.id, concept, CARDS))
    best = found[0] if found else None
    layers = queries.by_layer(run.snapshot, run.id, concept)
    learned = rows(queries.causes(run.snapshot, run.id, concept))
    st.markdown(finding(row, layers, best, learned[0] if learned else None))
    if best is None:
        return
    others = queries.elsewhere(run.snapshot, concept)
    others = others[others["run_id"] != run.id]
    page.contents(*SECTIONS, *([] if others.empty else [ELSEWHERE]))
    left, right = st.columns(2, gap="large")
    with left, page.sentences():
        best_unit(run, best)
    with right, page.sentences():
        taken_away(run, best, learned[0] if learned else None)
    in_layers(layers)
    units(run, found)
    studies(run, row, best, learned)
    if not others.empty:
        elsewhere(others, concept)


with page.frame("Concepts", "Which units detect a concept, and what happens without them.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        row = chosen(run) if run else None
    if run and row is not None:
        concept_page(run, row)
