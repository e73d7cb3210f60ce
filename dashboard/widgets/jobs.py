"""Jobs on a page: the client, live progress, and a warning when no worker runs."""

import streamlit as st

from dashboard.widgets import page, times, words
from jobs.kinds.requests import KINDS
from jobs.queue.client import Client
from jobs.queue.records import Job

COLOURS = {
    "waiting": "gray",
    "queued": "gray",
    "running": "blue",
    "done": "green",
    "failed": "red",
    "cancelled": "orange",
}


@st.cache_resource
def _client(root: str) -> Client:
    return Client.at(root)


def client() -> Client:
    """The client of this dashboard's store, one for all sessions."""
    return _client(str(page.layout().root))


def active() -> list[Job]:
    """Jobs that have not ended, running ones first."""
    jobs = [job for job in client().jobs() if not job.ended]
    return sorted(jobs, key=lambda job: (job.state != "running", job.created_at))


def badge(job: Job) -> None:
    """The job's state."""
    st.badge(job.state, color=COLOURS.get(job.state, "gray"))  # type: ignore[arg-type]


def use(job: Job) -> str:
    """The device, CPU, memory, GPU memory and worker of a running job, in one line."""
    parts = [job.device or "no device yet"]
    if job.cpu_percent is not None:
        parts.append(f"CPU {job.cpu_percent:.0f} %")
    if job.memory_bytes:
        parts.append(f"memory {size(job.memory_bytes)}")
    if job.gpu_memory_bytes:
        parts.append(f"GPU memory {size(job.gpu_memory_bytes)}")
    return " · ".join([*parts, *([f"worker {job.worker}"] if job.worker else [])])


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
        return f"waits until {times.long_form(job.not_before)}" if job.not_before else f"waits: {job.stage}"
    parts = [job.stage] if job.stage else []
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
        st.markdown(f"**{job.title}**", width="content")
        badge(job)
    st.progress(share(job), text=pace(job))


@st.fragment(run_every=2, key="running")
def running() -> None:
    """Draw the jobs that run or wait, every two seconds. When a job ends, the whole page is drawn again."""
    jobs = active()
    before = st.session_state.get("running-jobs", set())
    now = {job.id for job in jobs}
    st.session_state["running-jobs"] = now
    if before - now:
        st.rerun()
    if not jobs:
        return
    with st.container(border=True):
        for job in jobs[:3]:
            progress(job)
        if len(jobs) > 3:
            st.caption(f"{words.count(len(jobs) - 3, 'more job')} not shown")
        no_worker(waits=True)
        st.page_link("views/jobs.py", label="Follow them on the Jobs page", icon=":material/schedule:")


def no_worker(waits: bool) -> None:
    """Warn when a job or a schedule waits and no worker runs.

    The warning has its own container, even an empty one, so that what follows stays in its place.
    """
    with st.container():
        if waits and not client().workers():
            st.warning(
                "No worker is alive, so queued jobs wait. Start one with `ganatomy worker`.",
                icon=":material/bedtime:",
            )
