"""Audit: who did what to what, and when. Admins see it."""

import pandas as pd
import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import people
from dashboard.widgets import downloads, page, pickers, words
from db import workspace

MOST = 5000  # rows that are searched
FEW = 16  # rows that are shown without scrolling


def chosen(found: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters, and return the rows that pass them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, column in (("Who", "who"), ("Action", "action"), ("Kind", "kind")):
            if picked := pickers.one_of(label, column, sorted(set(found[column].dropna().astype(str)))):
                found = found[found[column] == picked]
    return found


with page.frame("Audit", "Who did what to what, and when; also what was refused. Times are UTC."):
    if people.person().role != "admin":
        raise GanatomyError("The audit is for admins; ask one.")
    layout = page.layout()
    every = workspace.open(layout).audit(limit=MOST) if layout.workspace.exists() else None
    if every is None or every.empty:
        st.info("Nobody has changed anything in this store yet.")
    else:
        shown = chosen(every.assign(kind=every["kind"].str.replace("_", " ")))
        st.dataframe(shown, hide_index=True, width="stretch", height="content" if len(shown) < FEW else 600)
        whole = "newest " if len(every) == MOST else ""
        st.caption(f"{len(shown):,} of the {whole}{words.count(len(every), 'row')}.")
        downloads.table(shown, "audit")
