"""Search: concepts, units, runs, jobs, pages, and what people wrote, from one box."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl

import pandas as pd
import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.widgets import jobs, page, page_list, pickers, url, words
from dashboard.widgets.rows import Row, rows
from db import workspace
from db.queries import runs as run_queries
from db.queries import search as queries
from db.sql import saved
from db.store import Snapshot


@dataclass(frozen=True)
class Asked:
    """What is looked for; "" is any owner and any project."""

    text: str
    owner: str = ""
    project: str = ""


Found = tuple[str, str, str, dict[str, str]]  # icon, label (Markdown), view, parameters


def concepts(snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    for row in rows(queries.concepts(snapshot, asked.text)):
        label = f"**{words.plain(row['concept'])}** in {words.count(row['runs'], 'run')}"
        yield "category", label, "concept", {"run": row["run_id"], "concept": row["concept"]}


def units(snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    for found in (queries.units(snapshot, asked.text), queries.named_units(snapshot, asked.text)):
        for row in rows(found):
            where = {"run": row["run_id"], "layer": row["layer"], "unit": str(row["unit"])}
            name = row["concept"] or "no name"
            label = f"**{words.plain(row['layer'])} unit {row['unit']}**: {words.plain(name)}"
            yield "crop_free", f"{label} · {words.plain(row['run_id'])}", "unit", where


def runs(snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    titles = page.titles()
    named = [run_id for run_id, title in titles.items() if asked.text.lower() in title.lower()]
    for row in rows(queries.runs(snapshot, asked.text, tuple(named), asked.owner, asked.project)):
        view = page_list.RESULTS.get(row["kind"])
        if view is None:
            continue
        seen = f" seen by {words.plain(row['segmenter'])}" if row["segmenter"] else ""
        label = f"**{words.plain(row['kind'])}** of {words.plain(row['generator'])}{seen}"
        title = f"{words.plain(titles[row['run_id']])}: " if row["run_id"] in titles else ""
        yield "play_circle", f"{title}{label} · {words.plain(row['run_id'])}", view, {"run": row["run_id"]}


def queued(_snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    for job in jobs.board().every():
        if asked.owner not in ("", job.owner) or asked.project not in ("", job.project):
            continue
        if asked.text.lower() in f"{job.title} {job.id} {job.state} {job.owner} {job.project}".lower():
            label = f"**{words.plain(job.title)}** · {job.state} · {words.plain(job.id)}"
            yield "schedule", label, "jobs", {"job": job.id}


def about(row: Row, kinds: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
    """The page of what somebody wrote about, and its parameters; None for a page that is no more.

    `kinds` has the kind of every run: each kind has a page of its own.
    """
    if row["view"]:
        view, _, address = str(row["view"]).partition("?")
        return (view, dict(parse_qsl(address))) if view in page_list.VIEWS else None
    names = {"run": "run_id", "layer": "layer", "unit": "unit", "concept": "concept", "job": "job_id"}
    where = {name: str(row[c]) for name, c in names.items() if row[c] is not None}
    views = (("job", "jobs"), ("unit", "unit"), ("concept", "concept"))
    of_kind = page_list.RESULTS.get(kinds.get(where.get("run", ""), ""), "units")
    return next((view for name, view in views if name in where), of_kind), where


def written(snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    if not page.layout().workspace.exists():
        return
    space, text = workspace.open(page.layout()), asked.text
    every = run_queries.runs(snapshot)
    kinds = dict(zip(every["run_id"], every["kind"], strict=True))
    for table, column in (("note", "text"), ("tag", "tag"), ("mark", "mark")):
        for row in rows(space.containing(table, text, (column, "author"))):
            label = f"{table} of {words.plain(row['author'])}: **{words.plain(row[column])}**"
            if found := about(row, kinds):
                yield "sticky_note_2", label, *found


def kept(_snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    if not page.layout().workspace.exists():
        return
    space, text = workspace.open(page.layout()), asked.text
    for query in saved.newest(page.layout()).values():
        said = (query.name, query.description, *query.tags, query.sql)
        if text.lower() in " ".join(said).lower():
            yield "bookmark", f"saved query: **{words.plain(query.name)}**", "sql", {"saved": query.name}
    entries = rows(space.containing("board_entry", text, ("board", "title", "text")))
    for board in dict.fromkeys(str(row["board"]) for row in entries):
        yield "dashboard", f"board: **{words.plain(board)}**", "boards", {"board": board}
    for row in rows(space.containing("saved_view", text, ("name",))):
        if row["page"] in page_list.VIEWS:
            label = f"saved view: **{words.plain(row['name'])}**"
            yield "bookmark", label, row["page"], dict(parse_qsl(row["address"]))


def known(found: pd.DataFrame, column: str) -> list[str]:
    """The projects or owners that there are, among runs and jobs."""
    names = {str(name) for name in found[column].dropna()}
    with suppress(GanatomyError):  # a read-only dashboard may have no queue
        names |= {str(getattr(job, column)) for job in jobs.board().every()}
    return sorted(names - {""})


def pages(_snapshot: Snapshot, asked: Asked) -> Iterator[Found]:
    for each in page_list.PAGES:
        if not each.hidden and asked.text.lower() in each.title.lower():
            yield "web", f"the page **{each.title}**", each.view, {}


KINDS_OF_RESULTS = {
    "Concepts": concepts,
    "Units": units,
    "Runs": runs,
    "Jobs": queued,
    "Notes, tags and marks": written,
    "Saved queries, boards and views": kept,
    "Pages": pages,
}
MOST = 12

with page.frame("Search", "Concepts, units, runs, jobs, notes and pages.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = url.text(
            st.text_input,
            "Search for",
            "q",
            placeholder="e.g. door, layer3 unit 55, churches, failed",
            width=560,
        ).strip()
        every = run_queries.runs(snapshot)
        project = pickers.one_of("Project of runs and jobs", "in", known(every, "project"))
        owner = pickers.one_of("Owner of runs and jobs", "whose", known(every, "owner"))
    if text:
        nothing = True
        for heading, find in KINDS_OF_RESULTS.items():
            with page.sentences():
                if found := list(find(snapshot, Asked(text, owner, project)))[:MOST]:
                    nothing = False
                    st.header(heading, anchor=False)
                    for icon, label, view, where in found:
                        there = {name: str(value) for name, value in where.items()}
                        st.page_link(
                            f"views/{view}.py", label=label, icon=f":material/{icon}:", query_params=there
                        )
        if nothing:
            st.info(f"Nothing here is called {words.plain(text)}.", icon=":material/search_off:")
