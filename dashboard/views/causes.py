"""Causes: which units make a concept appear, how surely, what else changes, and what it looks like."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import causes as charts
from dashboard.charts.causes import BESIDE, EDITS, INTERVALS, MEANING
from dashboard.widgets import findings, jobs, page, renders, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import causes as queries
from db.store import Snapshot


def choose(found: pd.DataFrame) -> Row:
    """The causes run: by its name, by generator, layer and concept, or the newest."""
    known = {str(row["run_id"]): row for row in rows(found)}
    asked = {name: url.get(name) for name in ("generator", "layer", "concept") if url.get(name)}
    named = url.get("run")
    match = only(found, **asked) if asked else None
    standing = only(found, parent_run_id=named) if named else None
    default = match or standing or next(iter(known.values()))
    if named and named not in known and standing is None:
        st.warning(f"Run {words.plain(named)} has no causes here; others are shown.", icon=":material/help:")
    chosen = url.choice(
        st.selectbox,
        "Causes of",
        "run",
        list(known),
        default=str(default["run_id"]),
        reset=("n", "generator", "layer", "concept"),
        format_func=lambda name: title(known[name]),
        width=560,
        help="A concept in a layer of a generator, learned by a job. The newest is first.",
    )
    return known[chosen]


def title(row: Row) -> str:
    return f"{row['concept']} · {row['generator']}, {row['layer']} · {row['images']} images · {row['run_id']}"


def heading(snapshot: Snapshot, run: Row) -> Row:
    """The finding in a sentence, how surely it is known, and how it can be doubted."""
    found = rows(queries.summary(snapshot, run["run_id"]))
    own = found[0]
    st.markdown(findings.sentence(run, own))
    for other in found[1:]:
        st.caption(
            f"Scored again by {other['segmenter']}: effect {findings.percent(other, 'effect', 1)}, "
            f"removed {findings.percent(other, 'removed')}."
        )
    losses = queries.learning(snapshot, run["run_id"])
    stopped = int(losses.groupby("seed")["stopped"].any().sum())
    sure, said = findings.doubt(own, stopped, queries.overlap(snapshot, run["run_id"]))
    if sure:
        st.caption(said)
    else:
        st.warning(said, icon=":material/warning:")
    with st.container(horizontal=True):
        parent = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
        st.page_link("views/units.py", label="The dissection's units", query_params=parent)
        st.page_link("views/ablate.py", label="Ablate others", query_params=parent)
    return own


def units(snapshot: Snapshot, run: Row) -> pd.DataFrame:
    """Alpha of each unit, and the rankings side by side."""
    table = queries.rankings(snapshot, run["run_id"])
    st.subheader("Which units", anchor=False)
    told = (
        "Alpha is how strongly a unit is edited when units are chosen together to change the concept "
        "most and to "
        "be few: 1 wholly, 0 not at all. Bar: the mean; line: least and most over the learning seeds. "
    )
    st.caption(told)
    left, right = st.columns([3, 2], gap="large")
    left.altair_chart(charts.alphas(table), alt="Alpha of the strongest units with its range over seeds")
    where = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
    table["link"] = [url.address("unit", **where, unit=unit) for unit in table["unit"]]
    columns: dict[str, Any] = {
        "link": st.column_config.LinkColumn("Unit", display_text=r"unit=(\d+)"),
        "alpha": st.column_config.NumberColumn("Alpha", format="%.2f"),
        "rank": "by ACE",
        "iou_rank": st.column_config.NumberColumn("by IoU", help="Place by IoU on calibration images."),
        "single_rank": st.column_config.NumberColumn(
            "alone", help="Place by the average causal effect of the unit alone."
        ),
        "calibration_iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
        "relative_effect": st.column_config.NumberColumn("removes alone", format="percent"),
    }
    with right:
        shown = table[list(columns)]
        st.dataframe(shown, hide_index=True, column_config=columns, height=250, alt="Rankings side by side")
        page.csv(table.drop(columns="link"), "units", "Table")
    return table


def curves(snapshot: Snapshot, run: Row, own: Row) -> pd.DataFrame:
    """Effect against the number of units, with random sets beside, and what it does to the pictures."""
    frame = queries.curves(snapshot, run["run_id"])
    st.subheader("What editing them does", anchor=False)
    with st.container(horizontal=True):
        edit = url.choice(
            st.segmented_control, "Edit", "edit", list(EDITS), required=True, format_func=EDITS.__getitem__
        )
        scale = url.choice(
            st.segmented_control,
            "Effect as",
            "as",
            ["relative", "absolute"],
            required=True,
            format_func=str.title,
        )
    part = frame[frame["edit"] == edit]
    st.caption(f"Here {MEANING[edit]}. {charts.legend(part)}")
    value = "relative_effect" if scale == "relative" else "effect"
    said = f"share of {run['concept']}" if scale == "relative" else "share of all pixels"
    left, right = st.columns([3, 2], gap="large")
    drawn = charts.curve(part, value, said, True, acting=int(own["acting_units"]))
    left.altair_chart(drawn, alt=f"Effect against units: {edit}, {scale}")
    with right:
        asked = url.choice(
            st.selectbox, "Beside it", "beside", list(BESIDE), format_func=lambda n: BESIDE[n][0]
        )
        if part.loc[part["units"] > 0, asked].notna().any():
            chart = charts.curve(part, asked, BESIDE[asked][0].lower(), False, asked in INTERVALS)
            st.altair_chart(chart, alt=f"{BESIDE[asked][0]} against units")
        else:
            st.caption("This was not measured for this edit.")
        st.caption(BESIDE[asked][1])
    for n in findings.told_at(part, int(own["top_units"])):
        st.caption(findings.beside(part, n))
    page.csv(frame, "curves", "Table")
    return frame


def singles(snapshot: Snapshot, run: Row) -> None:
    """Each unit edited alone, as the curves are."""
    edit = url.get("edit") if url.get("edit") in EDITS else next(iter(EDITS))
    frame = queries.units_where(snapshot, run["run_id"], run["concept"], str(edit))
    st.subheader("Each unit alone", anchor=False)
    st.caption(
        f"Every unit of the layer edited by itself ({EDITS[str(edit)].lower()}, at all cells). The order was "
        "chosen on other images than those that are drawn, so the first are not first by luck; lines are "
        f"95 % intervals over {words.count(int(frame['images'].max()), 'test image')}."
    )
    st.altair_chart(charts.singles(frame), alt=f"Effect of each unit alone, with intervals: {edit}")
    page.csv(frame, "single-units", "Table")


def sides(snapshot: Snapshot, run: Row, n: int, all_runs: pd.DataFrame) -> None:
    """What else changes: this concept's units and those of others learned in the same layer."""
    st.subheader("What else changes", anchor=False)
    edit = "insert" if url.get("edit") == "insert" else "ablate"
    frame = queries.side_effects(snapshot, findings.a_run_a_concept(run, all_runs), edit)
    frame = findings.nearest(frame[frame["ranking"] == "ace"], n).sort_values("before", ascending=False)
    st.caption(
        f"{'Ablating' if edit == 'ablate' else 'Inserting'} the first {n} units learned for a concept (a "
        "row) changes the pixels of each concept (a column) by so much of what was there. A row that is "
        "strong in one column alone is a specific cause. More rows come with more concepts learned in this "
        "layer."
    )
    st.altair_chart(charts.matrix(frame), alt="Concept edited against concept changed")
    page.csv(frame, "side-effects", "Table")


def before_after(run: Row, own: Row, table: pd.DataFrame, n: int) -> None:
    """The same images with the first n units ablated and inserted, exactly as they were scored."""
    best = rows(table.head(n))
    gone, there = (
        {int(row["unit"]): float(row[name]) for row in best} for name in ("ablate_value", "insert_value")
    )
    off = (
        Edit.mean(run["layer"], gone)
        if own["ablate_kind"] == "mean"
        else Edit.ablate(run["layer"], list(gone))
    )
    on = Edit.insert(run["layer"], there)
    seed, first = int(run["seed"]), int(run["evaluation_start"])
    latents = list(range(first, first + 4))
    for name, edit in (("Ablated", off), ("Inserted everywhere", on)):
        st.markdown(f"**{name}**, {words.count(n, 'unit')}")
        with page.sentences(), st.spinner("Rendering"):
            made = jobs.client().render(str(run["generator"]), str(edit), seed, latents)
            renders.show(renders.Pictures(latents, made), f"{name.split()[0].lower()}.png")
        renders.said(edit, str(run["parent_run_id"]), seed, first)


def costs(snapshot: Snapshot, run: Row, own: Row) -> None:
    """How alpha was learned, and what that took."""
    with st.expander("How it was learned, and what it cost", icon=":material/school:"):
        chart = charts.learning(queries.learning(snapshot, run["run_id"]))
        st.altair_chart(chart, alt="Loss on the stopping images, seed by seed")
        shared = charts.overlap(queries.overlap(snapshot, run["run_id"]), int(own["acting_most"]))
        st.altair_chart(shared, alt="Share of their first units that the seeds have in common")
        st.caption(
            f"{own['seeds']} seeds, at most {own['steps']} steps, penalty {own['penalty']} x "
            f"{own['penalty_weight']:.3g}, ablation {own['ablate_kind']}, insertion {own['insert_kind']}, "
            f"seed {run['seed']}. Images through the generator: {own['generator_passes']:,}; through its "
            f"tail: {own['tail_passes']:,}; through the segmenter: {own['segmenter_passes']:,}; "
            f"{words.seconds(own['seconds'])}. Training, stopping and test images are apart; the test images "
            f"are latents {run['evaluation_start']} to {run['evaluation_stop'] - 1}."
        )


def nothing() -> None:
    """How to get causes."""
    st.info(
        "No causes have been learned in this store yet: choose a concept and a layer, and a job learns "
        "which units "
        "make it appear (or `ganatomy ace GENERATOR --layer L --concept C`).",
        icon=":material/lightbulb:",
    )
    named = {
        "kind": "ace",
        **{name: url.get(name) for name in ("generator", "layer", "concept") if url.get(name)},
    }
    label, icon = "Queue one on the Jobs page", ":material/play_arrow:"
    st.page_link("views/jobs.py", label=label, icon=icon, query_params=named)


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """The whole page of one causes run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = choose(found)
        again = {
            "kind": "ace",
            "generator": run["generator"],
            "layer": run["layer"],
            "concept": run["concept"],
        }
        st.page_link("views/jobs.py", label="Learn another", icon=":material/add:", query_params=again)
    own = heading(snapshot, run)
    table = units(snapshot, run)
    frame = curves(snapshot, run, own)
    steps = sorted(int(n) for n in frame["units"].unique() if n > 0)
    st.subheader("Before and after", anchor=False)
    told = "The first so many units of the learned ranking; the first test images, whatever they show."
    n = url.choice(st.select_slider, "Units", "n", steps, default=int(own["top_units"]), help=told, width=420)
    before_after(run, own, table, n)
    sides(snapshot, run, n, found)
    singles(snapshot, run)
    costs(snapshot, run, own)


ABOUT = "Which units make a concept appear: learned, tested on other images, beside random units."

with page.frame("Causes", ABOUT) as snapshot:
    learned = queries.causes(snapshot)
    if learned.empty:
        nothing()
    else:
        everything(snapshot, learned)
