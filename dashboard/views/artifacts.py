"""Artifacts: units that make images worse, ranked, marked by hand, and ablated."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import artifacts as charts
from dashboard.widgets import jobs, marks, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import artifacts as queries
from db.store import Snapshot

GALLERY, EXAMPLES = 12, 8
CHANCE = 0.05  # the largest share of random sets that do as much, for a finding
OWN = "marks"  # the list of units marked in the workspace

NAMES = ("generator", "layer")


def title(row: Row) -> str:
    return f"{row['generator']}, {row['layer']} · {row['images']:,} images · {row['run_id']}"


def heading(run: Row, effects: pd.DataFrame) -> None:
    """What ablating the first units does, compared with random units."""
    part = effects[(effects["metric"] == "FID") & (effects["ranking"] == "ablation")]
    for row in rows(part.tail(1)):
        random = only(effects, metric="FID", ranking="random", units=row["units"])
        beside = (
            f" Ablating as many random units takes it to {random['after']:.3g} "
            f"({random['after_low']:.3g} to {random['after_high']:.3g}, "
            f"{words.count(int(random['sets']), 'random set')})."
            if random
            else ""
        )
        st.markdown(
            f"Ablating the **{int(row['units'])} units** that help most when ablated alone takes "
            f"the Fréchet distance from {row['before']:.3g} to **{row['after']:.3g}** "
            f"(± {row['after_error']:.2g}).{beside} {verdict(row)}{lowest(part, row)}"
        )
    st.caption(
        f"The distance uses {run['features']} features of {run['extractor']}. The reference is "
        f"{run['reference']}: half of its {run['reference_images']:,} images serve the ranking, the other "
        f"half the scores. {run['ranking_images']:,} generated images served the ranking, "
        f"{run['scoring_images']:,} "
        "others the scores. Compare distances within one run only, because they depend on the features."
    )


def lowest(part: pd.DataFrame, row: Row) -> str:
    """Where the curve is lowest, if fewer units get below the distance before."""
    best = min(rows(part), key=lambda one: one["after"])
    if best["units"] == row["units"] or best["after"] >= best["before"]:
        return ""
    return (
        f" The distance is lowest without {words.count(int(best['units']), 'unit')}, at {best['after']:.3g}."
    )


def verdict(row: Row) -> str:
    """Whether the distance falls by more than noise, and by more than with random units."""
    if row["fall"] < -2 * row["fall_error"]:
        return "The images get worse without them, so they are not artifact units."
    if row["fall"] <= 2 * row["fall_error"]:
        return "The difference is no more than chance: no artifact units were found."
    if row["as_good"] is None:
        return "No random sets were measured, so other units may do the same."
    if row["as_good"] > CHANCE:
        return f"But random units do as much (p = {row['as_good']:.2g}), so other units may cause the same."
    return f"Random units do less (p = {row['as_good']:.2g}), so these units do make the images worse."


def curve(effects: pd.DataFrame) -> None:
    """Draw the distance against the number of ablated units."""
    st.subheader("Distance without the first units", anchor=False)
    metric = url.choice(st.segmented_control, "Distance", "metric", ["FID", "KID"], required=True)
    st.caption(
        "A lower distance means images nearer to the reference. The dashed line is the distance before. "
        "Vertical lines are 95 % intervals over blocks of images. The grey band holds 95 % of the random "
        "sets. The images scored here were not used for the ranking."
    )
    st.altair_chart(charts.curve(effects, metric), alt=f"{metric} against the number of units ablated")
    page.csv(effects, "distances")


def ranking(snapshot: Snapshot, run: Row, marked: list[int]) -> tuple[str, pd.DataFrame]:
    """The chosen list: a ranking of the run, or the units that people have marked."""
    names = {name: charts.NAMES[name].capitalize() for name in queries.rankings(snapshot, run["run_id"])}
    names |= {OWN: f"Marked here ({len(marked)})"}
    st.subheader("The units", anchor=False)
    by = url.choice(
        st.segmented_control,
        "Ranked by",
        "by",
        list(names),
        required=True,
        default="ablation",
        reset=("at", "n"),
        format_func=names.__getitem__,
    )
    if by != OWN:
        st.caption(charts.CAPTIONS[by])
        return by, queries.ranked(snapshot, run["run_id"], by)
    st.caption("Units of this layer that anybody has marked, in the order of marking.")
    known = queries.ranked(snapshot, run["run_id"], "ablation").set_index("unit")
    there = [unit for unit in marked if unit in known.index]
    return by, known.loc[there].reset_index().assign(score=None, error=None, rank=range(1, len(there) + 1))


def gallery(bundle: str | None, table: pd.DataFrame, marked: list[int], run: Row) -> None:
    """Draw the first units, each with its score and its top images."""
    with st.grid(min_column_width=260):
        for row in rows(table.head(GALLERY)):
            number = int(row["unit"])
            with st.container(border=True, gap="xsmall"):
                with st.container(horizontal=True, vertical_alignment="center"):
                    where = {"run": str(run["parent_run_id"]), "layer": run["layer"], "unit": str(number)}
                    label = f"**{row['rank']}.** unit {number} · {row['concept'] or 'no name'}"
                    st.page_link("views/unit.py", label=label, query_params=where)
                    if number in marked:
                        st.badge("marked", color="orange")
                if bundle and (picture := charts.unit(bundle, number, 3, 3)):
                    st.image(picture, width="stretch", alt=f"Top images of unit {number}")
                st.caption(score(row))


def score(row: Row) -> str:
    if row["score"] is None:
        return "marked by hand, no score"
    error = f" ± {row['error']:.2g}" if row["error"] is not None else ""
    return f"score {row['score']:.3g}{error}"


def by_hand(bundle: str | None, run: Row, table: pd.DataFrame, marked: list[int]) -> None:
    """Draw one large unit at a time, with the buttons that mark it."""
    st.subheader("Mark by hand", anchor=False)
    name = marks.author() or "anyone"
    units = [int(unit) for unit in table["unit"]]
    place = min(url.number("at", 0) or 0, len(units) - 1)
    unit = units[place]
    found = marks.marks(str(run["parent_run_id"]), str(run["layer"]))
    mine = unit in marks.units(found[found["author"] == name])
    marks.buttons(str(run["parent_run_id"]), str(run["layer"]), unit, place, len(units), name, marked=mine)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if bundle and (picture := charts.unit(bundle, unit, 5)):
            st.image(picture, width="stretch", alt=f"Top images of unit {unit}, large")
        else:
            st.caption(
                "There are no images of units: the layer has too many units, or the bundle is missing."
            )
    with right:
        st.markdown(f"Marked: {', '.join(map(str, marked)) or 'none yet'}")
        if marked:
            more = {"kind": "artifacts", "marked": ",".join(map(str, marked)), "reference": run["reference"]}
            params = more | {key: str(run[key]) for key in ("generator", "layer", "images")}
            label, icon = "Measure the marked units in a job", ":material/play_arrow:"
            st.page_link("views/jobs.py", label=label, icon=icon, query_params=params)
            page.csv(found[["unit", "author", "created_at"]], "marks")


def comparison(run: Row, table: pd.DataFrame, by: str) -> None:
    """Draw images before and after the ablation of the first n units, and the edit to download."""
    st.subheader("Before and after", anchor=False)
    most = min(64, max(1, len(table)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = 1
        if most > 1:
            n = url.whole(st.slider, "First n units", "n", 1, most, min(8, most), width=320)
        percent = url.whole(st.slider, "After, from the left (%)", "wipe", 0, 100, 50, width=320)
    units = [int(unit) for unit in table["unit"].head(n)]
    edit = Edit.ablate(str(run["layer"]), units)
    seed, first = int(run["seed"]), int(run["evaluation_start"])
    latents = list(range(first, first + EXAMPLES))
    with st.spinner("Rendering"):
        made = jobs.client().render(str(run["generator"]), str(edit), seed, latents)
    sheet = charts.sheet(made.before, made.after, percent, 4)
    st.image(sheet, width=740, alt=f"{EXAMPLES} images, the left {percent} % without {len(units)} units")
    st.caption(
        f"Latents {first} to {latents[-1]}; left of the line without the units, right of it as they are."
    )
    export(run, edit, units, by, sheet)
    renders.edit_text(edit, str(run["parent_run_id"]), seed, first)


def export(run: Row, edit: Edit, units: list[int], by: str, sheet: bytes) -> None:
    """Draw downloads of the units as an edit in JSON, and of the images."""
    keys = ("generator", "generator_sha256", "run_id", "layer")
    content: dict[str, Any] = {key: str(run[key]) for key in keys}
    content |= {"ranking": by, "units": units, "edit": str(edit)}
    with st.container(horizontal=True):
        st.download_button(
            "The edit as JSON",
            json.dumps(content, indent=2),
            "artifact-units.json",
            "application/json",
            icon=":material/download:",
        )
        st.download_button(
            "Images as PNG", sheet, "before-after.png", "image/png", icon=":material/download:"
        )


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """Draw the whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reset = ("by", "n", "at")
        run = pickers.study_run(found, "Artifact units of", "artifact units", title, NAMES, reset)
        page.queue_link("Rank another layer", kind="artifacts", generator=run["generator"])
    effects = queries.effects(snapshot, run["run_id"])
    heading(run, effects)
    curve(effects)
    marked = marks.units(marks.marks(str(run["parent_run_id"]), str(run["layer"])))
    by, table = ranking(snapshot, run, marked)
    if table.empty:
        st.caption("Nothing is marked yet. Choose a ranking, and mark units with the key M.")
        return
    bundle = page.bundle(snapshot, str(run["run_id"]))
    gallery(bundle, table, marked, run)
    page.csv(table, "units")
    comparison(run, table, by)
    by_hand(bundle, run, table, marked)


ABOUT = "Which units make images worse, and how the images change without them."

with page.frame("Artifacts", ABOUT) as snapshot:
    searched = queries.searches(snapshot)
    if searched.empty:
        page.empty(
            "No artifact units have been ranked in this store yet. A job ranks the units of a layer by how "
            "much worse they make the images. Queue one, or run `ganatomy artifacts GENERATOR --layer L`.",
            kind="artifacts",
            **{name: url.get(name) for name in NAMES},
        )
    else:
        everything(snapshot, searched)
