"""SQL: read-only statements over the store, in a sandbox. The statement is in the address."""

import pandas as pd
import streamlit as st

from dashboard.widgets import page, url
from db.schema import dictionary
from db.sql import console
from db.store import Snapshot

EXAMPLES = {
    "Ten best units": "SELECT run_id, layer, unit, concept, iou, always_on, mask_iou\n"
    "FROM unit_label ORDER BY iou DESC LIMIT 10",
    "Named units per layer": "SELECT run_id, layer, units, named, distinct_concepts, detectors\n"
    "FROM layer_summary ORDER BY run_id, position",
    "Units that beat the mask": "SELECT layer, concept, count(*) AS units, max(iou - mask_iou) AS margin\n"
    "FROM unit_concept WHERE detector GROUP BY ALL ORDER BY units DESC",
    "Concepts by frequency": "SELECT run_id, concept, category, frequency, images, mask_iou\n"
    "FROM concept ORDER BY frequency DESC",
    "What is in a table": "SUMMARIZE unit_concept",
}
ROWS, SECONDS = 10_000, 20


@st.cache_data(show_spinner="Running the statement", max_entries=64)
def ask(version: str, statement: str, _snapshot: Snapshot) -> console.ConsoleResult:
    """The result of a statement, cached per version of the store."""
    return console.run(page.layout(), statement, rows=ROWS, seconds=SECONDS, snapshot=_snapshot)


def editor() -> str:
    """Draw the examples and the statement's editor."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, example in EXAMPLES.items():
            if st.button(name, key=f"example:{name}", type="tertiary"):
                url.put(q=example)
    statement = url.text(st.text_area, "Statement", "q", default=EXAMPLES["Ten best units"], height=150)
    st.button("Run", icon=":material/play_arrow:", help="You can also press Ctrl+Enter in the editor.")
    return statement


def answer(snapshot: Snapshot, statement: str) -> None:
    """Draw the result as a table and as CSV."""
    result = ask(str(snapshot.version), statement, snapshot)
    frame = result.frame
    cut = " (only the first rows; add LIMIT or WHERE)" if result.truncated else ""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"{len(frame):,} rows{cut}, {result.elapsed:.2f} s")
        csv = frame.to_csv(index=False)
        st.download_button("CSV", csv, "answer.csv", "text/csv", icon=":material/download:")
    st.dataframe(frame, hide_index=True, alt="Result of the statement")


def schema() -> None:
    """Draw the description of a table or view and of its columns."""
    tables = {name: table for kind in dictionary.kinds().values() for name, table in kind.items()}
    name = url.choice(st.selectbox, "Tables and views", "table", sorted(tables), default="unit_concept")
    st.caption(tables[name].comment or "")
    columns = pd.DataFrame({"column": c.name, "meaning": c.comment} for c in tables[name].columns)
    st.table(columns.set_index("column"))


with page.frame(
    "SQL", "Query the store with SQL. Statements can only read; results are tables or CSV."
) as snapshot:
    left, right = st.columns([3, 2], gap="large")
    with right:
        schema()
    with left:
        question = editor()
        with page.sentences():
            answer(snapshot, question)
