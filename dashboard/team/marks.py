"""Marks of units, set with the keyboard: M marks, the arrows change the unit, U removes the last mark."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.widgets import page, url, words

MARK = "artifact"
KEYS = Path(__file__).parent / "mark_keys.html"


def marks(run_id: str, layer: str) -> pd.DataFrame:
    """All marks of artifact units in this layer of a dissection, oldest first."""
    if not page.layout().workspace.exists():
        return pd.DataFrame(columns=["id", "unit", "author", "created_at"])
    space = page.space()
    return space.rows("mark", run_id=run_id, layer=layer, mark=MARK)


def units(found: pd.DataFrame) -> list[int]:
    """The marked units, each once, in the order of marking."""
    return list(dict.fromkeys(int(unit) for unit in found["unit"]))


def toggle(run_id: str, layer: str, unit: int, name: str) -> None:
    """Mark a unit, or remove this person's marks of it."""
    space = page.space()
    mine = space.rows("mark", run_id=run_id, layer=layer, unit=unit, mark=MARK, author=name)
    if mine.empty:
        space.add("mark", author=name, run_id=run_id, layer=layer, unit=unit, mark=MARK)
    for number in mine["id"]:
        space.remove("mark", int(number))


def undo(run_id: str, layer: str, name: str) -> None:
    """Remove this person's newest mark in the layer."""
    found = marks(run_id, layer)
    mine = found[found["author"] == name]
    if len(mine):
        page.space().remove("mark", int(mine["id"].iloc[-1]))


def buttons(run_id: str, layer: str, unit: int, place: int, count: int, name: str, marked: bool) -> None:
    """Draw the buttons, which have keys. `place` is the index of the unit in the list."""

    def at(to: int) -> Callable[[], None]:
        return lambda: url.go(**url.everything(at=min(max(to, 0), count - 1)))

    def mark() -> None:
        with page.sentences():
            toggle(run_id, layer, unit, name)

    def back() -> None:
        with page.sentences():
            undo(run_id, layer, name)

    if page.read_only():
        st.caption(words.plain(page.look_only("Mark units on another dashboard.")))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", key="previous", disabled=place == 0, on_click=at(place - 1))
        label = f"Unmark unit {unit}" if marked else f"Mark unit {unit}"
        icon = ":material/flag:"
        st.button(
            label,
            key="mark",
            icon=icon,
            type="primary",
            on_click=mark,
            disabled=page.read_only(),
        )
        last = place == count - 1
        st.button("Next", key="next", disabled=last, on_click=at(place + 1))
        st.button("Undo", key="undo", icon=":material/undo:", on_click=back, disabled=page.read_only())
    turns = st.session_state["marking"] = st.session_state.get("marking", 0) + 1
    st.html(f'<span hidden id="marking" data-turn="{turns}"></span>')
    st.html(KEYS, unsafe_allow_javascript=True)
    st.caption(
        f"Unit {place + 1} of {words.count(count, 'unit')} in this list. "
        "Press M to mark, U to undo the last mark, and the arrow keys to change the unit."
    )
