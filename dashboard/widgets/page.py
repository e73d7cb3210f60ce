"""The frame of every page: title, snapshot of the store, errors as sentences, notice of new results."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.logger import get_logger

from analysis.shared import number_lists
from analysis.shared.errors import GanatomyError
from dashboard.charts import structures
from dashboard.guide import manual, tour
from dashboard.team import people
from dashboard.viewer import links
from dashboard.widgets import url, words
from db import permissions, store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.store import Snapshot, identity
from db.workspace import Workspace
from jobs.system import live
from jobs.system.settings import Settings

KEYS = Path(__file__).parent / "keys.html"
# Streamlit writes white on the dark theme's bright colour, which is hard to read on the tags of a choice.
DARK = """[data-tag], [data-tag] *,
[data-testid^=stBaseButton-primary]:enabled, [data-testid^=stBaseButton-primary]:enabled * {
  color: #14191b !important; }
"""
# The contents stay in sight; a link to a heading does not hide it behind them. On a phone the
# buttons beside the title go below it in full rows.
CONTENTS = """.st-key-contents { position: sticky; top: 3rem; z-index: 80; background: %s; padding: 4px 0; }
[data-testid=stHeading] h2 { scroll-margin-top: 6.5rem; }
@media (max-width: 640px) {
  :has(> .st-key-tools) { flex: 0 0 100%% !important; }
  .st-key-tools { justify-content: flex-start !important; gap: 0 0.75rem !important; }
}"""


def layout() -> Layout:
    """The store that this dashboard shows: GANATOMY_STORE, else ./store."""
    return Layout(Path(os.environ.get("GANATOMY_STORE") or "store"))


def titles() -> dict[str, str]:
    """The titles that people gave to runs, by run."""
    if not layout().workspace.exists():
        return {}
    found = workspace.open(layout()).rows("run_title")
    return dict(zip(found["run_id"].astype(str), found["title"].astype(str), strict=True))


HOME = "Ganatomy"
OPENING_S = 2.0  # that a page waits for the store without a word
READ_ONLY = "This dashboard is read-only: it shows jobs and results, and changes nothing."


def read_only() -> bool:
    """Whether nothing can be changed here: the dashboard writes nothing, or whoever looks is a viewer."""
    return serves_only() or people.person().role == "viewer"


def look_only(elsewhere: str = "") -> str:
    """Why nothing can be changed here; `elsewhere` says where it can, if the dashboard writes nothing."""
    if serves_only():
        return f"{READ_ONLY} {elsewhere}".strip()
    return permissions.refusal(people.person(), "change", "thing", "")


def serves_only() -> bool:
    """Whether this dashboard writes nothing, whoever looks."""
    return _read_only(os.environ.get("GANATOMY_READ_ONLY", ""))


def space() -> Workspace:
    """The store's workspace as whoever looks may use it."""
    return workspace.open(layout(), people.person())


@cache
def _read_only(said: str) -> bool:
    return Settings().read_only  # reading all settings takes milliseconds, and pages ask often


@dataclass
class Opener:
    """Opens the store in a thread: it may first have to be made again, which takes minutes for many runs."""

    layout: Layout
    make: bool
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _coming: Future[Snapshot] | None = None

    def open(self) -> Snapshot:
        """What is published now; `TimeoutError` when that takes longer than `OPENING_S`."""
        with self._lock:
            coming, self._coming = self._coming, None
            if coming is None or (coming.done() and coming.exception() is None):
                coming = self._pool.submit(store.open, self.layout, self.make)
            if not coming.done():  # one that failed is told to whoever asks first, and not kept
                self._coming = coming
        try:
            return coming.result(OPENING_S)
        except StoreError:
            with self._lock:
                if self._coming is coming:
                    self._coming = None
            raise

    @property
    def busy(self) -> bool:
        """Whether somebody still waits for the store."""
        return self._coming is not None and not self._coming.done()


@st.cache_resource
def _opener(root: str, read_only: bool) -> Opener:
    return Opener(Layout(Path(root)), make=not read_only)


@st.fragment(run_every=1, key="rebuilding")
def rebuilding() -> None:
    """Draw how far the store is made again, and the page as soon as it is there."""
    if not _opener(str(layout().root), serves_only()).busy:
        st.rerun()
    far = live.read(layout().rebuilding)
    runs = f": {far['done']} of {far['total']} runs" if far else ""
    st.info(f"The store is being made again from its bundles{runs}.", icon=":material/hourglass:")


@contextmanager
def frame(title: str, about: str) -> Iterator[Snapshot]:
    """Draw a page around a block.

    `with frame("Layers", "What ...") as snapshot`. A page that opens with what was found is about "". The
    store's link is resolved once, here.
    """
    from dashboard.share import popover
    from dashboard.team import notes, saved_views  # which show their errors by this module

    structures.begin()
    url.reconcile()
    url.arrived()
    dark = st.context.theme.type == "dark"
    st.html(f"<style>{DARK if dark else ''}{CONTENTS % ('#14191b' if dark else '#ffffff')}</style>")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title(title, anchor=False, width="content")
            st.badge(words.plain(project()), icon=":material/folder:", color="gray")
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="right", key="tools"
        ):
            search_button(title != "Search")
            saved_views.save()
            written = st.container(width="content")
            share = popover.button()
            manual.button()
            people.shown()
    if about:
        st.caption(about)
    st.html(KEYS, width="content", unsafe_allow_javascript=True)
    links.same_tab()
    try:
        snapshot = _opener(str(layout().root), serves_only()).open()
    except TimeoutError:
        rebuilding()
        st.stop()
    except StoreError as error:
        say(error)
        st.stop()
    notice(str(snapshot.version))
    with sentences():
        identity.check(snapshot.layout)
    if title == HOME and any(snapshot.layout.bundles.iterdir()):
        tour.offer()
    tour.draw()
    with sentences():
        yield snapshot
    popover.fill(share)
    with written, sentences():
        notes.button()  # last, because the address has then what the page shows


def project() -> str:
    """The name of what this dashboard shows: GANATOMY_PROJECT, else the folder of the store."""
    root = layout().root.resolve()
    folder = root.parent.name if root.name == "store" else root.name
    return os.environ.get("GANATOMY_PROJECT", "").strip() or folder or root.name


def contents(*headings: str) -> None:
    """Draw links to the sections of a long page, which stay in sight. Draw each with `section`."""
    links = " · ".join(f"[{heading}](#{anchor(heading)})" for heading in headings)
    with st.container(key="contents"):
        st.markdown(links)


def section(heading: str) -> None:
    """Draw the heading of a section that `contents` leads to."""
    st.header(heading, anchor=anchor(heading))


def anchor(heading: str) -> str:
    """The address of a heading within its page.

    >>> anchor("What else changes")
    'what-else-changes'
    """
    return "-".join(heading.lower().split())


def search_button(here: bool) -> None:
    """Draw the way to the Search page, which Ctrl+K and / open too; nothing if not `here`."""
    icon = ":material/search:"
    if here and st.button("Search", key="search", icon=icon, shortcut="Ctrl+K", type="tertiary"):
        st.switch_page("views/search.py")


@contextmanager
def sentences() -> Iterator[None]:
    """Show an error as one sentence with its remedy, instead of the rest of the block.

    The log keeps the traceback of an error that nobody expected.
    """
    try:
        yield
    except (StoreError, GanatomyError) as error:
        say(error)
    except Exception as error:
        get_logger(__name__).exception("A part of a page was not drawn")
        say(GanatomyError(f"{UNEXPECTED} ({type(error).__name__})."))


def said(change: Callable[[], None]) -> Callable[[], None]:
    """The callback, with an error as a sentence."""

    def run() -> None:
        with sentences():
            change()

    return run


UNEXPECTED = (
    "This part of the page cannot be drawn, by a mistake in Ganatomy. Load the page again, or choose "
    "something else. The dashboard's log has the details for a report"
)


def bundle(snapshot: Snapshot, run_id: str) -> str | None:
    """Folder of a run's bundle. Where it is missing, draw the sentence; the page then has numbers only."""
    with sentences():
        return str(snapshot.bundle(run_id).path)
    return None


def say(error: Exception) -> None:
    """Draw the error's sentence in a box."""
    st.error(words.sentence(error), icon=":material/error:")


# Not a multiple of other refreshes: of two requests at the same moment, Streamlit 1.67 may lose the first.
@st.fragment(run_every=5.3, key="notice")
def notice(version: str) -> None:
    """Draw a notice when the store has newer results, with a button that draws the page again."""
    current = layout().current
    if not current.exists() or str(current.resolve()) == version:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="new-results"):
        st.markdown(":material/fiber_new: New results have been published.", width="stretch")
        if st.button("Refresh", key="refresh", icon=":material/refresh:"):
            st.rerun()


def empty(text: str, label: str = "Queue one on the Jobs page", **request: object) -> None:
    """Draw why a page is empty, and a link to the form of the job that fills it."""
    st.info(text, icon=":material/lightbulb:")
    queue_link(label, **request)


def queue_link(label: str, **request: object) -> None:
    """Draw a link to the Jobs page's form, filled in with a request."""
    filled = {name: str(value) for name, value in request.items() if value}
    st.page_link("views/jobs.py", label=label, icon=":material/add:", query_params=filled)


def no_runs() -> None:
    """Draw what to do in a store without runs."""
    text = "There is no run in this store yet. Queue a dissection on the Jobs page, or run "
    empty(f"{text}`ganatomy dissect churches --wait`.", "Queue a dissection")


def numbers(typed: str) -> list[int]:
    """The numbers of a typed list such as `4,17-20`; text that is none is explained, and names nothing."""
    try:
        return number_lists.numbers(typed)
    except GanatomyError as error:
        st.warning(words.sentence(error), icon=":material/help:")
        return []
