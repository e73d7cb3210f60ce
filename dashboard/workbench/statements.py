"""Statements run in the sandbox, with the limits of every page. The last answers are kept.

A running statement shows its seconds and a button that cancels it.

The page's script waits for the statement, and writes the seconds five times a second. Streamlit ends a script
at such a write when somebody presses a button, goes to another page or closes the window, and the statement
ends with it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.widgets import page
from db.errors import ConsoleError
from db.sql import console, parameters
from db.store import Snapshot

SECONDS, MEMORY_MB = 20, 1024
ROWS = (10_000, 1_000, 100_000)  # that somebody may choose, the usual number first
QUICK_S = 0.6  # a statement that is done by then shows no button
MOST_BYTES = 48 << 20  # of answers that a dashboard keeps for all its visitors
Key = tuple[str, str, int, tuple[tuple[str, parameters.Value], ...]]
_CANCELLED, _FAILED = "sql-cancelled", "sql-failed"


class Answers:
    """The last answers, of all visitors, as many as fit into `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, console.ConsoleResult] = OrderedDict()

    def get(self, key: Key) -> console.ConsoleResult | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: Key, result: console.ConsoleResult) -> None:
        with self._lock:
            self._held[key] = result
            while len(self._held) > 1 and sum(r.table.nbytes for r in self._held.values()) > self.most:
                self._held.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _answers() -> Answers:
    return Answers(MOST_BYTES)


def key(snapshot: Snapshot, statement: str, rows: int, values: Mapping[str, parameters.Value]) -> Key:
    """What an answer follows from."""
    used = tuple((name, values[name]) for name in parameters.names(statement) if name in values)
    return str(snapshot.version), statement, rows, used


def again() -> None:
    """Let the statement run again that was cancelled or failed; for callbacks."""
    st.session_state.pop(_CANCELLED, None)
    st.session_state.pop(_FAILED, None)


def error(asked: Key) -> ConsoleError | None:
    """What was wrong with this statement when it ran last, on this visit."""
    return _failures().get(asked)


def _failures() -> dict[Key, ConsoleError]:
    return st.session_state.setdefault(_FAILED, {})


def run(snapshot: Snapshot, asked: Key) -> console.ConsoleResult | None:
    """The answer of a statement; None, with a sentence drawn, where somebody has cancelled it.

    Raises ConsoleError, and for the same statement again until `again` is called.
    """
    if (kept := _answers().get(asked)) is not None:
        return kept
    if wrong := error(asked):
        raise wrong.with_traceback(None)
    cancelled, after = st.session_state.get(_CANCELLED, (None, 0.0))
    if cancelled == asked:
        st.info(f"Cancelled after {after:.1f} s.", icon=":material/cancel:")
        st.button("Run it again", key="sql-again", icon=":material/replay:", on_click=again)
        return None
    return _answer(snapshot, asked, _Progress(asked))


def ask(
    snapshot: Snapshot, statement: str, rows: int, values: Mapping[str, parameters.Value]
) -> console.ConsoleResult:
    """The answer of one of a page's several statements, without a button to cancel it.

    Raises ConsoleError, and for the same statement again until `again` is called.
    """
    asked = key(snapshot, statement, rows, values)
    if wrong := error(asked):
        raise wrong.with_traceback(None)
    return _answers().get(asked) or _answer(snapshot, asked, _Progress())


def _answer(snapshot: Snapshot, asked: Key, progress: "_Progress") -> console.ConsoleResult:
    _, statement, rows, values = asked
    try:
        result = console.run(
            page.layout(),
            statement,
            rows,
            SECONDS,
            MEMORY_MB,
            snapshot,
            values=dict(values),
            tick=progress.tick,
        )
    except ConsoleError as wrong:
        _failures()[asked] = wrong
        raise
    finally:
        progress.clear()
    _answers().put(asked, result)
    return result


class _Progress:
    """The seconds of a running statement, and the button that cancels it if it is told which one that is."""

    def __init__(self, asked: Key | None = None) -> None:
        self.asked, self.begun = asked, time.monotonic()
        self._place = st.empty()
        self._seconds: DeltaGenerator | None = None

    def tick(self) -> None:
        """Write the seconds so far, at which Streamlit may end this run of the script."""
        elapsed = time.monotonic() - self.begun
        if self._seconds is None:
            if elapsed < QUICK_S:
                self._place.empty()
                return
            with self._place.container(horizontal=True, vertical_alignment="center"):
                self._seconds = st.empty()
                if self.asked is not None:
                    st.button(
                        "Cancel",
                        key="sql-cancel",
                        icon=":material/stop_circle:",
                        shortcut="Escape",
                        on_click=self._cancel,
                        help="Ends the statement at once. Whatever else you do on the page starts it again.",
                    )
        self._seconds.caption(f"Running for {elapsed:.0f} s, at most {SECONDS} s", width="content")

    def clear(self) -> None:
        self._place.empty()

    def _cancel(self) -> None:
        st.session_state[_CANCELLED] = self.asked, time.monotonic() - self.begun
