"""The editor of a statement: coloured text, completions, Ctrl+Enter. What ran is in the address."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from dashboard.charts import palette
from dashboard.widgets import url
from dashboard.workbench import statements
from db.errors import ConsoleError
from db.sql import pretty

_HERE = Path(__file__).parent
_EDITOR = st.components.v2.component(
    "ganatomy_sql_editor",
    html=(_HERE / "editor.html").read_text(),
    css=(_HERE / "editor.css").read_text(),
    js=(_HERE / "editor.js").read_text(),
)
_KEY = "sql-editor"
_WRITTEN = "sql-written"  # in the session: the statement that ran, and what was written over it


def insert(text: str) -> None:
    """Write a text where the cursor of the editor is; the callback of a button."""
    _, number = st.session_state.get("sql-insert", ("", 0))
    st.session_state["sql-insert"] = (text, number + 1)


def _format() -> None:
    """Lay out the text that the editor has sent; the editor takes the answer at the next run of the page."""
    written = st.session_state[_KEY].get("format")
    if not written:
        return
    text = sentence = ""
    try:
        text = pretty.pretty(str(written))
    except ConsoleError as error:
        sentence = str(error)
    number = st.session_state.get("sql-formatted", {}).get("number", 0) + 1
    answer = {"written": written, "text": text, "sentence": sentence, "number": number}
    st.session_state["sql-formatted"] = answer


def draw(statement: str, usual: str, words: Sequence[str], wrong: int | None) -> None:
    """Draw the editor. `usual` is the statement of the question, which the address leaves out.

    `wrong` is the place of a mistake in the statement, which is underlined.
    """

    def ran() -> None:
        sent = st.session_state[_KEY].get("ran")
        if not sent:
            return
        statements.again()
        text, part = str(sent["text"]), str(sent["part"])
        st.session_state["sql-part"] = (text, part if part != text.strip() else "")
        st.session_state.pop(_WRITTEN, None)
        url.change(q=None if text == usual else text, page=None)

    def left() -> None:
        if (text := st.session_state[_KEY].get("left")) is not None:
            st.session_state[_WRITTEN] = (statement, str(text))

    data = {
        "text": statement,
        "written": written(statement),
        "words": list(words),
        "dark": palette.is_dark(),
        "wrong": wrong,
        "insert": st.session_state.get("sql-insert"),
        "formatted": st.session_state.get("sql-formatted"),
    }
    _EDITOR(key=_KEY, data=data, on_ran_change=ran, on_format_change=_format, on_left_change=left)


def part(statement: str) -> str:
    """The part of this statement that was selected when it was run; empty for all of it."""
    text, chosen = st.session_state.get("sql-part", ("", ""))
    return chosen if text == statement else ""


def written(statement: str) -> str:
    """The text that stands in the editor, which may be newer than this statement, which ran."""
    ran, text = st.session_state.get(_WRITTEN, (statement, ""))
    if ran != statement:  # another one was opened, or this text was saved: the next time, Back shows what ran
        del st.session_state[_WRITTEN]
        return statement
    return text or statement
