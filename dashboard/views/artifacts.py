"""Artifacts: units that make pictures worse, ranked, marked by hand, and taken away."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import artifacts as charts
from dashboard.widgets import jobs, marks, page, renders, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import artifacts as queries
from db.store import Snapshot

GALLERY, EXAMPLES = 12, 8
CHANCE = 0.05  # of random sets may do as much as a list that is called a finding
OWN = "marks"  # the list of what was marked in the workspace since


def choose(found: pd.DataFrame) -> Row:
    """The search: by its name, by generator and layer, or the newest."""
    known = {str(row["run_id"]): row for row in rows(found)}
    asked = {name: url.get(name) for name in ("generator", "layer") if url.get(name)}
    named = url.get("run")
    match = only(found, **asked) if asked else only(found, parent_run_id=named) if named else None
    if named and named not in known and match is None:
        told = f"Run {words.plain(named)} ranked no artifact units here; another is shown."
        st.warning(told, icon=":material/help:")
    chosen = url.choice(
        st.selectbox,
        "Artifact units of",
        "run",
        list(known),
        default=str((match or next(iter(known.values())))["run_id"]),
        reset=("by", "n", "at", "generator", "layer"),
        format_func=lambda name: title(known[name]),
        width=560,
        help="A layer whose units were ranked by the damage they do. The newest is first.",
    )
    return known[chosen]


def title(row: Row) -> str:
    return f"{row['generator']}, {row['layer']} · {row['images']:,} images · {row['run_id']}"


def heading(run: Row, effects: pd.DataFrame) -> None:
    """What ablating the first units does, beside random ones."""
    part = effects[(effects["metric"] == "FID") & (effects["ranking"] == "ablation")]
    for row in rows(part.tail(1)):
        random = only(effects, metric="FID", ranking="random", units=row["units"])
        beside = (
            f"; {words.count(int(random['sets']), 'random set')} of as many units: {random['after']:.3g} "
            f"({random['after_low']:.3g} to {random['after_high']:.3g})"
            if random
            else ""
        )
        st.markdown(
            f"Ablating the **{int(row['units'])} units** whose ablation alone helps most takes "
            f"the Fréchet distance from {row['before']:.3g} to **{row['after']:.3g}** "
            f"(± {row['after_error']:.2g}){beside}. {told(row)}{lowest(part, row)}"
        )
    st.caption(
        f"Features of {run['extractor']} ({run['features']}); reference {run['reference']}, "
        f"{run['reference_images']:,} pictures, half to rank and half to score; "
        f"{run['ranking_images']:,} images ranked, "
        f"{run['scoring_images']:,} others scored. Distances depend on the features: compare them within one "
        "run only."
    )


def lowest(part: pd.DataFrame, row: Row) -> str:
    """Where the curve is lowest, if that is with fewer units and lower than before."""
    best = min(rows(part), key=lambda one: one["after"])
    if best["units"] == row["units"] or best["after"] >= best["before"]:
        return ""
    return f" The curve is lowest without {words.count(int(best['units']), 'unit')}, at {best['after']:.3g}."


def told(row: Row) -> str:
    """Whether a fall is more than noise, and more than that of any other units."""
    if row["fall"] < -2 * row["fall_error"]:
        return "The pictures get worse without them: they are no artifact units."
    if row["fall"] <= 2 * row["fall_error"]:
        return "That is no more than chance: no artifact units were found."
    if row["as_good"] is None:
        return "No random sets of as many units stand beside it, so it need not be these units."
    if row["as_good"] > CHANCE:
        return (
            f"But {row['as_good']:.0%} of random sets do as much, so it need not be these units that spoil "
            "pictures."
        )
    return f"Only {row['as_good']:.1%} of random sets do as much: these units do make the pictures worse."


def curve(effects: pd.DataFrame) -> None:
    """The distance against how many units are ablated."""
    st.subheader("Without the first n", anchor=False)
    metric = url.choice(st.segmented_control, "Distance", "metric", ["FID", "KID"], required=True)
    st.caption(
        "Lower is nearer to the reference. Dashed: before. Lines: 95 % over blocks of images; grey: 95 % of "
        "the random sets of as many units. Scored on images that ranked nothing."
    )
    st.altair_chart(charts.curve(effects, metric), alt=f"{metric} against the number of units ablated")
    page.csv(effects, "distances")


def ranking(snapshot: Snapshot, run: Row, marked: list[int]) -> tuple[str, pd.DataFrame]:
    """The chosen list: a ranking of the run, or what people have marked."""
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
        st.caption(charts.SAID[by])
        return by, queries.ranked(snapshot, run["run_id"], by)
    st.caption("What anybody has marked in this layer, in the order of marking.")
    known = queries.ranked(snapshot, run["run_id"], "ablation").set_index("unit")
    there = [unit for unit in marked if unit in known.index]
    return by, known.loc[there].reset_index().assign(score=None, error=None, rank=range(1, len(there) + 1))


def gallery(bundle: str, table: pd.DataFrame, marked: list[int], run: Row) -> None:
    """The first units, each with its score and its top images."""
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
                if picture := charts.unit(bundle, number, 3, 3):
                    st.image(picture, width="stretch", alt=f"Top images of unit {number}")
                st.caption(score(row))


def score(row: Row) -> str:
    if row["score"] is None:
        return "no score: by hand"
    error = f" ± {row['error']:.2g}" if row["error"] is not None else ""
    return f"score {row['score']:.3g}{error}"


def by_hand(bundle: str, run: Row, table: pd.DataFrame, marked: list[int]) -> None:
    """One unit after the other, large, marked with a key."""
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
        if picture := charts.unit(bundle, unit, 5):
            st.image(picture, width="stretch", alt=f"Top images of unit {unit}, large")
        else:
            st.caption("This run kept no pictures: the layer has too many units for that.")
    with right:
        st.markdown(f"Marked: {', '.join(map(str, marked)) or 'none yet'}")
        if marked:
            more = {"kind": "artifacts", "marked": ",".join(map(str, marked)), "reference": run["reference"]}
            params = more | {key: str(run[key]) for key in ("generator", "layer", "images")}
            label, icon = "Measure them in a job", ":material/play_arrow:"
            st.page_link("views/jobs.py", label=label, icon=icon, query_params=params)
            page.csv(found[["unit", "author", "created_at"]], "marks")


def comparison(run: Row, table: pd.DataFrame, by: str) -> None:
    """Before and after under a slider, and the list as an edit to take away."""
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
    renders.said(edit, str(run["parent_run_id"]), seed, first)


def export(run: Row, edit: Edit, units: list[int], by: str, sheet: bytes) -> None:
    """The list as an edit that others can apply, and the pictures."""
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
            "Pictures as PNG", sheet, "before-after.png", "image/png", icon=":material/download:"
        )


def nothing() -> None:
    """How to get a ranking."""
    st.info(
        "No units have been ranked by the damage they do in this store yet: choose a layer, and a job "
        "compares its pictures with and without them (or `ganatomy artifacts GENERATOR --layer L`).",
        icon=":material/lightbulb:",
    )
    queue("Queue one on the Jobs page", {name: url.get(name) for name in ("generator", "layer")})


def queue(label: str, named: Row) -> None:
    params = {"kind": "artifacts"} | {name: str(value) for name, value in named.items() if value}
    st.page_link("views/jobs.py", label=label, icon=":material/add:", query_params=params)


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """The whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = choose(found)
        queue("Rank another layer", {"generator": run["generator"]})
    effects = queries.effects(snapshot, run["run_id"])
    heading(run, effects)
    curve(effects)
    marked = marks.units(marks.marks(str(run["parent_run_id"]), str(run["layer"])))
    by, table = ranking(snapshot, run, marked)
    if table.empty:
        st.caption("Nothing is marked yet: choose a ranking, and mark units with the key M.")
        return
    bundle = str(snapshot.bundle(str(run["run_id"])).path)
    gallery(bundle, table, marked, run)
    page.csv(table, "units")
    comparison(run, table, by)
    by_hand(bundle, run, table, marked)


ABOUT = "Units that make pictures worse: ranked, marked by hand, and taken away on other images."

with page.frame("Artifacts", ABOUT) as snapshot:
    searched = queries.searches(snapshot)
    if searched.empty:
        nothing()
    else:
        everything(snapshot, searched)
