"""Jobs on a page: the client, live progress, and a warning when no worker runs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import people
from dashboard.widgets import page, times, url, words
from db.layout import Layout
from jobs.kinds.requests import KINDS
from jobs.queue.client import Client
from jobs.queue.records import Job, Overview

SHOWN = 20  # jobs in the list; running ones come on top of that
MOST = 2000  # jobs that are searched
FRESH_S = 1.0  # for this long, what was read from the queue serves every viewer
LISTED_S = 5.0  # and this long all jobs that are searched
BUSY_S, QUIET_S = 2.0, 5.0  # between two refreshes of a page, while jobs wait or run and otherwise

COLOURS = {
    "waiting": "gray",
    "queued": "gray",
    "running": "blue",
    "done": "green",
    "failed": "red",
    "cancelled": "orange",
}


@dataclass
class Board:
    """The queue as all viewers of this process see it. It is read when somebody looks, once a second at most.

    Each viewer would otherwise read the queue every two seconds. A failure serves everybody too: it may have
    taken seconds.
    """

    client: Client
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: float = float("-inf")  # on time.monotonic()
    _found: Overview | GanatomyError | None = None
    _listed_at: float = float("-inf")
    _listed: tuple[Job, ...] = ()

    def overview(self) -> Overview:
        """What the queue holds now."""
        with self._lock:
            if self._found is None or time.monotonic() - self._read_at > FRESH_S:
                try:
                    self._found = self.client.overview(SHOWN)
                except GanatomyError as error:
                    self._found = error
                self._read_at = time.monotonic()
            found = self._found
        if isinstance(found, GanatomyError):
            raise GanatomyError(str(found))
        return found

    def every(self) -> tuple[Job, ...]:
        """The newest `MOST` jobs, newest first, a few seconds old at most: reading them takes longer."""
        with self._lock:
            if time.monotonic() - self._listed_at > LISTED_S:
                self._listed = tuple(self.client.jobs(MOST))
                self._listed_at = time.monotonic()
            return self._listed

    def forget(self) -> None:
        """Read the queue again at the next look: this process has changed it."""
        self._read_at = self._listed_at = float("-inf")


@st.cache_resource
def _board(root: str) -> Board:
    serves_only = page.serves_only()
    return Board(Client(Layout(Path(root)), read_only=True) if serves_only else Client.at(root))


def board() -> Board:
    """The queue of this dashboard's store, one board for all sessions."""
    return _board(str(page.layout().root))


def client() -> Client:
    """The client of this dashboard's store, one for all sessions. `writing` gives it for changes."""
    return board().client


def overview() -> Overview:
    """What the queue holds, at most a second old."""
    return board().overview()


@contextmanager
def writing() -> Iterator[Client]:
    """The client for changes by whoever looks, which the next look at the queue shows.

    Raises:
        GanatomyError: Nothing can be changed here.
    """
    if page.read_only():
        raise GanatomyError(page.look_only())
    try:
        yield client().acting_as(people.person())
    finally:
        board().forget()


def refreshed(draw: Callable[[], None], name: str) -> None:
    """Draw something now and again every few seconds, more often while jobs wait or run.

    The browser keeps the pace that it was told, so the whole page is drawn again for another pace.
    """
    busy = _busy()

    def tick() -> None:
        url.reconcile()  # the browser may not have heard of what a person has just changed
        if _busy() != busy:
            st.rerun()
        with page.sentences():
            draw()

    st.fragment(tick, run_every=BUSY_S if busy else QUIET_S, key=name)()


def _busy() -> bool:
    try:
        return overview().active > 0
    except GanatomyError:  # `draw` says so
        return True


def badge(job: Job) -> None:
    """The job's state."""
    st.badge(words.plain(job.state), color=COLOURS.get(job.state, "gray"))  # type: ignore[arg-type]


def use(job: Job) -> str:
    """The device, CPU, memory, GPU memory and worker of a running job, in one line."""
    parts = [job.device or "no device yet"]
    if job.cpu_percent is not None:
        parts.append(f"CPU {job.cpu_percent:.0f} %")
    if job.memory_bytes:
        parts.append(f"memory {size(job.memory_bytes)}")
    if job.gpu_memory_bytes:
        parts.append(f"GPU memory {size(job.gpu_memory_bytes)}")
    return words.plain(" · ".join([*parts, *([f"worker {job.worker}"] if job.worker else [])]))


def size(count: int) -> str:
    """A number of bytes in GB or MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def results(kind: str, run_id: str) -> None:
    """Draw links to the pages that show a run's results."""
    with st.container(horizontal=True):
        for each in KINDS[kind].pages:
            if not each.hidden:
                st.page_link(f"views/{each.view}.py", label=each.title, query_params={"run": run_id})


def pace(job: Job) -> str:
    """Stage, images done, speed, time left, in one line."""
    if job.state == "waiting":
        return (
            f"waits until {times.long_form(job.not_before)}"
            if job.not_before
            else f"waits: {words.plain(job.stage)}"
        )
    parts = [words.plain(job.stage)] if job.stage else []
    if job.total:
        parts.append(f"{job.done:,} of {job.total:,} images")
    if job.images_per_s:
        parts.append(f"{job.images_per_s:.1f} images/s")
    if job.seconds_left is not None:
        parts.append(f"{words.seconds(job.seconds_left)} left")
    if job.published:
        parts.append(f"published {words.count(job.published, 'time')}")
    return " · ".join(parts) or "waits for its turn in the queue"


def share(job: Job) -> float:
    """The share of the job that is done, 0 to 1."""
    return min(job.done / job.total, 1.0) if job.total else 0.0


def progress(job: Job) -> None:
    """Draw a job that has not ended: title, state, progress bar."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.plain(job.title)}**", width="content")
        badge(job)
    st.progress(share(job), text=pace(job))


def running() -> None:
    """Draw the jobs that run or wait, and keep that true. When a job ends, the whole page is drawn again."""
    drawn = _ended()

    def draw() -> None:
        if _ended() != drawn:
            st.rerun()
        with page.sentences():
            found = overview()
            if not found.active:
                return
            active = [job for job in found.jobs if not job.ended]
            with st.container(border=True):
                for job in active[:3]:
                    progress(job)
                if found.active > 3:
                    st.caption(f"{words.count(found.active - 3, 'more job')} not shown")
                worker_warnings(waits=True)
                st.page_link(
                    "views/jobs.py", label="Follow them on the Jobs page", icon=":material/schedule:"
                )

    refreshed(draw, "running")


def _ended() -> int | None:
    """How many jobs have ended; None when the queue cannot be read."""
    try:
        return overview().total - overview().active
    except GanatomyError:
        return None


def worker_warnings(waits: bool) -> None:
    """Name each worker that is stuck, and warn when a job or a schedule waits and no worker runs.

    The warning has its own container, even an empty one, so that what follows stays in its place.
    """
    with st.container():
        found = overview().workers
        for worker in (each for each in found if each.stuck):
            st.warning(
                f"Worker {words.plain(worker.slot)} has not answered for {words.seconds(worker.silent_s)}: "
                f"its process {worker.pid} on {words.plain(worker.host)} is there but does nothing, so its "
                f"jobs stand still. Wake it with `kill -CONT {worker.pid}`. If that does not help, end it "
                f"with `kill -KILL {worker.pid}` and start a worker, which goes on with its jobs.",
                icon=":material/bedtime:",
            )
        if waits and not found:
            st.warning(
                "No worker is alive, so queued jobs wait. Start one with `ganatomy worker`.",
                icon=":material/bedtime:",
            )
