"""Pages that people keep under a name: the button on every page, and the list on Home."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard.team import people
from dashboard.widgets import page, page_list, url, words
from dashboard.widgets.rows import Row, rows


def save() -> None:
    """Draw the button that keeps the page as it is under a name."""
    view = urlsplit(st.context.url or "").path.rpartition("/")[2] or "home"
    if page.read_only() or view not in page_list.VIEWS:
        return
    with st.popover("Save view", icon=":material/bookmark_add:", type="tertiary"):
        people.ask("view")
        name = st.text_input("Name of the view", key="view-name", max_chars=80)
        st.caption("It is listed on Home and found by Search. One of the same name is replaced.")
        if st.button("Keep this view", key="view-save", icon=":material/check:", disabled=not name.strip()):
            with page.sentences():
                values = {"name": name.strip(), "page": view, "address": url.query()}
                page.space().add("saved_view", people.name(), **values)
                st.success(f"Saved as {words.plain(name.strip())}.", icon=":material/check:")


def listed() -> None:
    """Draw the kept views, newest first, each with a button that removes it."""
    if not page.layout().workspace.exists():
        return
    with page.sentences():
        every = rows(page.space().rows("saved_view"))
        found = [row for row in every if row["page"] in page_list.VIEWS]
        if not found:
            return
        st.header("Saved views", anchor=False)
        for row in reversed(found):
            _one(row)


def _one(row: Row) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"{words.plain(row['name'])} · {row['page']} · {words.plain(row['author'])}"
        there = dict(parse_qsl(row["address"]))
        st.page_link(f"views/{row['page']}.py", label=label, icon=":material/bookmark:", query_params=there)
        if not page.read_only() and not people.refusal("remove", "saved view", row["author"]):
            with st.popover("Remove", type="tertiary"):
                st.caption("Other people may be using this view.")
                if st.button("Remove it", key=f"view-{row['id']}", icon=":material/delete:"):
                    page.space().remove("saved_view", int(row["id"]))
                    st.rerun()
