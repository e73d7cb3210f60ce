"""Context: where a concept may appear when its units are forced on, by what was there before."""

import json

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import cell_maps
from dashboard.charts import context as charts
from dashboard.charts.context import STRENGTHS, VIEWS
from dashboard.widgets import jobs, page, renders, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import context as queries
from db.store import Snapshot

TOGETHER = 6  # images whose maps are shown at once
MEASURES = {"survival": "Over the start", "change": "Size of the change", "outside": "Elsewhere"}
TRACED = 5  # contexts drawn along the layers
EQUAL = 0.01  # energies that differ by less are called equal


def choose(found: pd.DataFrame) -> Row:
    """The run of insertions: by its name, by generator, layer and concept, or the newest."""
    known = {str(row["run_id"]): row for row in rows(found)}
    asked = {name: url.get(name) for name in ("generator", "layer", "concept") if url.get(name)}
    named = url.get("run")
    match = only(found, **asked) if asked else only(found, parent_run_id=named) if named else None
    if named and named not in known and match is None:
        st.warning(f"Run {words.plain(named)} is no insertion; another is shown.", icon=":material/help:")
    chosen = url.choice(
        st.selectbox,
        "Insertion of",
        "run",
        list(known),
        default=str((match or next(iter(known.values())))["run_id"]),
        reset=("strength", "image", "row", "column", "generator", "layer", "concept"),
        format_func=lambda name: title(known[name]),
        width=560,
        help="A concept whose units were forced on in a layer, cell by cell. The newest is first.",
    )
    return known[chosen]


def title(row: Row) -> str:
    what = f"{row['concept']} in {row['generator']}, {row['layer']}"
    amount = f"{words.count(int(row['units']), 'unit')} · {row['images']} images"
    return f"{what} · {amount} · {row['started_at']:%d %b %H:%M}"


def strength(snapshot: Snapshot, run: Row) -> Row:
    """The summary of the chosen strength."""
    found = queries.summary(snapshot, run["run_id"])
    there = [name for name in STRENGTHS if name in set(found["strength"])]
    chosen = url.choice(
        st.segmented_control,
        "Forced to",
        "strength",
        there,
        required=True,
        format_func=STRENGTHS.__getitem__,
        help="k: the mean of each unit where the concept is. 2k: twice that. The quantile: what 1 % of its "
        "cells exceed.",
    )
    row = only(found, strength=chosen)
    assert row is not None
    return row


def heading(run: Row, own: Row) -> None:
    """The finding in a sentence, and what position alone explains."""
    square = "one cell" if own["patch"] == 1 else f"a square of {own['patch']}x{own['patch']} cells"
    random = (
        f"; random units at {energy(own)} change it by {interval(own, 'random_effect')}"
        if own["random_effect"] is not None
        else "; random units were not run at this strength"
    )
    st.markdown(
        f"Forcing **{words.count(int(own['units']), 'unit')}** on in {square} changes {run['concept']} by "
        f"**{interval(own, 'effect')}** areas of one cell, on average over {own['locations']:,} cells of "
        f"{own['images']:,} images{random}. {own['left_out']:,} cells with {run['concept']} in or beside "
        "them are left out."
    )
    (step,) = Edit.parse(str(own["edit"])).steps
    numbers = ", ".join(str(unit.number) for unit in step.units)
    st.caption(f"Units {numbers}: {origin(run)}.")
    if own["position_share"] is None:
        return
    st.markdown(
        f"**What position alone explains**: of the differences between cells, the row of the cell explains "
        f"{share(own, 'row_share')}, row and column {share(own, 'position_share')}; what was there explains "
        f"{share(own, 'context_share')}, and beyond row and column still "
        f"**{share(own, 'context_beyond_position_share')}**."
    )


def energy(own: Row) -> str:
    """Whether the random edits could be made as large as the units'."""
    ratio = own["random_energy"]
    if ratio is None or abs(ratio - 1) < EQUAL:
        return "equal energy"
    return f"{ratio:.3g} times their energy (equal energy was out of reach)"


def origin(run: Row) -> str:
    """Where the units come from, as the run was asked."""
    asked = json.loads(str(run["settings"]))
    if asked.get("units"):
        return "named by whoever asked"
    if asked.get("causes"):
        return f"the causal set that run {asked['causes']} learned"
    return "those of best IoU on latents of their own, for no causes were learned before"


def interval(row: Row, name: str) -> str:
    """A number with its interval, where there is one."""
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if low is not None else "")


def share(row: Row, name: str) -> str:
    return "-" if row[name] is None else f"{row[name]:.0%}"


def contexts(snapshot: Snapshot, run: Row, chosen: str) -> None:
    """The chart of contexts, and the same by row of cells."""
    frame = queries.contexts(snapshot, run["run_id"])
    st.subheader("By what was there", anchor=False)
    view = url.choice(
        st.segmented_control,
        "Compared",
        "as",
        list(VIEWS),
        required=True,
        format_func={"row": "Within rows", "raw": "As it is"}.__getitem__,
    )
    st.caption(
        VIEWS[view][3] + " Lines: 95 % intervals, the image being the cluster; none below 10 images. "
        f"Pale, and at the end: fewer than {charts.FEW} cells or 10 images."
    )
    part = frame[frame["strength"] == chosen]
    left, right = st.columns([3, 2], gap="large")
    left.altair_chart(charts.by_context(part, view), alt=f"Effect by context, {view}")
    table = queries.by_row(snapshot, run["run_id"], chosen)
    with right:
        st.altair_chart(charts.by_row(table), alt="Effect by row of cells and context")
    with st.container(horizontal=True):
        page.csv(frame, "contexts")
        page.csv(table, "contexts-by-row")


def maps(snapshot: Snapshot, run: Row, own: Row) -> None:
    """Maps over pictures; the chosen cell before and after."""
    st.subheader("Where it responds", anchor=False)
    st.caption(
        f"Orange: {run['concept']} appears when this cell is forced; blue: it goes; grey: left out. "
        "Click a cell, or give its row and column. The one shown at first is the one that answers most: an "
        "example that was chosen for its effect, and no measurement."
    )
    cells = cell_maps.read(str(snapshot.bundle(str(run["run_id"])).path), str(own["strength"]))
    count, (height, width) = len(cells.latents), cells.shape
    with st.container(horizontal=True, vertical_alignment="bottom"):
        last = count - 1
        image = url.whole(st.number_input, "Image", "image", 0, last, 0, width=130, reset=("row", "column"))
        best = cells.best(image)
        row = url.whole(st.number_input, "Row", "row", 0, height - 1, best[0], width=130)
        column = url.whole(st.number_input, "Column", "column", 0, width - 1, best[1], width=130)
    images = [(image + step) % count for step in range(min(TOGETHER, count))]
    latents = [cells.latents[i] for i in images]
    edit = cell_maps.edit(str(run["layer"]), cells, row, column, int(own["patch"]))
    with st.spinner("Rendering"):
        made = jobs.client().render(str(run["generator"]), str(edit), int(run["seed"]), latents)
    left, right = st.columns([2, 3], gap="large")
    with left:
        cell_maps.clickable(cells, image, made.before[0], (row, column))
    with right:
        effect = cells.effect[image, row, column]
        told = f"{effect:+.2f} areas of one cell" if effect == effect else "not tried here"
        st.markdown(
            f"**Row {row}, column {column}** of latent {latents[0]}: {cells.there(image, row, column)} before"
            f"; change of {run['concept']}: **{told}**."
        )
        first = renders.Pictures(latents[:1], made)
        renders.show(first, "insertion.png")
        renders.edit_text(edit, str(run["parent_run_id"]), int(run["seed"]), latents[0])
    st.caption(f"The maps of images {images[0]} to {images[-1]}" if images[-1] > images[0] else "More images")
    sheet = cell_maps.sheet(cells, images, list(made.before))
    st.image(sheet, width="stretch", alt="Maps over " + ", ".join(f"latent {n}" for n in latents))
    label, icon = "Maps as PNG", ":material/download:"
    st.download_button(label, sheet, "maps.png", "image/png", icon=icon)


def traces(snapshot: Snapshot, run: Row) -> None:
    """The edit along the later layers."""
    frame = queries.traces(snapshot, run["run_id"])
    if frame.empty:
        return
    st.subheader("What later layers make of it", anchor=False)
    first = frame["strength"].iloc[0]
    value = url.choice(
        st.segmented_control,
        "Drawn",
        "trace",
        list(MEASURES),
        required=True,
        format_func=MEASURES.__getitem__,
    )
    st.caption(
        f"The same edit ({STRENGTHS[first]}) followed from the edited layer to the picture, by what was in "
        "the cell. Over the start: above 1 it grows, near 0 it is vetoed. Elsewhere: the share of the change "
        "beyond the cell and its neighbours."
    )
    kept = frame.drop_duplicates("context").nlargest(TRACED + 1, "locations")["context"]
    shown = frame[frame["context"].isin(kept)]
    st.altair_chart(charts.trace(shown, value), alt=f"The edit along the later layers: {value}")
    page.csv(frame, "trace")


def nothing() -> None:
    """How to get an insertion."""
    st.info(
        "Nothing has been inserted in this store yet: choose a concept and a layer, and a job forces its "
        "units on at every cell of many images (or `ganatomy context GENERATOR --layer L --concept C`).",
        icon=":material/lightbulb:",
    )
    queue("Queue one on the Jobs page", {name: url.get(name) for name in ("generator", "layer", "concept")})


def queue(label: str, named: Row) -> None:
    params = {"kind": "context"} | {name: str(value) for name, value in named.items() if value}
    st.page_link("views/jobs.py", label=label, icon=":material/add:", query_params=params)


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """The whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = choose(found)
        own = strength(snapshot, run)
        queue("Insert another", {name: run[name] for name in ("generator", "layer", "concept")})
    heading(run, own)
    contexts(snapshot, run, str(own["strength"]))
    maps(snapshot, run, own)
    traces(snapshot, run)


ABOUT = "Where a concept may appear: its units forced on at every cell, by what was there before."

with page.frame("Context", ABOUT) as snapshot:
    inserted = queries.insertions(snapshot)
    if inserted.empty:
        nothing()
    else:
        everything(snapshot, inserted)
