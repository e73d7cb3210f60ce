"""Home: what is in the store, which jobs run, what to do next."""

import pandas as pd
import streamlit as st

from dashboard.charts import dissection
from dashboard.widgets import card, jobs, page, pickers, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs as queries


def totals(runs: pd.DataFrame) -> None:
    """Draw the store in five numbers."""
    figures = {
        "Runs": (len(runs), "Dissections in this store."),
        "Evaluation images": (runs["images"].sum(), "Images that gave the scores, over all runs."),
        "Units": (runs["units"].sum(), "Units measured, over all runs."),
        "Named units": (runs["named"].sum(), words.HELP["rule"]),
        "Distinct concepts": (
            runs["distinct_concepts"].max(),
            "Distinct concepts among the named units of one run; the largest number of any run.",
        ),
    }
    with st.grid(columns=5, min_column_width=140):
        for label, (value, meaning) in figures.items():
            st.metric(label, f"{int(value):,}", help=meaning, border=True)


def run_card(run: Row) -> None:
    """Draw one run: its models, its state, its size, and links to its pages."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{run['generator']}** seen by {run['segmenter']}", width="content")
            st.badge(run["state"], color="green" if run["state"] == "final" else "orange")
        st.markdown(
            f"{words.count(run['named'], 'named unit')} of {run['units']:,}, "
            f"{words.count(run['distinct_concepts'], 'concept')}"
        )
        st.caption(
            f"{run['images']:,} evaluation and {run['calibration']:,} calibration images · {run['layers']} · "
            f"seed {run['seed']} · {words.ago(run['finished_at'])} · `{run['run_id']}`"
        )
        with st.container(horizontal=True):
            for name in ("units", "layers", "ablate"):
                st.page_link(f"views/{name}.py", label=name.title(), query_params={"run": str(run["run_id"])})


def showpieces(run: pickers.Run) -> None:
    """Draw the newest run's best unit per concept."""
    best = queries.showpieces(run.snapshot, run.id)
    if best.empty:
        return
    st.subheader("From the newest run", anchor=False)
    st.caption("The best unit of each concept, with its IoU and the images that activate it most.")
    full = dissection.scale(rows(best))
    with st.grid(min_column_width=330):
        for row in rows(best):
            card.unit(run, row, full, {})


def next_steps(runs: pd.DataFrame) -> None:
    """Draw links to what a visitor may want to do next."""
    newest = {"run": str(runs.iloc[0]["run_id"])}
    st.subheader("Next", anchor=False)
    with st.grid(min_column_width=260):
        for label, view, icon, params in (
            ("See what the units of the newest run mean", "units", "grid_view", newest),
            ("See which layers hold objects", "layers", "layers", newest),
            ("Switch units off and compare the images", "ablate", "content_cut", newest),
            ("Queue a dissection", "jobs", "play_arrow", {}),
        ):
            st.page_link(f"views/{view}.py", label=label, icon=f":material/{icon}:", query_params=params)


with page.frame(
    "Ganatomy", "What the units inside your generators mean, and how certain that is."
) as snapshot:
    frame = queries.runs(snapshot, "dissection")
    jobs.running()
    if frame.empty:
        page.no_runs()
    else:
        totals(frame)
        next_steps(frame)
        with page.sentences():
            showpieces(pickers.Run(str(frame.iloc[0]["run_id"]), rows(frame)[0], snapshot))
        st.subheader("Runs", anchor=False)
        with st.grid(min_column_width=320):
            for row in rows(frame):
                run_card(row)
