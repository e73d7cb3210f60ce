"""Concept by concept: a map of the best units, those of the cell clicked on, and what only some arms have."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import compare as charts
from dashboard.comparison import captions, tables
from dashboard.comparison.choice import Choice
from dashboard.comparison.counts import colours
from dashboard.viewer import size
from dashboard.widgets import card, pickers, swatches, url, words
from dashboard.widgets.rows import rows
from db.queries.compare import Arm
from db.store import Snapshot

CARDS = 6
MEASURES = {"lift": "Lift", "iou": "IoU", "ceiling": "IoU / averaged map"}


def concept_map(concepts: pd.DataFrame, choice: Choice, measure: str, rule: str, dark: bool) -> None:
    """Draw the best unit's score per concept and arm; a click on a cell shows the units of its concept."""
    if concepts["score"].isna().all():
        st.info("These runs do not have this measure. Choose IoU.", icon=":material/height:")
        return
    order = [choice.names[arm] for arm in choice.pairs]
    drawn = concepts.assign(run=concepts["run_id"].map(choice.run_names))
    made = charts.heat(drawn, order, MEASURES[measure], colours(choice), dark, shown(concepts))
    made.draw("Concepts against arms", key="concept-map", on_select=_choose, selection_mode=["cell"])
    if len(choice.colours) > 1:
        swatches.legend(choice.colours)
    st.caption(f"{captions.BEST} {captions.MARKS[rule]}")


def shown(concepts: pd.DataFrame) -> str:
    """The concept whose units are shown: that of the address, else the one in which the arms differ most."""
    offered = sorted(concepts["concept"].unique())
    spread = concepts.groupby("concept")["score"].agg(lambda score: score.max() - score.min()).dropna()
    first = str(spread.idxmax()) if len(spread) else str(offered[0])
    return url.get("concept") if url.get("concept") in offered else first


def _choose() -> None:
    state: Any = st.session_state.get("concept-map")
    picked = state.selection.get("cell") if state else None
    if picked:
        url.change(concept=picked[0]["concept"], all=None)


def gallery(concepts: pd.DataFrame, choice: Choice, snapshot: Snapshot, rule: str) -> None:
    """Draw the best unit of one concept per arm, with its top images."""
    offered = sorted(concepts["concept"].unique())
    wanted = url.get("concept")
    if wanted and wanted not in offered:
        st.warning(
            f"No arm was scored for {words.plain(wanted)}. Choose another concept.", icon=":material/help:"
        )
    concept = url.choice(
        st.selectbox,
        "Best units of",
        "concept",
        offered,
        default=shown(concepts),
        width=260,
        reset=("all",),
        help="Or click a cell of the map.",
    )
    st.caption("The best unit comes first. A unit without a badge is not named after this concept.")
    found = rows(concepts[concepts["concept"] == concept].sort_values("score", ascending=False))
    every = len(found) <= CARDS or url.get("all") == "1"
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for row in found if every else found[:CARDS]:
            run = pickers.Run(str(row["run_id"]), choice.runs[row["run_id"]], snapshot)
            with st.container(gap="xsmall"):
                ceiling = words.score(row["ceiling_iou"])
                st.caption(f"{words.plain(str(row['arm']))} · averaged map {ceiling}")
                card.unit(run, row, {"concept": concept, "rule": rule})
    if not every and st.button(f"All {len(found)} arms"):
        url.put(all=1)
        st.rerun()


def lacking(states: dict[Arm, dict[str, str]], choice: Choice, common: pd.DataFrame) -> None:
    """Draw the concepts that some arms have and others lack."""
    st.header("Concepts that only some arms have", anchor=False)
    everywhere, nowhere, each = tables.concept_differences(states, list(common["concept"]))
    for label, concepts in (("In every arm", everywhere), ("In no arm", nowhere)):
        st.markdown(f"{label}: {words.plain(', '.join(concepts)) or 'no concept'}.")
    if len(each) < 2:
        return
    listed = [
        {"Arm": choice.names[arm]}
        | {title: ", ".join(getattr(held, name)) for name, title in captions.DIFFERENCES.items()}
        for arm, held in each.items()
    ]
    st.dataframe(pd.DataFrame(listed), hide_index=True, alt="Concepts that only some arms have")
    st.caption("The same marks as in the map.", help=captions.STATES)
