"""Queries that people save, for everybody who uses the store: opened by a link, each with its versions."""

from collections.abc import Sequence

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.share import popover
from dashboard.team import people
from dashboard.widgets import page, url, words
from db.errors import StoreError
from db.sql import parameters, saved
from db.sql.saved import SavedQuery

NO_SETTINGS = ("q", "saved", "version", "table")  # the query itself, and what else stands on the page


def opened() -> SavedQuery | None:
    """The version of a saved query that the address names; None where it names none.

    An address without a statement gets the query's own, and how it is shown, so that the link to the page
    says all of it. Raises StoreError for a query or a version that was never saved.
    """
    name = url.get("saved")
    if not name:
        return None
    try:
        query = saved.get(page.layout(), name, url.number("version", None, 1))
    except (StoreError, GanatomyError):
        url.without("Saved query", "saved")
        raise
    if not url.get("q"):
        more = {key: value for key, value in query.settings.items() if key not in st.query_params}
        url.put(**{**more, "saved": name, "version": query.version, "q": query.sql})
    return query


def settings(statement: str) -> dict[str, str]:
    """How the page shows the statement: all of the address but the statement, and every parameter of it."""
    own = {saved.PREFIX + name: "" for name in parameters.names(statement)}
    return own | url.everything(**dict.fromkeys((*NO_SETTINGS, url.HERE)))


def about(query: SavedQuery, statement: str) -> None:
    """Draw which saved query is open, whether it was changed since, its link and its versions."""
    every = saved.versions(page.layout(), query.name)
    last = every[-1]
    with st.container(horizontal=True, vertical_alignment="center", key="saved-query"):
        st.markdown(f"**{words.plain(query.name)}**, {_said(query, len(every))}", width="content")
        for tag in query.tags:
            st.badge(words.plain(tag), color="blue")
        with st.popover(f"Versions ({len(every)})", icon=":material/history:", type="tertiary"):
            st.caption("This link opens the newest version:")
            there = popover.root() + url.address("sql", saved=query.name)
            popover.copy("saved-link", "Copy link", there)
            for each in reversed(every):
                _version(each, newest=each is last)
    if query.description:
        st.caption(words.plain(query.description))
    if statement != query.sql:
        st.caption("You have changed its statement.")
    if last.removed:
        st.caption(f"{words.plain(last.author)} removed this query from the list.")


def _said(query: SavedQuery, many: int) -> str:
    of = f" of {many}" if many > 1 else ""
    return f"version {query.version}{of} · {words.plain(query.author)}, {words.ago(query.saved_at)}"


def _version(query: SavedQuery, newest: bool) -> None:
    """Draw one version: who saved it when, a button that opens it, and one that makes it the newest."""
    with st.container(horizontal=True, vertical_alignment="center"):
        removed = " · removed" if query.removed else ""
        st.caption(f"Version {_said(query, 1).removeprefix('version ')}{removed}", width="content")
        st.button(
            f"Open version {query.version}",
            key=f"version-open-{query.version}",
            type="tertiary",
            on_click=url.go,
            kwargs={"saved": query.name, "version": query.version},
        )
        changed = not page.read_only() and not people.refusal("change", "saved query", query.owner)
        if changed and (not newest or query.removed):
            _bring_back(query, f"Bring back version {query.version}")


def _bring_back(query: SavedQuery, label: str) -> None:
    """Draw a button that makes a version the newest one, and opens it."""

    def again() -> None:
        made = saved.save_again(page.layout(), people.person(), query)
        url.go(saved=made.name, version=made.version)
        st.toast(f"It is version {made.version} now.", icon=":material/check:")

    key = f"back-{label}-{query.version}"
    st.button(label, key=key, type="tertiary", icon=":material/undo:", on_click=page.said(again))


def save(statement: str, query: SavedQuery | None) -> None:
    """Draw the button that saves the statement; `query` is the saved one that is open."""
    if page.read_only():
        return
    with st.popover("Save query", icon=":material/bookmark_add:", disabled=not statement.strip()):
        people.ask("query")
        # A field is a new one, with that query's text, when another query is opened.
        of = f"-{query.name}-{query.version}" if query else ""
        name = st.text_input(
            "Name of the query", query.name if query else "", key=f"query-name{of}", max_chars=80
        )
        description = st.text_input(
            "What it answers", query.description if query else "", key=f"query-about{of}", max_chars=200
        )
        tags = st.text_input(
            "Tags",
            ", ".join(query.tags) if query else "",
            key=f"query-tags{of}",
            max_chars=200,
            placeholder="doors, layer4",
        )
        before = saved.versions(page.layout(), name.strip()) if name.strip() else []
        st.caption(
            f"{words.plain(name.strip())} is there: this will be its version {before[-1].version + 1}."
            if before
            else "Everybody finds it here and in Search, with its parameters and its chart."
        )

        def keep() -> None:
            made = saved.save(
                page.layout(), people.person(), name, statement, description, tags, settings(statement)
            )
            url.change(q=statement, saved=made.name, version=made.version)
            st.toast(f"Saved as {words.plain(made.name)}, version {made.version}.", icon=":material/check:")

        st.button(
            "Save it",
            key="query-save",
            icon=":material/check:",
            disabled=not name.strip(),
            on_click=page.said(keep),
        )


def listed() -> None:
    """Draw the saved queries, those saved last first, and those that were removed."""
    last: dict[str, SavedQuery] = {}
    for query in reversed(saved.versions(page.layout())):
        last.setdefault(query.name, query)
    here = [query for query in last.values() if not query.removed]
    with st.expander(f"Saved queries ({len(here)})", icon=":material/bookmarks:"):
        if not here:
            st.caption("Nobody has saved a query yet.")
        for query in here:
            _one(query)
        _removed([query for query in last.values() if query.removed])


def _one(query: SavedQuery) -> None:
    """Draw one query: its name, what it answers, its owner, and the button that removes it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            words.plain(query.name),
            key=f"query-{query.name}",
            type="tertiary",
            icon=":material/bookmark:",
            on_click=url.go,
            kwargs={"saved": query.name},
        )
        if not page.read_only() and not people.refusal("remove", "saved query", query.owner):
            with st.popover("Remove", type="tertiary", key=f"query-removal-{query.name}"):
                st.caption("Other people may be using this query. It can be brought back.")
                if st.button("Remove it", key=f"query-remove-{query.name}", icon=":material/delete:"):
                    saved.save_again(page.layout(), people.person(), query, removed=True)
                    st.rerun()
    said = f"{words.plain(query.description)} · " if query.description else ""
    tagged = f" · {words.plain(', '.join(query.tags))}" if query.tags else ""
    st.caption(
        f"{said}{words.plain(query.owner)} · version {query.version}, {words.ago(query.saved_at)}{tagged}"
    )


def _removed(found: Sequence[SavedQuery]) -> None:
    if not found or page.read_only():
        return
    st.caption("Removed:")
    for query in found:
        _bring_back(query, f"Bring back {words.plain(query.name)}")
