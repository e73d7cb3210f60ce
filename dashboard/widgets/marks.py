"""Marking units by hand, with the keyboard: M marks, right and left turn over, U takes the last mark back."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard.widgets import page, url, words
from db import workspace

MARK = "artifact"


def author() -> str:
    """The person's name, which is written beside each mark; it stays in the address."""
    return url.text(
        st.text_input, "Your name", "author", "anyone", width=180, help="Written beside each mark."
    ).strip()[:64]


def marks(run_id: str, layer: str) -> pd.DataFrame:
    """What anybody has marked as an artifact in this layer of a dissection, oldest first."""
    if not page.layout().workspace.exists():
        return pd.DataFrame(columns=["id", "unit", "author", "created_at"])
    space = workspace.open(page.layout())
    return space.rows("mark", run_id=run_id, layer=layer, mark=MARK)


def units(found: pd.DataFrame) -> list[int]:
    """The marked units, each once, in the order of marking."""
    return list(dict.fromkeys(int(unit) for unit in found["unit"]))


def toggle(run_id: str, layer: str, unit: int, name: str) -> None:
    """Mark a unit, or take every mark of it by this person back."""
    space = workspace.open(page.layout())
    mine = space.rows("mark", run_id=run_id, layer=layer, unit=unit, mark=MARK, author=name)
    if mine.empty:
        space.add("mark", author=name, run_id=run_id, layer=layer, unit=unit, mark=MARK)
    for number in mine["id"]:
        space.remove("mark", int(number))


def undo(run_id: str, layer: str, name: str) -> None:
    """Take this person's newest mark in the layer back."""
    found = marks(run_id, layer)
    mine = found[found["author"] == name]
    if len(mine):
        workspace.open(page.layout()).remove("mark", int(mine["id"].iloc[-1]))


def buttons(run_id: str, layer: str, unit: int, place: int, count: int, name: str, marked: bool) -> None:
    """The keys: mark, turn over, take back. `place` is that of the unit in the list that is gone through."""

    def at(to: int) -> Callable[[], None]:
        return lambda: url.go(**url.everything(at=min(max(to, 0), count - 1)))

    def mark() -> None:
        with page.sentences():
            toggle(run_id, layer, unit, name)

    def back() -> None:
        with page.sentences():
            undo(run_id, layer, name)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", key="previous", shortcut="Left", disabled=place == 0, on_click=at(place - 1))
        label = f"Unmark unit {unit}" if marked else f"Mark unit {unit}"
        icon = ":material/flag:"
        st.button(label, key="mark", icon=icon, shortcut="M", type="primary", on_click=mark)
        last = place == count - 1
        st.button("Next", key="next", shortcut="Right", disabled=last, on_click=at(place + 1))
        st.button("Undo", key="undo", icon=":material/undo:", shortcut="U", on_click=back)
    st.caption(f"Unit {place + 1} of {words.count(count, 'unit')} in this list. The keys work anywhere here.")
