"""Boards: pages that a team makes of results of saved queries and of notes, in an order of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlencode

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import notes, people
from dashboard.widgets import downloads, page, url, words
from dashboard.widgets.rows import Row, rows
from dashboard.workbench import inputs, results, saved_queries, statements
from db.errors import ConsoleError
from db.sql import saved
from db.sql.saved import SavedQuery
from db.store import Snapshot

TABLE = "board_entry"
_LAST = "board-last"  # in the session: the board that this person wrote on last
FIRST = "Team"  # the name that the first board gets where nobody types another


def every() -> dict[str, list[Row]]:
    """The entries of each board in their order, by the board's name."""
    if not page.layout().workspace.exists():
        return {}
    found = rows(page.space().rows(TABLE))
    boards: dict[str, list[Row]] = {}
    for row in sorted(
        found, key=lambda row: (str(row["board"]).lower(), row["board"], row["place"], row["id"])
    ):
        boards.setdefault(row["board"], []).append(row)
    return boards


def add(board: str, **values: object) -> None:
    """Put an entry at the end of a board, which begins with its first entry."""
    board = board.strip()
    if not board:
        raise GanatomyError("A board needs a name; write one.")
    page.space().add(TABLE, people.name(), board=board, place=_end(board), **values)
    st.session_state[_LAST] = board


def _end(board: str) -> int:
    """The place after the last entry of a board, which need not be there."""
    return max((int(row["place"]) for row in every().get(board, [])), default=0) + 1


def pin(query: SavedQuery | None, statement: str) -> None:
    """Draw the button that puts the answer of a saved query, as the page shows it, on a board."""
    if page.read_only():
        return
    ready = query is not None and statement == query.sql
    told = (
        None
        if ready
        else "Only a saved statement can be pinned: save this one, or your changes to it, first."
    )
    icon = ":material/push_pin:"
    with st.popover("Pin to a board", icon=icon, key="pin-to-board", disabled=not ready, help=told):
        if query is None or not ready:
            return
        people.ask("board")
        names = list(every()) or [FIRST]
        last = st.session_state.get(_LAST)
        board = st.selectbox(
            "Board",
            names,
            names.index(last) if last in names else 0,
            key="pin-board",
            accept_new_options=True,
            help="Choose one, or type the name of a new one.",
        )
        title = st.text_input("Title", query.name, key=f"pin-title-{query.name}", max_chars=120)

        def keep() -> None:
            add(
                board or "",
                title=title.strip() or query.name,
                query=query.name,
                version=query.version,
                address=urlencode(saved_queries.settings(statement)),
            )
            st.toast(f"Pinned to {words.plain(board)}.", icon=":material/push_pin:")

        st.button("Pin it", key="pin-it", icon=":material/check:", on_click=page.said(keep))
        if last in names:
            there = {"board": last}
            st.page_link("views/boards.py", label=f"Open {words.plain(last)}", query_params=there)


def write(board: str) -> None:
    """Draw the fields of a note at the end of a board; where `board` is empty, of a new board."""
    label = "Write a note" if board else "New board"
    icon = ":material/edit:" if board else ":material/add:"
    many = len(every().get(board, []))  # another key when it has grown, which closes the fields
    with st.popover(label, icon=icon, key=f"board-note-{many}"):
        people.ask("board")
        with st.form("board-note", clear_on_submit=True, border=False):
            name = board or st.text_input("Name of the board", max_chars=80)
            title = st.text_input("Title", max_chars=120)
            text = st.text_area("Note", max_chars=4000, height=120)
            if st.form_submit_button("Keep", icon=":material/check:"):
                with page.sentences():
                    if not title.strip() and not text.strip():
                        raise GanatomyError("A note needs a title or a text; write one.")
                    add(name, title=title.strip(), text=text.strip())
                    url.change(board=name.strip())
                    st.rerun()


def editable(*entries: Row) -> bool:
    """Whether whoever looks may change these entries."""
    return not page.read_only() and not any(
        people.refusal("change", "board entry", row["author"]) for row in entries
    )


def rename(board: str, entries: Sequence[Row]) -> None:
    """Draw the field that gives a board another name; that of another board puts the entries at its end."""
    if not editable(*entries):
        return
    with (
        st.popover("Rename", icon=":material/edit:", key=f"board-rename-{board}"),
        st.form(f"board-name-{board}", border=False),
    ):
        name = st.text_input("New name of the board", board, max_chars=80).strip()
        if not st.form_submit_button("Rename it", icon=":material/check:") or name == board:
            return
        with page.sentences():
            if not name:
                raise GanatomyError("A board needs a name; write one.")
            places = enumerate(entries, _end(name))
            page.space().change_all(
                TABLE, {int(row["id"]): {"board": name, "place": place} for place, row in places}
            )
            url.change(board=name)
            st.rerun()


def draw(snapshot: Snapshot, entries: Sequence[Row]) -> None:
    """Draw a board: each entry in a box of its own, whatever becomes of the others."""
    for place, row in enumerate(entries):
        with st.container(border=True, key=f"entry-{row['id']}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                if row["title"]:
                    st.subheader(words.plain(row["title"]), anchor=False, width="stretch")
                if editable(row):
                    with st.container(horizontal=True, gap="small", width="content"):
                        _edit(entries, place)
            with page.sentences():
                if row["query"] is None:
                    st.markdown("  \n".join(words.plain(line) for line in str(row["text"]).split("\n")))
                    st.caption(f"{words.plain(row['author'])}, {words.ago(row['created_at'])}")
                else:
                    _result(snapshot, row)


def _result(snapshot: Snapshot, row: Row) -> None:
    """Draw the answer of an entry's query, with its files and the link to it on the SQL page."""
    query = saved.get(page.layout(), row["query"], int(row["version"]))
    settings = saved.settings(row["address"])
    values = query.values(settings)
    there = {**settings, "saved": query.name, "version": str(query.version), "q": query.sql}
    newest = saved.get(page.layout(), query.name).version
    newer = f" (newest: {newest})" if newest > query.version else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "views/sql.py", label=words.plain(query.name), icon=":material/table:", query_params=there
        )
        shown = ", ".join(f"{name} {value}" for name, value in values.items() if value)
        st.caption(
            f"version {query.version}{newer}{f' · {words.plain(shown)}' if shown else ''} · "
            f"pinned by {words.plain(row['author'])}, {words.ago(row['created_at'])}",
            width="content",
        )
    inputs.check(snapshot, query.fields(), values)
    most = _most(settings)
    try:
        result = statements.ask(snapshot, query.sql, most, values)
    except ConsoleError:
        st.button(
            "Run it again", key=f"again-{row['id']}", icon=":material/replay:", on_click=statements.again
        )
        raise
    frame = results.pinned(snapshot, result, settings, str(row["title"] or query.name))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        cut = " (cut off: there are more)" if result.truncated else ""
        st.caption(f"{words.count(len(frame), 'row')}{cut}", width="content")
        downloads.table(frame, f"entry-{row['id']}", "Rows")


def _most(settings: Mapping[str, str]) -> int:
    """The rows at most, as the SQL page had them."""
    return next((most for most in statements.ROWS if str(most) == settings.get("rows")), statements.ROWS[0])


def _edit(entries: Sequence[Row], place: int) -> None:
    """Draw the buttons that move an entry by one place, that change its text, and that remove it."""
    row = entries[place]

    def move(by: int) -> None:
        order = [int(each["id"]) for each in entries]
        order.insert(place + by, order.pop(place))
        places = {entry: place for place, entry in enumerate(order, 1)}
        page.space().arrange(TABLE, places, moved=int(row["id"]))

    for label, icon, by in (("Up", "arrow_upward", -1), ("Down", "arrow_downward", 1)):
        st.button(
            label,
            key=f"entry-{label}-{row['id']}",
            type="tertiary",
            icon=f":material/{icon}:",
            disabled=not 0 <= place + by < len(entries),
            on_click=page.said(partial(move, by)),
        )
    _rewrite(row)
    notes.remove_button(TABLE, row, "board")


def _rewrite(row: Row) -> None:
    """Draw the fields that change the title of an entry, and the text of a note."""
    key = f"{row['id']}-{row['updated_at']}"  # another one when it was changed, which closes the fields
    with (
        st.popover("Edit", icon=":material/edit:", type="tertiary", key=f"entry-edit-{key}"),
        st.form(f"entry-form-{key}", border=False),
    ):
        values = {"title": st.text_input("Title", row["title"], max_chars=120)}
        if row["query"] is None:
            values["text"] = st.text_area("Note", row["text"], max_chars=4000, height=120)
        if st.form_submit_button("Change it", icon=":material/check:"):
            with page.sentences():
                page.space().change(TABLE, int(row["id"]), **values)
                st.rerun()
