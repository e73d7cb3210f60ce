"""Runs as people keep them: their titles, who owns them, and putting them away and bringing them back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.team import people
from dashboard.widgets import page, words
from dashboard.widgets.rows import Row, rows
from db import workspace
from db.store import removal

UNDONE = "put-away"  # in the session: what this person did last, as a sentence and its undoing


def put_away(run_id: str, how: str) -> None:
    """Archive or delete a run with what stands on it, and keep how to undo that."""
    layout, who = page.layout(), people.person()
    took, back, said = {
        "archive": (removal.archive, removal.unarchive, "archived"),
        "delete": (removal.trash, removal.restore, "moved to the trash"),
    }[how]
    taken = took(layout, run_id, who)
    others = words.count(len(taken) - 1, "run")
    with_them = f" with {others} that {'is' if len(taken) == 2 else 'are'} based on it" if taken[1:] else ""
    done = f"Run {run_id} was {said}{with_them}."
    remember(done, lambda: back(layout, *taken, person=who))


def rename(run_id: str, title: str) -> None:
    """Give a run a title, and keep how to undo that."""
    layout, who, before = page.layout(), people.person(), page.titles().get(run_id, "")
    removal.rename(layout, run_id, title, who)
    remember(f"Run {run_id} was renamed.", lambda: removal.rename(layout, run_id, before, who))


def remember(done: str, undo: Callable[[], object]) -> None:
    """Keep what was done last, so that the page offers to undo it."""
    st.session_state[UNDONE] = (done, undo)


def undo() -> None:
    """Draw what was done last, and a button that undoes it."""
    if UNDONE not in st.session_state:
        return
    done, again = st.session_state[UNDONE]

    def act() -> None:
        with page.sentences():
            again()
            del st.session_state[UNDONE]

    with st.container(border=True, horizontal=True, vertical_alignment="center", key="undo-run"):
        st.markdown(words.plain(done), width="stretch")
        st.button("Undo", key="undo-put-away", icon=":material/undo:", on_click=act)


def history(run_ids: set[str]) -> list[Row]:
    """What was done to these runs last, newest first."""
    if not page.layout().workspace.exists():
        return []
    found = rows(workspace.open(page.layout()).rows("event"))
    return [row for row in reversed(found) if row["run_id"] in run_ids]
