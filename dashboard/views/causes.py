"""Causes: which units make a concept appear, how surely, what else changes, and what it looks like."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis.edits import Edit
from dashboard.widgets import causal, page, renders, url, words, work
from dashboard.widgets.causal import BESIDE, EDITS, MEANING
from dashboard.widgets.rows import Row, only, rows
from db import effects
from db.store import Snapshot

SURE = 0.7  # overlap of the seeds' first units below which a ranking is not to be relied on


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
    found = rows(effects.summary(snapshot, run["run_id"]))
    own = found[0]
    n, what = int(own["top_units"]), run["concept"]
    ace = f"{own['effect']:.1%} of the pixels ({own['effect_low']:.1%} to {own['effect_high']:.1%})"
    st.markdown(
        f"Switching off the first **{n} units** removes **{own['removed']:.0%}** of all {what} pixels. "
        f"Between inserting and ablating them {what} changes by {ace}: the average causal effect, over "
        f"{run['images']:,} test images that chose no unit, at all cells. At one cell drawn anywhere it is "
        f"{_number(own['uniform_effect'])} of the cell."
    )
    for other in found[1:]:
        st.caption(
            f"Scored again by {other['segmenter']}: effect {other['effect']:.1%}, removed "
            f"{other['removed']:.0%}."
        )
    doubt(snapshot, run, own)
    with st.container(horizontal=True):
        parent = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
        st.page_link("views/units.py", label="The dissection's units", query_params=parent)
        st.page_link("views/ablate.py", label="Ablate others", query_params=parent)
    return own


def doubt(snapshot: Snapshot, run: Row, own: Row) -> None:
    """Warns when the seeds disagree or the learning had not come to rest."""
    losses = effects.learning(snapshot, run["run_id"])
    stopped = int(losses.groupby("seed")["stopped"].any().sum())
    overlap, seeds = own["top_overlap"], int(own["seeds"])
    said = f"{stopped} of {seeds} seeds reached a plateau; their first {own['top_units']} units agree to "
    if stopped < seeds or overlap is None or overlap < SURE:
        more = (
            "Ask for more steps"
            if stopped < seeds
            else "The order of the weaker units is not to be relied on"
        )
        st.warning(f"{said}{_number(overlap)}. {more}.", icon=":material/warning:")
    else:
        st.caption(f"{said}{overlap:.2f}, which is what one may rely on.")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def csv(frame: pd.DataFrame, name: str) -> None:
    """A table to take away."""
    label, icon = "Table as CSV", ":material/download:"
    st.download_button(
        label, frame.to_csv(index=False), f"{name}.csv", "text/csv", icon=icon, key=f"csv-{name}"
    )


def units(snapshot: Snapshot, run: Row) -> pd.DataFrame:
    """Alpha of each unit, and the rankings side by side."""
    table = effects.rankings(snapshot, run["run_id"])
    st.subheader("Which units", anchor=False)
    told = (
        "Alpha is how strongly a unit is edited when units are chosen together to change the concept "
        "most and to "
        "be few: 1 wholly, 0 not at all. Bar: the mean; line: least and most over the learning seeds. "
    )
    st.caption(told)
    left, right = st.columns([3, 2], gap="large")
    left.altair_chart(causal.alphas(table), alt="Alpha of the strongest units with its range over seeds")
    where = {"run": str(run["parent_run_id"]), "layer": run["layer"]}
    table["link"] = [url.address("unit", **where, unit=unit) for unit in table["unit"]]
    columns: dict[str, Any] = {
        "link": st.column_config.LinkColumn("Unit", display_text=r"unit=(\d+)"),
        "alpha": st.column_config.NumberColumn("Alpha", format="%.2f"),
        "rank": "by ACE",
        "iou_rank": st.column_config.NumberColumn("by IoU", help="Place by IoU on calibration images."),
        "single_rank": st.column_config.NumberColumn("alone", help="Place by the effect of the unit alone."),
        "calibration_iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
        "relative_effect": st.column_config.NumberColumn("removes alone", format="percent"),
    }
    with right:
        shown = table[list(columns)]
        st.dataframe(shown, hide_index=True, column_config=columns, height=250, alt="Rankings side by side")
        csv(table.drop(columns="link"), "units")
    return table


def curves(snapshot: Snapshot, run: Row) -> pd.DataFrame:
    """Effect against the number of units, with random sets beside, and what it does to the pictures."""
    frame = effects.curves(snapshot, run["run_id"])
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
    random = frame[frame["ranking"] == "random"]
    sets = f"{int(random['sets'].max())} random sets" if len(random) else "no random sets"
    telling = (
        f"Here {MEANING[edit]}. Bands: 95 % intervals, the image being the cluster; grey: what {sets} of the "
    )
    st.caption(
        f"{telling}same activation energy do (95 % of them). An effect within the grey is no work of "
        f"these units."
    )
    value = "relative_effect" if scale == "relative" else "effect"
    said = f"share of {run['concept']}" if scale == "relative" else "share of all pixels"
    part = frame[frame["edit"] == edit]
    left, right = st.columns([3, 2], gap="large")
    left.altair_chart(causal.curve(part, value, said, True), alt=f"Effect against units: {edit}, {scale}")
    with right:
        asked = url.choice(
            st.selectbox, "Beside it", "beside", list(BESIDE), format_func=lambda n: BESIDE[n][0]
        )
        if part.loc[part["units"] > 0, asked].notna().any():
            chart = causal.curve(part, asked, BESIDE[asked][0].lower(), False, interval=False)
            st.altair_chart(chart, alt=f"{BESIDE[asked][0]} against units")
        else:
            st.caption("This was not measured for this edit.")
        st.caption(BESIDE[asked][1])
    csv(frame, "curves")
    return frame


def singles(snapshot: Snapshot, run: Row) -> None:
    """Each unit ablated alone."""
    frame = effects.units_where(snapshot, run["run_id"], run["concept"], "both")
    st.subheader("Each unit alone", anchor=False)
    st.caption(
        "Every unit of the layer ablated by itself. The order was chosen on other images than those that are "
        "drawn, so the first are not first by luck; lines are 95 % intervals."
    )
    st.altair_chart(causal.singles(frame), alt="Effect of each unit alone, with intervals")
    csv(frame, "single-units")


def sides(snapshot: Snapshot, run: Row, n: int, all_runs: pd.DataFrame) -> None:
    """What else changes: this concept's units and those of others learned in the same layer."""
    st.subheader("What else changes", anchor=False)
    same = all_runs[(all_runs["parent_run_id"] == run["parent_run_id"]) & (all_runs["layer"] == run["layer"])]
    same = same.drop_duplicates("concept")
    others = [str(name) for name in same["run_id"] if name != run["run_id"]]
    kept = [str(run["run_id"]), *others]
    edit = "insert" if url.get("edit") == "insert" else "ablate"
    frame = effects.side_effects(snapshot, kept, edit)
    frame = frame[frame["ranking"] == "ace"]
    least = (frame["units"] - n).abs()
    frame = frame[least == least.groupby(frame["run_id"]).transform("min")]
    frame = frame[frame["run_id"].isin(kept)].sort_values("before", ascending=False)
    st.caption(
        f"{'Ablating' if edit == 'ablate' else 'Inserting'} the first {n} units learned for a concept (a "
        f"row) changes "
        "the pixels of each concept (a column) by so much of what was there. A row that is strong in one "
        "column "
        "alone is a specific cause. More rows come with more concepts learned in this layer."
    )
    st.altair_chart(causal.matrix(frame), alt="Concept edited against concept changed")
    csv(frame, "side-effects")


def before_after(run: Row, table: pd.DataFrame, n: int) -> None:
    """The same images with the first n units ablated and inserted."""
    best = rows(table.head(n))
    off = Edit.ablate(run["layer"], [int(row["unit"]) for row in best])
    on = Edit.insert(run["layer"], {int(row["unit"]): round(float(row["insert_value"]), 4) for row in best})
    seed, first = int(run["seed"]), int(run["evaluation_start"])
    latents = list(range(first, first + 4))
    for name, edit in (("Ablated", off), ("Inserted everywhere", on)):
        st.markdown(f"**{name}**, {words.count(n, 'unit')}")
        with page.sentences(), st.spinner("Rendering"):
            made = work.client().render(str(run["generator"]), str(edit), seed, latents)
            renders.show(renders.Pictures(latents, made), f"{name.split()[0].lower()}.png")
        renders.said(edit, str(run["parent_run_id"]), seed, first)


def costs(snapshot: Snapshot, run: Row, own: Row) -> None:
    """How alpha was learned, and what that took."""
    with st.expander("How it was learned, and what it cost", icon=":material/school:"):
        chart = causal.learning(effects.learning(snapshot, run["run_id"]))
        st.altair_chart(chart, alt="Loss on the stopping images, seed by seed")
        st.caption(
            f"{own['seeds']} seeds, at most {own['steps']} steps, penalty {own['penalty']} x "
            f"{own['penalty_weight']}, "
            f"insertion {own['insert_kind']}, seed {run['seed']}. Images through the generator: "
            f"{own['generator_passes']:,}; through its tail: {own['tail_passes']:,}; through the segmenter: "
            f"{own['segmenter_passes']:,}; {words.seconds(own['seconds'])}. Training, stopping and test "
            f"images "
            f"are apart; the test images are latents {run['evaluation_start']} to "
            f"{run['evaluation_stop'] - 1}."
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
    frame = curves(snapshot, run)
    steps = sorted(int(n) for n in frame["units"].unique() if n > 0)
    default = min(steps, key=lambda n: abs(n - int(own["top_units"])))
    st.subheader("Before and after", anchor=False)
    told = "The first so many units of the learned ranking; the first test images, whatever they show."
    n = url.choice(st.select_slider, "Units", "n", steps, default=default, help=told, width=420)
    before_after(run, table, n)
    sides(snapshot, run, n, found)
    singles(snapshot, run)
    costs(snapshot, run, own)


ABOUT = "Which units make a concept appear: learned, tested on other images, beside random units."

with page.frame("Causes", ABOUT) as snapshot:
    learned = effects.causes(snapshot)
    if learned.empty:
        nothing()
    else:
        everything(snapshot, learned)
