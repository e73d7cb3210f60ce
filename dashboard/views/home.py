"""Home: what was found, which jobs run, where to start."""

import pandas as pd
import streamlit as st

from dashboard.discoveries import cards as discovery_cards
from dashboard.discoveries import sentences
from dashboard.discoveries.cards import Discovery
from dashboard.team import saved_views
from dashboard.viewer import size
from dashboard.widgets import card, jobs, page, pickers, pictures, times, url, words
from dashboard.widgets.rows import Row, rows
from db.errors import StoreError
from db.queries import concepts as concept_queries
from db.queries import runs as queries

CONCEPTS = 30  # linked at most
EACH = 12  # cards of runs per page
STUDIES = ("dissection", "causes", "context", "artifacts")
LEAD = 6  # images of the first picture


def lead(run: pickers.Run) -> None:
    """Draw what the newest dissection found, links to its concepts, and its best unit's images."""
    best = queries.showpieces(run.snapshot, run.id)
    left, right = st.columns([3, 2], gap="large") if len(best) else (st.container(), None)
    with left:
        st.markdown(sentences.dissection(run.row))
        concepts(run)
    if right is None:
        return
    top = rows(best)[0]
    with right:
        first_picture(run, top)


def first_picture(run: pickers.Run, top: Row) -> None:
    """Draw the images of one unit, and what it is."""
    layer, number, low = str(top["layer"]), int(top["unit"]), top["side"] == "low"
    try:
        strip = pictures.unit_strip(
            run.bundle, layer, number, top["threshold"], run.grid, LEAD // 2, low=low, rows=2
        )
    except StoreError:  # the run's card says so
        return
    what = words.plain(words.name(top))
    st.image(strip, width="stretch", alt=f"Images of {layer} unit {number}, which detects {what}")
    there = {"run": run.id, "layer": layer, "unit": str(number)}
    label = f"{words.plain(layer)} unit {number} detects **{what}**: the colour is where it is on"
    st.page_link("views/unit.py", label=label, icon=":material/crop_free:", query_params=there)


def totals(every: pd.DataFrame, results: pd.DataFrame) -> None:
    """Draw the store in five numbers. Baselines are no results, so their units are not counted."""
    studies = every[every["kind"].isin(STUDIES) & (every["control"] == "none")]
    figures = {
        "Runs": (len(studies), "Dissections, causes, contexts and artifact runs, without controls."),
        "Evaluation images": (results["images"].sum(), "Images that gave the scores, over all dissections."),
        "Units": (results["units"].sum(), "Units measured, over all dissections."),
        "Detectors": (results["detectors"].sum(), f"{words.HELP['rule']} {words.HELP['twin']}"),
        "Distinct concepts": (
            results["detected_concepts"].max(),
            "The most concepts that the detectors of any one dissection cover.",
        ),
    }
    with st.grid(columns=5, min_column_width=140):
        for label, (value, meaning) in figures.items():
            beside = sentences.random_twins(results) if label == "Detectors" else None
            st.metric(
                label,
                f"{int(value):,}",
                beside,
                delta_color="off",
                delta_arrow="off",
                help=meaning,
                border=True,
            )


def run_card(run: Row) -> None:
    """Draw one run: its models, its state, its size, and links to its pages."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            names = [words.plain(run[role]) for role in ("generator", "segmenter")]
            title = page.titles().get(str(run["run_id"]))
            named = f"**{words.plain(title)}**: " if title else ""
            st.markdown(f"{named}**{names[0]}** seen by {names[1]}", width="content")
            st.badge(words.plain(run["state"]), color="green" if run["state"] == "final" else "orange")
            if run["control"] != "none":
                st.badge("control", color="gray", help=words.HELP["twin"])
        st.markdown(
            f"{words.count(run['detectors'], 'detector')} among {words.count(run['units'], 'unit')}, "
            f"{words.count(run['detected_concepts'], 'concept')}" + _twin(run)
        )
        st.caption(
            f"{run['images']:,} evaluation and {run['calibration']:,} calibration images · "
            f"{words.plain(run['layers'])} · seed {run['seed']} · {times.past(run['finished_at'])} · "
            f"{words.plain(run['run_id'])}"
        )
        with st.container(horizontal=True):
            for name in ("units", "layers", "ablate"):
                st.page_link(f"views/{name}.py", label=name.title(), query_params={"run": str(run["run_id"])})


def _twin(run: Row) -> str:
    twin = run["twin_detectors"]
    return "" if twin is None else f"; with random weights {words.count(int(twin), 'detector')}"


def discoveries(found: list[Discovery]) -> None:
    """Draw what causes, contexts and artifact runs found."""
    if found:
        st.header("What switching units off and on showed", anchor=False)
        with page.sentences():
            discovery_cards.draw(found)


def showpieces(run: pickers.Run) -> None:
    """Draw a run's best unit per concept."""
    best = queries.showpieces(run.snapshot, run.id)
    if best.empty:
        return
    st.header(f"The best units of {words.plain(str(run.row['generator']))}", anchor=False)
    st.caption("The detector with the largest lift for each concept, with the images that activate it most.")
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for row in rows(best):
            card.unit(run, row, {})


def concepts(run: pickers.Run) -> None:
    """Draw a link to each concept of a run, with the number of its detectors."""
    found = [row for row in rows(concept_queries.concepts(run.snapshot, run.id)) if row["detectors"]]
    if not found:
        return
    st.markdown("Start from a concept:")
    with st.container(horizontal=True, gap="small"):
        for row in found[:CONCEPTS]:
            label = f"{words.plain(row['concept'])} · {row['detectors']}"
            there = {"run": run.id, "concept": str(row["concept"])}
            st.page_link("views/concept.py", label=label, query_params=there)


def cards(runs: pd.DataFrame) -> None:
    """Draw one page of cards of runs, newest first, and the choice of a page."""
    pages = max(1, -(-len(runs) // EACH))
    at = url.page_number(pages)
    with st.grid(min_column_width=320):
        for row in rows(runs.iloc[(at - 1) * EACH : at * EACH]):
            run_card(row)
    if pages > 1:
        key = f"pages:{at}"
        st.pagination(pages, default=at, key=key, on_change=lambda: url.change(page=st.session_state[key]))


def next_steps(run: Row) -> None:
    """Draw links to what a visitor may want to do next."""
    newest = {"run": str(run["run_id"])}
    st.header("Next", anchor=False)
    with st.grid(min_column_width=260):
        for label, view, icon, params in (
            (f"See what the units of {words.plain(run['generator'])} mean", "units", "grid_view", newest),
            ("See which layers hold objects", "layers", "layers", newest),
            ("Paint with units", "paint", "brush", newest),
            ("Switch units off and compare the images", "ablate", "content_cut", newest),
            ("Queue a dissection", "jobs", "play_arrow", {}),
        ):
            st.page_link(f"views/{view}.py", label=label, icon=f":material/{icon}:", query_params=params)


with page.frame(
    "Ganatomy", "What the units inside your generators mean, and how certain that is."
) as snapshot:
    every = queries.runs(snapshot)
    frame = every[every["kind"] == "dissection"]
    found = discovery_cards.found(snapshot)
    jobs.running()
    if frame.empty and not found:
        page.no_runs()
    elif frame.empty:
        discoveries(found)
    else:
        results = frame[frame["control"] == "none"] if (frame["control"] == "none").any() else frame
        first = pickers.newest(results)
        newest = pickers.Run(str(first["run_id"]), first, snapshot)
        with page.sentences():
            lead(newest)
        totals(every, results)
        discoveries(found)
        next_steps(first)
        with page.sentences():
            showpieces(newest)
        saved_views.listed()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.header("Dissections", anchor=False, width="content")
            shown = pickers.by_people(frame)
            st.page_link("views/runs.py", label="All runs", icon=":material/inventory_2:")
        cards(shown)
