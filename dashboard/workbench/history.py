"""The statements that somebody ran on this visit, with rows and seconds, or that they failed."""

from collections.abc import Mapping

import streamlit as st

from dashboard.widgets import url, words
from db.sql import console, parameters
from db.times import utc_now

MOST = 30
_KEY = "sql-history"


def add(statement: str, values: Mapping[str, parameters.Value], result: console.ConsoleResult | None) -> None:
    """Keep a statement with its parameters, unless it is the last one; `result` is None where it failed."""
    found = st.session_state.setdefault(_KEY, [])
    if not found or (found[0]["statement"], found[0]["values"]) != (statement, values):
        found.insert(
            0,
            {
                "statement": statement,
                "values": dict(values),
                "result": f"Rows: {result.table.num_rows:,} · {result.elapsed:.2f} s" if result else "Failed",
                "when": utc_now(),
                "address": url.everything(),
            },
        )
        del found[MOST:]


def draw() -> None:
    """Draw the statements, newest first; a button asks one again."""
    with st.expander("Statements of this visit", icon=":material/history:"):
        if not st.session_state.get(_KEY):
            st.caption("None has run yet.")
        for number, each in enumerate(st.session_state.get(_KEY, [])):
            text = " ".join(each["statement"].split())
            shown = ", ".join(f"{name} {value}" for name, value in each["values"].items())
            given = f" · {words.plain(shown)}" if shown else ""
            st.caption(f"{each['result']} · {words.ago(each['when'])}{given}")
            st.button(
                words.plain(text[:70]),
                key=f"history-{number}",
                type="tertiary",
                on_click=url.go,
                kwargs=each["address"],
            )
