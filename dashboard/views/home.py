"""Home: what is in the store, what runs, what to do next."""

import pandas as pd
import streamlit as st

from dashboard.charts import dissection
from dashboard.widgets import card, jobs, page, pickers, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs as queries


def totals(runs: pd.DataFrame) -> None:
    """The store in five numbers."""
    figures = {
        "Runs": (len(runs), "Dissections and what stands on them."),
        "Evaluation images": (runs["images"].sum(), "Images behind the numbers, over all runs."),
        "Units": (runs["units"].sum(), "Units measured, over all runs."),
        "Named units": (runs["named"].sum(), words.HELP["rule"]),
        "Distinct concepts": (
            runs["distinct_concepts"].max(),
            "The most that one run's named units tell apart.",
        ),
    }
    with st.grid(columns=5, min_column_width=140):
        for label, (value, meaning) in figures.items():
            st.metric(label, f"{int(value):,}", help=meaning, border=True)


def run_card(run: Row) -> None:
    """One run: what it is, how far it is, the ways into it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{run['generator']}** seen by {run['segmenter']}", width="content")
            st.badge(run["state"], color="green" if run["state"] == "final" else "orange")
        st.markdown(
            f"{words.count(run['named'], 'named unit')} of {run['units']:,}, "
            f"{words.count(run['distinct_concepts'], 'concept')}"
        )
        st.caption(
            f"{run['images']:,} + {run['calibration']:,} images · {run['layers']} · seed {run['seed']} · "
            f"{words.ago(run['finished_at'])} · `{run['run_id']}`"
        )
        with st.container(horizontal=True):
            for name in ("units", "layers", "ablate"):
                st.page_link(f"views/{name}.py", label=name.title(), query_params={"run": str(run["run_id"])})


def showpieces(run: pickers.Run) -> None:
    """The newest run's best units, one a concept."""
    best = queries.showpieces(run.snapshot, run.id)
    if best.empty:
        return
    st.subheader("From the newest run", anchor=False)
    st.caption("The best unit of each concept: its score, and the images that activate it most.")
    full = dissection.scale(rows(best))
    with st.grid(min_column_width=330):
        for row in rows(best):
            card.unit(run, row, full, {})


def next_steps(runs: pd.DataFrame) -> None:
    """What somebody who comes in may want to do."""
    newest = {"run": str(runs.iloc[0]["run_id"])}
    st.subheader("Next", anchor=False)
    with st.grid(min_column_width=260):
        for label, view, icon, params in (
            ("Look at what the newest run's units mean", "units", "grid_view", newest),
            ("See which layers hold objects", "layers", "layers", newest),
            ("Switch units off and see what goes", "ablate", "content_cut", newest),
            ("Queue a dissection", "jobs", "play_arrow", {}),
        ):
            st.page_link(f"views/{view}.py", label=label, icon=f":material/{icon}:", query_params=params)


with page.frame(
    "Ganatomy", "What the units inside your generators mean, and how well that is known."
) as snapshot:
    frame = queries.runs(snapshot, "dissection")
    jobs.running()
    if frame.empty:
        page.nothing_yet()
    else:
        totals(frame)
        next_steps(frame)
        with page.sentences():
            showpieces(pickers.Run(str(frame.iloc[0]["run_id"]), rows(frame)[0], snapshot))
        st.subheader("Runs", anchor=False)
        with st.grid(min_column_width=320):
            for row in rows(frame):
                run_card(row)
