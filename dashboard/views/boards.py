"""Boards: pages that a team makes of notes and of the results of saved queries."""

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import boards, notes
from dashboard.widgets import page, url, words

ABOUT = "Boards are pages that your team makes of notes and of the results of saved queries."

with page.frame("Boards", ABOUT) as snapshot:
    name = url.get("board")
    found = boards.every()
    with st.container(horizontal=True, vertical_alignment="center"):
        if name:
            st.page_link("views/boards.py", label="All boards", icon=":material/arrow_back:")
        if not page.read_only() and (name in found or not name):
            boards.write(name)
            if name:
                boards.rename(name, found[name])
    notes.undo()
    if name in found:
        st.header(words.plain(name), anchor=False)
        boards.draw(snapshot, found[name])
    elif name:
        raise GanatomyError(f"There is no board {name}; choose another under All boards.")
    elif not found:
        st.info("Nobody has made a board yet. Save a query on the SQL page and pin it, or choose New board.")
        st.page_link("views/sql.py", label="Open SQL", icon=":material/table:")
    for each, entries in found.items() if not name else ():
        label = f"**{words.plain(each)}** · {words.count(len(entries), 'entry', 'entries')}"
        there = url.same_page(board=each)
        st.page_link("views/boards.py", label=label, icon=":material/dashboard:", query_params=there)
