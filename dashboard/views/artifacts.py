"""Artifacts: units that make images worse, ranked, marked by hand, and ablated."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import artifacts as charts
from dashboard.team import marks, people
from dashboard.viewer import size, wipe
from dashboard.widgets import downloads, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import artifacts as queries
from db.store import Snapshot

GALLERY, EXAMPLES = 12, 8
CHANCE = 0.05  # the largest share of random sets that do as much, for a finding
OWN = "marks"  # the list of units marked in the workspace
METRICS = {
    "FID_inf": "FID_inf is the Fréchet distance, extrapolated to endless images.",
    "KID": "KID, the kernel distance, is unbiased, but it sees small changes less well than FID_inf.",
    "FID": "FID is the Fréchet distance of these images alone. Few images make it too large, so its "
    "intervals do not hold the true distance. Compare it only with figures from as many images.",
}

NAMES = ("generator", "layer")


def title(row: Row) -> str:
    return f"{row['generator']}, {row['layer']} · {row['images']:,} images · {row['run_id']}"


def heading(run: Row, effects: pd.DataFrame) -> None:
    """What ablating the first units does, compared with random units."""
    metric = metrics(effects)[0]
    part = effects[(effects["metric"] == metric) & (effects["ranking"] == "ablation")]
    for row in rows(part.tail(1)):
        random = only(effects, metric=metric, ranking="random", units=row["units"])
        beside = (
            f" Without as many random units it is {random['after']:.3g} "
            f"({random['after_low']:.3g} to {random['after_high']:.3g}, "
            f"{words.count(int(random['sets']), 'random set')})."
            if random
            else ""
        )
        units = words.count(int(row["units"]), "unit")
        st.markdown(
            f"{verdict(row)} Without the {units} that help most when ablated alone, the Fréchet distance "
            f"to the reference goes from {row['before']:.3g} to **{row['after']:.3g}** "
            f"(± {row['after_error']:.2g}; 0 is no difference).{beside}{kernel(effects, row)}"
            f"{lowest(part, row)}"
        )
        st.caption(bias(effects, row))
    st.caption(
        f"The distance uses {run['features']} features of {words.plain(run['extractor'])}. The reference is "
        f"{words.plain(run['reference'])}: half of its {run['reference_images']:,} images serve the ranking, "
        f"the other half the scores. {run['ranking_images']:,} generated images served the ranking, "
        f"{run['scoring_images']:,} "
        "others the scores. Compare distances within one run only, because they depend on the features."
    )


def metrics(effects: pd.DataFrame) -> list[str]:
    """The distances that the run has, the one that decides first. Runs of 0.1.0 have no FID_inf."""
    return [name for name in METRICS if (effects["metric"] == name).any()]


def bias(effects: pd.DataFrame, row: Row) -> str:
    """How much of the distance comes from the number of images alone."""
    if row["metric"] == "FID":
        return (
            "This run holds only the FID of the images at hand. Few images make it too large, more so where "
            "images vary more, so part of a fall may be due to that. Rank the layer again to correct this."
        )
    sample = only(effects, metric="FID", ranking="ablation", units=row["units"])
    if sample is None:
        return ""
    return (
        "The distance is FID_inf, which is FID extrapolated to endless images. The FID of these images is "
        f"{sample['before']:.3g} before and {sample['after']:.3g} after: too large, because they are few."
    )


def kernel(effects: pd.DataFrame, row: Row) -> str:
    """What KID says, if it contradicts: one distance falls, and the other one rises."""
    other = only(effects, metric="KID", ranking="ablation", units=row["units"])
    if other is None or abs(row["fall"]) <= 2 * row["fall_error"]:
        return ""
    if abs(other["fall"]) <= 2 * other["fall_error"] or (other["fall"] > 0) == (row["fall"] > 0):
        return ""
    way = "falls" if other["fall"] > 0 else "rises"
    return f" But KID {way}, from {other['before']:.3g} to {other['after']:.3g}: do not rely on either."


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
    units = words.count(int(row["units"]), "unit")
    if row["fall"] < -2 * row["fall_error"]:
        return f"**No artifact units here**: without the {units} under suspicion, images get worse."
    if row["fall"] <= 2 * row["fall_error"]:
        return "**No artifact units were found**: the difference is no more than chance."
    if row["as_good"] is None:
        return "**Images get better**, but no random sets were measured, so other units may do the same."
    if row["as_good"] > CHANCE:
        return f"**No artifact units were found**: random units do as much (p = {row['as_good']:.2g})."
    return f"**{units.capitalize()} make images worse**; random units do less (p = {row['as_good']:.2g})."


def curve(effects: pd.DataFrame) -> None:
    """Draw the distance against the number of ablated units."""
    page.section("Distance without the first units")
    metric = url.choice(st.segmented_control, "Distance", "metric", metrics(effects), required=True)
    st.caption(
        f"{METRICS[metric]} A lower distance means images nearer to the reference. The dashed line is the "
        "distance before. Vertical lines are 95 % intervals over blocks of images. The grey band holds 95 % "
        "of the random sets. The images scored here were not used for the ranking."
    )
    charts.curve(effects, metric).draw(f"{metric} against the number of units ablated")
    downloads.table(effects, "distances")


def ranking(snapshot: Snapshot, run: Row, marked: list[int]) -> tuple[str, pd.DataFrame]:
    """The chosen list: a ranking of the run, or the units that people have marked."""
    names = {name: charts.NAMES[name].capitalize() for name in queries.rankings(snapshot, run["run_id"])}
    names |= {OWN: "Marked by people"}
    page.section("The units")
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
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for row in rows(table.head(GALLERY)):
            number = int(row["unit"])
            with st.container(border=True, gap="xsmall"):
                with st.container(horizontal=True, vertical_alignment="center"):
                    where = {"run": str(run["parent_run_id"]), "layer": run["layer"], "unit": str(number)}
                    label = f"**{row['rank']}.** unit {number} · {words.plain(row['concept'] or 'no name')}"
                    st.page_link("views/unit.py", label=label, query_params=where)
                    if number in marked:
                        st.badge("marked", color="orange")
                if bundle and (picture := charts.unit(bundle, number, size.across(), 4)):
                    alt, there = f"Top images of unit {number}", url.address("unit", **where)
                    st.image(picture, width="stretch", alt=alt, link=there)
                st.caption(score(row))


def score(row: Row) -> str:
    if row["score"] is None:
        return "marked by hand, no score"
    error = f" ± {row['error']:.2g}" if row["error"] is not None else ""
    return f"score {row['score']:.3g}{error}"


@st.fragment
def by_hand(bundle: str | None, run: Row, table: pd.DataFrame, by: str) -> None:
    """Draw one large unit at a time, with the buttons that mark it; a key draws only this again."""
    page.section("Mark by hand")
    with page.sentences():
        _by_hand(bundle, run, table, by)


def _by_hand(bundle: str | None, run: Row, table: pd.DataFrame, by: str) -> None:
    people.ask("marks")
    name = people.name()
    units = [int(unit) for unit in table["unit"]]
    place = url.number("at", 0, 0, len(units) - 1) or 0
    unit = units[place]
    found = marks.marks(str(run["parent_run_id"]), str(run["layer"]))
    marked = marks.units(found)
    if by == OWN and set(units) - set(marked):  # the list above is another now
        st.rerun()
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
            keys = ("generator", "layer", "images", "inputs")
            params = more | {key: str(run[key]) for key in keys if run.get(key)}
            label, icon = "Measure the marked units in a job", ":material/play_arrow:"
            st.page_link("views/jobs.py", label=label, icon=icon, query_params=params)
            downloads.table(found[["unit", "author", "created_at"]], "marks")


@st.fragment
def comparison(run: Row, table: pd.DataFrame, by: str) -> None:
    """Draw images before and after the ablation of the first n units, and the edit to download."""
    page.section("Before and after")
    with page.sentences():
        _comparison(run, table, by)


def _comparison(run: Row, table: pd.DataFrame, by: str) -> None:
    most, n = min(64, max(1, len(table))), 1
    if most > 1:
        n = url.whole(st.slider, "First n units", "n", 1, most, min(8, most), width=320)
    units = [int(unit) for unit in table["unit"].head(n)]
    edit = Edit.ablate(str(run["layer"]), units)
    seed, first = int(run["seed"]), int(run["evaluation_start"])
    latents = list(range(first, first + EXAMPLES))
    with st.skeleton(height=360):
        made = renders.made(run, edit, seed, latents)
    without = f"without {words.count(n, 'unit')}"
    with st.grid(min_column_width=size.card_width() // 2):
        for latent, before, after in zip(latents, made.before, made.after, strict=True):
            with st.container(gap="xxsmall"):
                alt = f"Latent {latent}, as it is and {without}"
                wipe.wipe(before, after, f"wipe-{latent}", alt, ("as it is", without))
                st.caption(f"latent {latent}")
    st.caption(
        f"Left of the edge the image is as it is, right of it {without}. The edge follows the pointer, a "
        "finger or the arrow keys."
    )
    export(run, edit, units, by, charts.sheet(made.before, made.after))
    renders.edit_text(edit, str(run["parent_run_id"]), seed, first)


def export(run: Row, edit: Edit, units: list[int], by: str, sheet: bytes) -> None:
    """Draw downloads of the units as an edit in JSON, and of the images."""
    keys = ("generator", "generator_sha256", "run_id", "layer")
    content: dict[str, Any] = {key: str(run[key]) for key in keys}
    content |= {"ranking": by, "units": units, "edit": str(edit)}
    with st.container(horizontal=True):
        downloads.button(
            "The edit as JSON", json.dumps(content, indent=2), "artifact-units.json", "application/json"
        )
        downloads.button("Images as PNG", sheet, "before-after.png", "image/png")


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """Draw the whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reset = ("by", "n", "at")
        run = pickers.study_run(found, "Artifact units of", "artifact units", title, NAMES, reset)
        page.queue_link(
            "Rank another layer", kind="artifacts", generator=run["generator"], inputs=run.get("inputs")
        )
    effects = queries.effects(snapshot, run["run_id"])
    heading(run, effects)
    page.contents("Distance without the first units", "The units", "Before and after", "Mark by hand")
    curve(effects)
    marked = marks.units(marks.marks(str(run["parent_run_id"]), str(run["layer"])))
    by, table = ranking(snapshot, run, marked)
    if table.empty:
        st.caption("Nothing is marked yet. Choose a ranking, and mark units with the key M.")
        return
    bundle = page.bundle(snapshot, str(run["run_id"]))
    gallery(bundle, table, marked, run)
    downloads.table(table, "units")
    comparison(run, table, by)
    by_hand(bundle, run, table, by)


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
