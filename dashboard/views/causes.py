"""Causes: which units make a concept appear, how certain that is, and what else they change."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import causes as charts
from dashboard.charts.causes import BESIDE, EDITS, INTERVALS, MEANING
from dashboard.widgets import causal_edits, downloads, findings, limits, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import causes as queries
from db.store import Snapshot

NAMES = ("generator", "layer", "concept")
SECTIONS = (
    *("Before and after", "What else changes", "Which units", "What editing them does", "Each unit alone"),
)


def title(row: Row) -> str:
    return f"{row['concept']} · {row['generator']}, {row['layer']} · {row['images']} images · {row['run_id']}"


def heading(snapshot: Snapshot, run: Row) -> Row:
    """Draw the finding in a sentence, and how reliable it is."""
    found = rows(queries.summary(snapshot, run["run_id"]))
    own = found[0]
    frame, table = queries.curves(snapshot, run["run_id"]), queries.rankings(snapshot, run["run_id"])
    st.markdown(findings.sentence(run, own, frame))
    for other in found[1:]:
        st.caption(
            f"With the segmenter {words.plain(other['segmenter'])}, the average causal effect is "
            f"{findings.percent(other, 'effect', 1)} of the pixels, and ablating the units removes "
            f"{findings.percent(other, 'removed')} of the concept."
        )
    losses = queries.learning(snapshot, run["run_id"])
    stopped = int(losses.groupby("seed")["stopped"].any().sum())
    reliable, sentence = findings.reliability(own, stopped, queries.overlap(snapshot, run["run_id"]), table)
    if reliable:
        st.caption(sentence)
    else:
        st.warning(sentence, icon=":material/warning:")
    if sentences := limits.limits(run, own, frame, table):
        st.caption("What this run cannot tell:\n\n" + "\n".join(f"- {sentence}" for sentence in sentences))
    with st.container(horizontal=True):
        parent = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
        st.page_link("views/units.py", label="Units of the dissection", query_params=parent)
        st.page_link("views/ablate.py", label="Ablate other units", query_params=parent)
    return own


def units(run: Row, table: pd.DataFrame) -> None:
    """Draw alpha per unit, and the rankings side by side."""
    page.section("Which units")
    st.caption(
        "Alpha says how strongly the learned edit changes a unit: 0 not at all, 1 fully. It is learned for "
        "all "
        "units together, to change the concept as much as possible with few units. A bar is the mean over "
        "the learning seeds, a line runs from the smallest to the largest."
    )
    left, right = st.columns([3, 2], gap="large")
    charts.alphas(table).draw("Alpha of the strongest units with its range over seeds", left)
    where = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
    table = table.copy()
    table["link"] = [url.address("unit", **where, unit=unit) for unit in table["unit"]]
    columns: dict[str, Any] = {
        "link": st.column_config.LinkColumn("Unit", display_text=r"unit=(\d+)"),
        "alpha": st.column_config.NumberColumn("Alpha", format="%.2f"),
        "rank": "by ACE",
        "iou_rank": st.column_config.NumberColumn("by IoU", help="Rank by IoU on calibration images."),
        "single_rank": st.column_config.NumberColumn(
            "alone", help="Rank by the average causal effect of the unit alone."
        ),
        "calibration_iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
        "relative_effect": st.column_config.NumberColumn("removes alone", format="percent"),
    }
    with right:
        shown = table[list(columns)]
        st.dataframe(
            shown,
            hide_index=True,
            column_config=columns,
            height=250,
            placeholder="-",
            alt="Rankings side by side",
        )
        downloads.table(table.drop(columns="link"), "units", "Units")


def curves(run: Row, own: Row, frame: pd.DataFrame) -> None:
    """Draw the effect against the number of units, and a second measure beside it."""
    page.section("What editing them does")
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
    st.caption(f"{MEANING[edit]} {charts.legend(part)}")
    value = "relative_effect" if scale == "relative" else "effect"
    axis = f"share of {run['concept']}" if scale == "relative" else "share of all pixels"
    left, right = st.columns([3, 2], gap="large")
    drawn = charts.curve(part, value, axis, True, acting=int(own["acting_units"]))
    drawn.draw(f"Effect against units: {edit}, {scale}", left)
    with right:
        measure = url.choice(
            st.selectbox, "Second measure", "beside", list(BESIDE), format_func=lambda n: BESIDE[n][0]
        )
        if part.loc[part["units"] > 0, measure].notna().any():
            chart = charts.curve(part, measure, BESIDE[measure][0].lower(), False, measure in INTERVALS)
            chart.draw(f"{BESIDE[measure][0]} against units")
        else:
            st.caption("This was not measured for this edit.")
        st.caption(BESIDE[measure][1])
    for n in findings.numbers_of_units(part, int(own["top_units"])):
        st.caption(findings.random_sets(part, n))
    downloads.table(frame, "curves", "Curves")


def singles(snapshot: Snapshot, run: Row) -> None:
    """Draw the effect of each unit edited alone."""
    edit = url.get("edit") if url.get("edit") in EDITS else next(iter(EDITS))
    frame = queries.units_where(snapshot, run["run_id"], run["concept"], str(edit))
    page.section("Each unit alone")
    st.caption(
        f"A point is the effect of one unit alone ({EDITS[str(edit)].lower()}, at all cells). The units were "
        "ordered on other images, so the first units are not first by luck. A line is the 95 % interval over "
        f"{words.count(int(frame['images'].max()), 'test image')}{_fewer(frame)}."
    )
    charts.singles(frame).draw(f"Effect of each unit alone, with intervals: {edit}")
    downloads.table(frame, "single-units", "Units alone")


def _fewer(frame: pd.DataFrame) -> str:
    """On how many images the minor units were measured, where that is fewer."""
    most, least = int(frame["images"].max()), int(frame["images"].min())
    return f", or over {least} for units that did little on those other images" if least < most else ""


def sides(snapshot: Snapshot, run: Row, n: int, all_runs: pd.DataFrame) -> None:
    """Draw what else changes, for every concept whose causes were learned in the same layer."""
    page.section("What else changes")
    edit = "insert" if url.get("edit") == "insert" else "ablate"
    frame = queries.side_effects(snapshot, findings.newest_per_concept(run, all_runs), edit)
    frame = findings.nearest(frame[frame["ranking"] == "ace"], n).sort_values("before", ascending=False)
    st.caption(
        f"A cell is the change of a concept (column) when the first {n} units of a concept (row) are "
        f"{'ablated' if edit == 'ablate' else 'inserted'}, relative to its pixels before. A row with only "
        "one "
        "strong column is a specific cause. There is one row per concept whose causes were learned in this "
        "layer."
    )
    charts.matrix(frame).draw("Concept edited against concept changed")
    downloads.table(frame, "side-effects", "Side effects")


def before_after(run: Row, own: Row, table: pd.DataFrame, n: int) -> None:
    """Draw images with the first n units ablated and inserted, edited exactly as they were scored."""
    layer, kind = str(run["layer"]), str(own["ablate_kind"])
    off, on = causal_edits.ablation(layer, table.head(n), kind), causal_edits.insertion(layer, table.head(n))
    seed, first = int(run["seed"]), int(run["evaluation_start"])
    latents = list(range(first, first + 4))
    for name, edit in (("Ablated", off), ("Inserted everywhere", on)):
        st.markdown(f"**{name}**, {words.count(n, 'unit')}")
        with page.sentences(), st.skeleton(height=320):
            made = renders.made(run, edit, seed, latents)
            renders.show(renders.Pictures(latents, made), f"{name.split()[0].lower()}.png")
        renders.edit_text(edit, str(run["parent_run_id"]), seed, first)


def costs(snapshot: Snapshot, run: Row, own: Row) -> None:
    """Draw how alpha was learned, and what the run cost."""
    with st.expander("How alpha was learned, and what it cost", icon=":material/school:"):
        chart = charts.learning(queries.learning(snapshot, run["run_id"]))
        chart.draw("Loss on the stopping images, seed by seed")
        shared = charts.overlap(queries.overlap(snapshot, run["run_id"]), int(own["acting_most"]))
        shared.draw("Share of their first units that the seeds have in common")
        st.caption(
            f"The run took {words.seconds(own['seconds'])}. It put {own['generator_passes']:,} images "
            "through the "
            f"generator, {own['tail_passes']:,} through its later layers, and {own['segmenter_passes']:,} "
            "through "
            f"the segmenter. Alpha was learned with {own['seeds']} seeds and at most {own['steps']} steps "
            f"(penalty {words.plain(own['penalty'])} x {own['penalty_weight']:.3g}, "
            f"ablation {words.plain(own['ablate_kind'])}, insertion {words.plain(own['insert_kind'])}, "
            f"seed {run['seed']}){_starts(own)}. No image served two purposes. The test images are "
            f"latents {run['evaluation_start']} to {run['evaluation_stop'] - 1}."
        )


def _starts(own: Row) -> str:
    """Which start each seed kept, where the run says it."""
    return f"; the starts kept are {words.plain(own['starts'])}" if own.get("starts") else ""


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """Draw the whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.study_run(found, "Causes of", "causes", title, NAMES, reset=("n",))
        page.queue_link(
            "Learn another", kind="ace", inputs=run.get("inputs"), **{name: run[name] for name in NAMES}
        )
    own = heading(snapshot, run)
    page.contents(*SECTIONS)
    table, frame = queries.rankings(snapshot, run["run_id"]), queries.curves(snapshot, run["run_id"])
    steps = sorted(int(n) for n in frame["units"].unique() if n > 0)
    page.section("Before and after")
    meaning = "How many units of the learned ranking are edited. The images are the first four test images."
    n = url.choice(
        st.select_slider, "Units", "n", steps, default=int(own["top_units"]), help=meaning, width=420
    )
    before_after(run, own, table, n)
    sides(snapshot, run, n, found)
    units(run, table)
    curves(run, own, frame)
    singles(snapshot, run)
    costs(snapshot, run, own)


ABOUT = "Which units make a concept appear, tested on other images and compared with random units."

with page.frame("Causes", ABOUT) as snapshot:
    learned = queries.causes(snapshot)
    if learned.empty:
        page.empty(
            "No causes have been learned in this store yet. A job learns which units of a layer make a "
            "concept appear. Queue one, or run `ganatomy ace GENERATOR --layer L --concept C`.",
            kind="ace",
            **{name: url.get(name) for name in NAMES},
        )
    else:
        everything(snapshot, learned)
