"""How concepts appear during a training, where several of its checkpoints are compared."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.charts import compare as charts
from dashboard.comparison import captions, gaps, tables
from dashboard.comparison.choice import Choice
from dashboard.widgets import url, words

CONCEPTS = 6  # charts along a training; a browser takes seconds for forty


def growth(frame: pd.DataFrame, kinds: Sequence[str], choice: Choice, found: pd.DataFrame) -> None:
    """Draw the named units along a training, or what to queue where no line can be drawn."""
    lines = tables.along(frame, choice.runs)
    if tables.checkpoints(choice.runs):
        drawn = set(lines["run_id"]) if len(lines) else set()
        if drawn != {run_id for run_id, run in choice.runs.items() if run["training"]}:
            gaps.offer(choice, found, captions.NO_LINES)
    if lines.empty:
        return
    st.header("Along the training", anchor=False)
    for line, of_line in lines.groupby("line"):
        st.markdown(f"**{words.plain(str(line))}**: share of named units, one line per layer")
        end = charts.top(of_line[of_line["category"].isin(kinds)], "share")
        with st.grid(min_column_width=480):
            for kind in kinds:
                with st.container():
                    st.markdown(f"**{words.plain(kind.title())}**")
                    of_kind = of_line[of_line["category"] == kind]
                    charts.growth(of_kind, end).draw(f"Named units along the training: {kind}")


def concepts(found: pd.DataFrame, choice: Choice) -> None:
    """Draw the best unit of each concept along a training."""
    points = tables.along(tables.best_layer(found), choice.runs).dropna(subset=["score"])
    if points.empty:
        return
    st.header("Along the training, concept by concept", anchor=False)
    for line, of_line in points.groupby("line"):
        st.markdown(f"**{words.plain(str(line))}**: the best unit of the chosen layers, per concept")
        every = sorted(of_line["concept"].unique())
        shown = every if url.get("grown") == "all" else tables.changing(of_line, CONCEPTS)
        with st.grid(min_column_width=210):
            for concept, of_concept in of_line[of_line["concept"].isin(shown)].groupby("concept"):
                with st.container():
                    st.markdown(f"**{words.plain(str(concept))}**")
                    chart = charts.concept_growth(of_concept, of_line, str(concept))
                    chart.draw(f"{concept} along the training")
        if len(shown) < len(every):
            st.caption(f"These are the {len(shown)} concepts of {len(every)} that change most.")
            url.turn(f"All {len(every)} concepts", f"grown:{line}", **url.everything(grown="all"))
        st.caption(f"The dashed line is the control. {_beginnings(of_line, choice)}".strip())


def _beginnings(points: pd.DataFrame, choice: Choice) -> str:
    """The sentences that say why some concepts' lines begin late."""
    names = choice.run_names
    late = tables.late(points)
    if not late:
        return ""
    listed = "; ".join(
        f"at {', '.join(names[run] for run in runs)}: {', '.join(concepts)}"
        for runs, concepts in late.items()
    )
    return (
        "A line begins at the first checkpoint where a unit has a threshold for the concept. The images of "
        "earlier checkpoints mostly show the concept too rarely. No unit has a threshold yet "
        f"{words.plain(listed)}."
    )
