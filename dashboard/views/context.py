"""Context: where a concept appears when its units are forced on, by what was there before."""

import json
import math

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.charts import cell_maps
from dashboard.charts import context as charts
from dashboard.charts.context import STRENGTHS, VIEWS
from dashboard.widgets import downloads, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, only
from db.queries import context as queries
from db.store import Snapshot

TOGETHER = 6  # images whose maps are shown at once
MEASURES = {"survival": "Over the start", "change": "Size of the change", "outside": "Elsewhere"}
TRACED = 5  # contexts drawn along the layers
LITTLE = 0.05  # share of the differences between cells below which nothing is called explained
EQUAL = 0.01  # energies that differ by a smaller share are called equal

NAMES = ("generator", "layer", "concept")


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
        help="The value of each unit. k is its mean where the concept is, 2k is twice that. 1 % of "
        "its cells exceed the 99 % quantile.",
    )
    row = only(found, strength=chosen)
    assert row is not None
    return row


def heading(run: Row, own: Row) -> None:
    """Draw the finding in a sentence, and how much position alone explains."""
    units, concept = words.count(int(own["units"]), "unit"), words.plain(run["concept"])
    square = "one cell" if own["patch"] == 1 else f"a square of {own['patch']}x{own['patch']} cells"
    tried = f"{own['locations']:,} cells of {own['images']:,} images"
    forced = f"Forcing {units} on in {square}"
    if no_change(own):
        st.markdown(f"**Nothing changed**: forcing {units} on in {square} changed no {concept} in {tried}.")
    else:
        change = f"**{interval(own, 'effect')} cell areas**"
        if is_null(own, "effect"):
            said = f"**No effect that can be measured.** {forced} changes {concept} by {change}"
        else:
            said = f"{forced} makes **{'more' if own['effect'] > 0 else 'less'} {concept}**: {change}"
        st.markdown(
            f"{said}, on average over {tried}. 1 cell area is as much as one cell covers.{random(own)} "
            f"{own['left_out']:,} cells are left out because {concept} is in them or beside them."
        )
    (step,) = Edit.parse(str(own["edit"])).steps
    numbers = ", ".join(str(unit.number) for unit in step.units)
    st.caption(f"Units {numbers}. {origin(run)}{shared(own)}")
    if own["position_share"] is not None and not no_change(own):
        st.markdown(explained(own))


def explained(own: Row) -> str:
    """How much of the differences between cells follows from the place, and how much from what was there.

    The shares are estimates on other images: one below 0 explains nothing.
    """
    most = max(own[name] or 0.0 for name in ("row_share", "position_share", "context_share"))
    if most < LITTLE:
        return (
            "**What position alone explains**: nothing. Neither the place of a cell nor what was there "
            f"explains where it responds: at most {words.share(max(most, 0.0))} of the differences between "
            "cells."
        )
    return (
        f"**What position alone explains**: the row of a cell explains {share(own, 'row_share')} of the "
        f"differences between cells. Row and column explain {share(own, 'position_share')}. What was there "
        f"before explains {share(own, 'context_share')}, of which "
        f"**{share(own, 'context_beyond_position_share')}** is not explained by row and column."
    )


def random(own: Row) -> str:
    """What random units do, as a sentence."""
    if own["random_effect"] is None:
        return " Random units were not measured at this strength."
    if is_null(own, "random_effect"):
        return f" Random units with {energy(own)} change nothing that can be measured."
    return f" Random units with {energy(own)} change it by {interval(own, 'random_effect')}."


def energy(own: Row) -> str:
    """The energy of the random edits, relative to that of the units."""
    ratio = own["random_energy"]
    if ratio is None or abs(ratio - 1) < EQUAL:
        return "equal energy"
    return f"{ratio:.3g} times the energy (equal energy could not be reached)"


def shared(own: Row) -> str:
    """How many cells were forced in one pass, and what difference that made; nothing where each was alone."""
    cells = own["cells_together"]
    if cells is None or cells == 1:
        return ""
    return (
        f" {cells:.2g} cells far from each other were forced in each pass. On {own['checked_cells']:,} cells "
        f"that were also forced alone this changed the mean effect by {own['together_difference']:+.2g} "
        f"(standard error {own['together_error']:.1g}) cell areas."
    )


def origin(run: Row) -> str:
    """Where the units come from, by the run's settings."""
    settings = json.loads(str(run["settings"]))
    if settings.get("units"):
        return "The job's request names them."
    if settings.get("causes"):
        return f"They are the causal set of run {words.plain(settings['causes'])}."
    return "No causes had been learned, so these are the units with the best IoU on separate latents."


def interval(row: Row, name: str) -> str:
    """A number with its interval, if it has one."""
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    digits = 2 if abs(row[name]) >= 0.1 or not row[name] else 1 - math.floor(math.log10(abs(row[name])))
    ends = "" if low is None else f" ({words.change(low, digits)} to {words.change(high, digits)})"
    return f"{words.change(row[name], digits)}{ends}"


def is_null(row: Row, name: str) -> bool:
    """Whether the 95 % interval holds 0, so that no change can be told from none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return low is not None and high is not None and low <= 0 <= high


def no_change(own: Row) -> bool:
    """Whether the effect and both ends of its interval are 0."""
    return not any(own[name] for name in ("effect", "effect_low", "effect_high"))


def share(row: Row, name: str) -> str:
    return "-" if row[name] is None else words.share(max(row[name], 0.0))


def contexts(snapshot: Snapshot, run: Row, chosen: str) -> None:
    """Draw the effect by context, and by context and row of cells."""
    frame = queries.contexts(snapshot, run["run_id"])
    page.section("By what was there")
    view = url.choice(
        st.segmented_control,
        "Compared",
        "as",
        list(VIEWS),
        required=True,
        format_func={"row": "Within rows of cells", "raw": "Over the whole image"}.__getitem__,
    )
    st.caption(
        f"{VIEWS[view][3]} Lines are 95 % intervals over images; below {charts.FEWEST} images there is none. "
        f"Contexts with fewer than {charts.FEW} cells or {charts.FEWEST} images are pale and come last."
    )
    part = frame[frame["strength"] == chosen]
    left, right = st.columns([3, 2], gap="large")
    charts.by_context(part, view).draw(f"Effect by context, {view}", left)
    table = queries.by_row(snapshot, run["run_id"], chosen)
    with right:
        charts.by_row(table).draw("Effect by row of cells and context")
    with st.container(horizontal=True):
        downloads.table(frame, "contexts")
        downloads.table(table, "contexts-by-row")


@st.fragment
def maps(snapshot: Snapshot, run: Row, own: Row) -> None:
    """Draw the maps over the images, and the chosen cell before and after; a click draws only this again."""
    page.section("Where it responds")
    with page.sentences():
        _maps(snapshot, run, own)


def _maps(snapshot: Snapshot, run: Row, own: Row) -> None:
    st.caption(
        f"Forcing an orange cell makes {words.plain(run['concept'])} appear, forcing a blue cell makes it "
        "go. Grey cells are left out. Click a cell, or enter its row and column. The page starts with the "
        "cell of the largest effect, so it is an example and not a measurement."
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
    with st.skeleton(height=cell_maps.SIDE):
        made = renders.made(run, edit, int(run["seed"]), latents)
    left, right = st.columns([2, 3], gap="large")
    with left:
        cell_maps.clickable(cells, image, made.before[0], (row, column))
    with right:
        effect = cells.effect[image, row, column]
        change = f"{words.change(effect)} cell areas" if effect == effect else "not measured here"
        st.markdown(
            f"**Row {row}, column {column}** of latent {latents[0]} showed "
            f"{words.plain(cells.there(image, row, column))} "
            f"before. The change of {words.plain(run['concept'])} is **{change}**."
        )
        first = renders.Pictures(latents[:1], made)
        renders.show(first, "insertion.png")
        renders.edit_text(edit, str(run["parent_run_id"]), int(run["seed"]), latents[0])
    st.caption(f"The maps of images {images[0]} to {images[-1]}" if images[-1] > images[0] else "More images")
    sheet = cell_maps.sheet(cells, images, list(made.before))
    st.image(sheet, width="stretch", alt="Maps over " + ", ".join(f"latent {n}" for n in latents))
    downloads.button("Maps as PNG", sheet, "maps.png", "image/png")


def traces(snapshot: Snapshot, run: Row) -> None:
    """Draw the change that the edit makes in each later layer."""
    frame = queries.traces(snapshot, run["run_id"])
    if frame.empty:
        return
    page.section("What later layers make of it")
    first = frame["strength"].iloc[0]
    value = url.choice(
        st.segmented_control,
        "Along the layers",
        "trace",
        list(MEASURES),
        required=True,
        format_func=MEASURES.__getitem__,
    )
    st.caption(
        f"The change of each later layer under the same edit (strength {STRENGTHS[first]}), by what was in "
        "the "
        "cell. *Over the start* is the change relative to that in the edited layer: above 1 it grows, near "
        "0 it dies out. *Elsewhere* is the share of the change outside the cell and its neighbours."
    )
    largest = frame.drop_duplicates("context").nlargest(TRACED + 1, "locations")["context"]
    shown = frame[frame["context"].isin(largest)]
    charts.trace(shown, value).draw(f"The edit along the later layers: {value}")
    downloads.table(frame, "trace")


def everything(snapshot: Snapshot, found: pd.DataFrame) -> None:
    """Draw the whole page of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reset = ("strength", "image", "row", "column")
        run = pickers.study_run(found, "Insertion of", "insertions", title, NAMES, reset)
        own = strength(snapshot, run)
        page.queue_link(
            "Insert another", kind="context", inputs=run.get("inputs"), **{name: run[name] for name in NAMES}
        )
    heading(run, own)
    page.contents("By what was there", "Where it responds", "What later layers make of it")
    contexts(snapshot, run, str(own["strength"]))
    maps(snapshot, run, own)
    traces(snapshot, run)


ABOUT = "Where a concept appears when its units are forced on, by what was there before."

with page.frame("Context", ABOUT) as snapshot:
    inserted = queries.insertions(snapshot)
    if inserted.empty:
        page.empty(
            "Nothing has been inserted in this store yet. A job forces the units of a concept on at every "
            "cell of many images. Queue one, or run `ganatomy context GENERATOR --layer L --concept C`.",
            kind="context",
            **{name: url.get(name) for name in NAMES},
        )
    else:
        everything(snapshot, inserted)
