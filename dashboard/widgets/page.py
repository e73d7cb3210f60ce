"""The frame of every page: title, snapshot of the store, errors as sentences, notice of new results."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import streamlit as st

from analysis.shared import number_lists
from analysis.shared.errors import GanatomyError
from dashboard.widgets import url
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import Snapshot, identity
from jobs.system import live
from jobs.system.settings import Settings

# Streamlit writes white on the dark theme's bright colour, which is hard to read on the tags of a choice.
DARK = "<style>[data-tag], [data-tag] * { color: #14191b !important; }</style>"


def layout() -> Layout:
    """The store that this dashboard shows: GANATOMY_STORE, else ./store."""
    return Layout(Path(os.environ.get("GANATOMY_STORE") or "store"))


OPENING_S = 2.0  # that a page waits for the store without a word
READ_ONLY = "This dashboard is read-only: it shows jobs and results, and changes nothing."


def read_only() -> bool:
    """Whether this dashboard writes nothing."""
    return Settings().read_only


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
    if not _opener(str(layout().root), read_only()).busy:
        st.rerun()
    far = live.read(layout().rebuilding)
    runs = f": {far['done']} of {far['total']} runs" if far else ""
    st.info(f"The store is being made again from its bundles{runs}.", icon=":material/hourglass:")


@contextmanager
def frame(title: str, about: str) -> Iterator[Snapshot]:
    """Draw a page around a block.

    `with frame("Units", "What ...") as snapshot`. The store's link is resolved once, here.
    """
    url.reconcile()
    url.arrived()
    if st.context.theme.type == "dark":
        st.html(DARK)
    st.title(title, anchor=False)
    st.caption(about)
    try:
        snapshot = _opener(str(layout().root), read_only()).open()
    except TimeoutError:
        rebuilding()
        st.stop()
    except StoreError as error:
        say(error)
        st.stop()
    notice(str(snapshot.version))
    with sentences():
        identity.check(snapshot.layout)
    with sentences():
        yield snapshot


@contextmanager
def sentences() -> Iterator[None]:
    """Show an error as one sentence with its remedy, instead of the rest of the block."""
    try:
        yield
    except (StoreError, GanatomyError) as error:
        say(error)


def bundle(snapshot: Snapshot, run_id: str) -> str | None:
    """Folder of a run's bundle. Where it is missing, draw the sentence; the page then has numbers only."""
    with sentences():
        return str(snapshot.bundle(run_id).path)
    return None


def say(error: Exception) -> None:
    """Draw the error's sentence in a box."""
    st.error(str(error), icon=":material/error:")


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


def csv(frame: pd.DataFrame, name: str, title: str = "") -> None:
    """Draw a button that downloads a table as `name`.csv."""
    label = f"{title or name.capitalize().replace('-', ' ')} as CSV"
    icon = ":material/download:"
    st.download_button(
        label, frame.to_csv(index=False), f"{name}.csv", "text/csv", icon=icon, key=f"csv-{name}"
    )


def numbers(typed: str) -> list[int]:
    """The numbers of a typed list such as `4,17-20`; text that is none is explained, and names nothing."""
    try:
        return number_lists.numbers(typed)
    except GanatomyError as error:
        st.warning(str(error), icon=":material/help:")
        return []
