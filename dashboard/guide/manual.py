"""The help of every page: the keys, the words, and the way back into the tour. The key ? opens it."""

from __future__ import annotations

import streamlit as st

from dashboard.guide import tour
from dashboard.guide.glossary import TERMS

KEYS = {
    "Every page": {
        "/ or Ctrl+K": "search",
        "?": "this help",
        "Tab, Shift+Tab": "the next and the previous control",
    },
    "Paint": {
        "arrow keys": "move the brush on the image",
        "Space": "add the cells under the brush",
        "Enter": "apply the stroke",
        "Escape": "forget the stroke",
        "Ctrl+Z, Ctrl+Shift+Z": "undo and redo",
    },
    "Unit": {"Left, Right": "the previous and the next unit; on the images before and after, move the edge"},
    "Ratings": {"Y, P, N": "yes, partly, no", "U": "undo the last answer"},
    "Artifacts": {"M": "mark the unit", "U": "undo the last mark", "Left, Right": "change the unit"},
    "SQL": {
        "Ctrl+Enter": "run the statement",
        "Escape": "cancel it while it runs",
        "Shift+Alt+F": "format it",
    },
}


@st.fragment
def button() -> None:
    """Draw the button of the help, which is made only when somebody opens it."""
    if st.button("Help", icon=":material/help:", type="tertiary", key="help"):
        sheet()


@st.dialog("Help", width="medium")
def sheet() -> None:
    """Draw the keys, the words, and the way into the tour."""
    if st.button("Take the tour", key="tour-start", icon=":material/tour:"):
        tour.start()
    for place, keys in KEYS.items():
        lines = [f"- `{key}`: {what}" for key, what in keys.items()]
        st.markdown(f"**{place}**\n" + "\n".join(lines))
    with st.expander("Words", icon=":material/menu_book:"):
        terms = sorted(TERMS.values(), key=lambda term: term.word.lower())
        st.markdown("\n\n".join(f"**{term.word}**: {term.help}" for term in terms))
