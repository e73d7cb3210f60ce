"""Notes, tags and a star on a run, a layer or a unit, from anyone on the team."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import pandas as pd
import streamlit as st

from dashboard.team import people
from dashboard.widgets import page, url, words
from dashboard.widgets.rows import Row, rows

STAR = "star"
Subject = dict[str, str | int | None]


def subject(
    run_id: str | None = None,
    layer: str | None = None,
    unit: int | None = None,
    concept: str | None = None,
    job_id: str | None = None,
    view: str | None = None,
) -> Subject:
    """What a note is about, as the workspace's tables have it."""
    return {
        "run_id": run_id,
        "layer": layer,
        "unit": unit,
        "concept": concept,
        "job_id": job_id,
        "view": view,
    }


def written(table: str, about: Subject) -> list[Row]:
    """The rows of a table of the workspace about a subject, the oldest first."""
    if not page.layout().workspace.exists():
        return []
    return rows(page.space().rows(table, **about))


def draw(about: Subject, key: str) -> None:
    """Draw what was written about a subject, and, unless the dashboard is read-only, the fields to write."""
    stars = [row for row in written("mark", about) if row["mark"] == STAR]
    tags, notes = written("tag", about), written("note", about)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Notes", anchor=False, width="content")
        _star(about, stars, key)
        for tag in tags:
            st.badge(words.plain(tag["tag"]), color="blue", help=f"Tagged by {words.plain(tag['author'])}.")
    for note in notes:
        with st.container(horizontal=True, vertical_alignment="center"):
            when = words.ago(pd.Timestamp(note["created_at"]).to_pydatetime())
            st.markdown(f"{words.plain(note['text'])}  \n*{words.plain(note['author'])}, {when}*")
            _remove("note", note, key)
    if not notes:
        st.caption("Nobody has written about this yet.")
    if not page.read_only():
        _write(about, tags, key, kept=len(notes) + len(tags))


# What the button "Notes" on top of a page is about. Pages that show notes themselves have none.
ABOUT_RUN = ("units", "causes", "context", "artifacts")
ABOUT_VIEW = ("ablate", "paint")


def of_page() -> Subject | None:
    """What notes on this page are about, by its address: a concept, a run, or the view as it is."""
    view = urlsplit(st.context.url or "").path.rpartition("/")[2]
    if view == "concept" and url.get("run") and url.get("concept"):
        return subject(url.get("run"), concept=url.get("concept"))
    if view in ABOUT_RUN and url.get("run"):
        return subject(url.get("run"))
    if view == "compare":  # whichever tab or layer is shown
        return subject(view=f"compare?{urlencode({'runs': url.get('runs')})}")
    return subject(view=f"{view}?{url.query()}") if view in ABOUT_VIEW else None


def button() -> None:
    """Draw the button that opens the notes about what the page shows."""
    about = of_page()
    if about is None:
        return
    many = len(written("note", about))
    with st.popover(
        f"Notes ({many})" if many else "Notes", icon=":material/sticky_note_2:", type="tertiary", key="notes"
    ):
        draw(about, "page-notes")
        undo()


def _star(about: Subject, stars: list[Row], key: str) -> None:
    """Draw how many people starred it, as a button that adds or takes one's own star."""
    mine = [row for row in stars if row["author"] == people.name()]

    def toggle() -> None:
        space = page.space()
        for row in mine:
            space.remove("mark", int(row["id"]))
        if not mine:
            space.add("mark", people.name(), **about, latent=None, mark=STAR)

    icon = ":material/star:" if mine else ":material/star_outline:"
    label = f"{'Starred' if mine else 'Star'}" + (f" ({len(stars)})" if stars else "")
    st.button(
        label,
        key=f"{key}-star",
        icon=icon,
        type="tertiary",
        on_click=page.said(toggle),
        disabled=page.read_only(),
    )


def _write(about: Subject, tags: list[Row], key: str, kept: int) -> None:
    """Draw the fields to add a note and a tag. They close when what is kept has changed, to show it."""
    with st.popover("Write", icon=":material/edit:", key=f"{key}-write-{kept}"):
        people.ask(key)
        with st.form(f"{key}-form", clear_on_submit=True, border=False):
            text = st.text_area("Note", max_chars=4000, height=100)
            tag = st.text_input("Tag", max_chars=40, placeholder="e.g. wrong name")
            if st.form_submit_button("Keep", icon=":material/check:"):
                with page.sentences():
                    space = page.space()
                    if text.strip():
                        space.add("note", people.name(), **about, text=text.strip())
                    if tag.strip() and tag.strip() not in {row["tag"] for row in tags}:
                        space.add("tag", people.name(), **about, tag=tag.strip())
                st.rerun()
        for row in tags:
            _remove("tag", row, key, f"Remove the tag {words.plain(row['tag'])}")


def _remove(table: str, row: Row, key: str, label: str = "Remove") -> None:
    """Draw `remove_button` for what whoever looks may remove."""
    if people.tidies(str(row["author"])) and not page.read_only():
        remove_button(table, row, key, label)


def remove_button(table: str, row: Row, key: str, label: str = "Remove") -> None:
    """Draw a button that removes a row; `undo` brings it back."""

    def remove() -> None:
        page.space().remove(table, int(row["id"]))
        st.session_state["removed"] = (table, row)
        st.toast("Removed.", icon=":material/delete:")

    name = f"{key}-{table}-{row['id']}"
    st.button(label, key=name, icon=":material/delete:", type="tertiary", on_click=page.said(remove))


def undo() -> None:
    """Draw a button that writes again what this person removed last."""
    removed = st.session_state.get("removed")
    if removed is None:
        return
    table, row = removed

    def again() -> None:
        values = {k: v for k, v in row.items() if k not in ("id", "author", "created_at", "updated_at")}
        page.space().add(table, row["author"], **values)
        del st.session_state["removed"]

    label = f"Undo: write the {table.replace('_', ' ')} again"
    st.button(label, key="undo-removal", icon=":material/undo:", on_click=page.said(again))
