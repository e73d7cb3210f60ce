"""Runs: find one by project, owner, kind or text; rename, archive, delete it, and bring it back."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard.team import notes, people, runs
from dashboard.widgets import page, page_list, pickers, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs as queries
from db.store import removal

EACH = 20
WHERE = {"here": "In use", "archive": "Archive", "trash": "Trash"}


def chosen(found: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """Draw the filters, and return the runs that pass them, in order."""
    text = url.text(
        st.text_input, "Find a run", "has", reset=("page",), width=220, placeholder="Title, model, id"
    ).lower()
    if kind := pickers.one_of("Kind", "kind", sorted(found["kind"].unique())):
        found = found[found["kind"] == kind]
    found = pickers.by_people(found)
    if text:
        said = found[["run_id", "kind", "generator", "segmenter"]].fillna("").agg(" ".join, axis=1)
        named = said + " " + found["run_id"].map(lambda run: titles.get(run, ""))
        found = found[named.str.lower().str.contains(text, regex=False)]
    return found


def one(run: Row, title: str, parents: Mapping[str, str | None]) -> None:
    """Draw one run: what it is, who made it, links, and what can be done with it."""
    run_id = str(run["run_id"])
    with st.container(border=True, gap="xsmall", key=f"run-{run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            name = title or f"{run['kind']} of {run['generator']}"
            st.markdown(f"**{words.plain(name)}**", width="content")
            state = str(run["state"])
            st.badge(words.plain(state), color="green" if state == "final" else "orange")
        seen = f" seen by {words.plain(run['segmenter'])}" if run["segmenter"] else ""
        who = f"{words.plain(run['owner'] or people.NOBODY)} for {words.plain(run['project'] or 'default')}"
        st.caption(
            f"{words.plain(run['kind'])} of {words.plain(run['generator'])}{seen} · {who} · "
            f"{words.ago(run['finished_at'])} · {words.plain(run_id)}"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if view := page_list.RESULTS.get(str(run["kind"])):
                st.page_link(f"views/{view}.py", label="Open", query_params={"run": run_id})
            if not page.read_only() and not people.refusal("change", "run", run["owner"]):
                actions(run_id, title, parents)
            with st.popover("Notes", icon=":material/sticky_note_2:", key=f"notes-of-{run_id}"):
                notes.draw(notes.subject(run_id), f"notes-{run_id}")


def actions(run_id: str, title: str, parents: Mapping[str, str | None]) -> None:
    """Draw the buttons that rename, archive and delete a run; `parents` has the parent of every run."""
    with (
        st.popover("Rename", icon=":material/edit:", key=f"renaming-{run_id}"),
        st.form(f"rename-{run_id}", border=False),
    ):
        text = st.text_input("Title", title, max_chars=80)
        if st.form_submit_button("Rename it"):
            with page.sentences():
                runs.rename(run_id, text)
                st.rerun()
    others = removal.descendants(parents, run_id)
    also = f" {words.count(len(others), 'run')} that are based on it go too." if others else ""
    for how, label, icon, text in (
        (
            "archive",
            "Archive",
            "archive",
            "Only this page shows it then, under Archive. *Bring back* shows it everywhere again.",
        ),
        (
            "delete",
            "Delete",
            "delete",
            "It moves to the trash. It can be brought back until the trash is emptied.",
        ),
    ):
        with st.popover(label, icon=f":material/{icon}:", key=f"{how}-of-{run_id}"):
            st.markdown(f"{label} {words.plain(title or run_id)}?{also} {text}")
            if st.button(f"{label} it", key=f"{how}-{run_id}", icon=f":material/{icon}:"):
                with page.sentences():
                    runs.put_away(run_id, how)
                    st.rerun()


def put_away(where: str) -> None:
    """Draw the runs in the archive or the trash, who put them there, and the ways back."""
    layout = page.layout()
    found, back = (
        (removal.archived(layout), removal.unarchive)
        if where == "archive"
        else (removal.trashed(layout), removal.restore)
    )
    if not found:
        st.caption(f"The {where} is empty.")
        return
    titles, last = page.titles(), dict[str, Row]()
    for row in runs.history(set(found)):
        last.setdefault(row["run_id"], row)
    for run_id in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"away-{run_id}"):
            did = last.get(run_id)
            said = f" · {did['what']} by {did['author']} {words.ago(did['created_at'])}" if did else ""
            st.markdown(words.plain(f"{titles.get(run_id, run_id)}{said}"), width="stretch")
            if not page.read_only() and st.button("Bring back", key=f"back-{run_id}", icon=":material/undo:"):
                with page.sentences():
                    back(layout, run_id, person=people.person())
                    st.rerun()
    if where == "trash" and not page.read_only():
        with st.popover("Empty the trash", icon=":material/delete_forever:"):
            st.markdown(f"Remove {words.count(len(found), 'run')} for good? This cannot be undone.")
            typed = st.text_input("Type the word empty", key="typed-empty", max_chars=20)
            if st.button("Remove them for good", key="empty-trash", disabled=typed.strip() != "empty"):
                with page.sentences():
                    removal.empty(layout, people.person())
                    st.rerun()


with page.frame("Runs", "Every run: find it, name it, put it away, and bring it back.") as snapshot:
    where = url.choice(
        st.segmented_control, "Where", "where", list(WHERE), required=True, format_func=WHERE.__getitem__
    )
    runs.undo()
    if where != "here":
        put_away(where)
    elif (every := queries.runs(snapshot)).empty:
        page.no_runs()
    else:
        titles = page.titles()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            found = chosen(every, titles)
        st.caption(f"{len(found)} of {words.count(len(every), 'run')}.")
        pages = max(1, -(-len(found) // EACH))
        at = url.page_number(pages)
        parents = {str(run["run_id"]): run["parent_run_id"] for run in rows(every)}
        for run in rows(found.iloc[(at - 1) * EACH : at * EACH]):
            one(run, titles.get(str(run["run_id"]), ""), parents)
        if pages > 1:
            key = f"pages:{at}"
            turned = lambda: url.change(page=st.session_state[key])  # noqa: E731
            st.pagination(pages, default=at, key=key, on_change=turned)
