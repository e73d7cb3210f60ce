"""Jobs: queue a dissection now, later or again and again; watch it, cancel it, try again, read its log."""

import streamlit as st

from dashboard.widgets import form, job_form, page, schedules, url, words
from dashboard.widgets import jobs as work
from jobs.queue.records import Job

SHOWN = 20


def row(job: Job) -> None:
    """One job in the list: state, title, when, and a link that opens it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        work.badge(job)
        st.markdown(job.title, width="stretch")
        who = job.owner if job.project in ("", "default") else f"{job.owner} for {job.project}"
        st.caption(f"{words.plain(who)} · {words.ago(job.created_at)}", width="content")
        url.turn("Open", f"open-{job.id}", job=job.id)
    if job.id == url.get("job"):
        return
    if job.state == "running":
        st.progress(work.share(job), text=work.pace(job))
        st.caption(work.use(job))
    elif job.state == "waiting" or (job.state == "queued" and job.stage):
        st.caption(work.pace(job))
    elif job.state == "failed" and job.error:
        st.markdown(f":small[:red[{words.plain(job.error)}]]")  # a caption in red is too pale to read


@st.fragment(run_every=2, key="jobs")
def everything() -> None:
    """The list, live: what runs, with bars, what waits, what has ended."""
    with page.sentences():
        jobs = work.client().jobs()
        if not jobs:
            st.caption("No job has been queued in this store yet.")
            return
        work.nobody(waits=any(not job.ended for job in jobs))
        jobs.sort(key=lambda job: (job.ended, job.state != "running"))  # else newest first, as they are
        with st.container(gap="xsmall"):
            for job in jobs[:SHOWN]:
                row(job)
        if len(jobs) > SHOWN:
            st.caption(
                f"and {words.count(len(jobs) - SHOWN, 'older job')}; `ganatomy jobs list` names them all"
            )


@st.fragment(run_every=2, key="job")
def one(job_id: str) -> None:
    """One job: how far it is, what it asked for, its log, and what can be done about it.

    Each part has a container of its own, also when it is empty: were the log to move down when the results
    come, the page would show it twice until it is drawn to its end.
    """
    with page.sentences():
        job = work.client().job(job_id)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(job.title, anchor=False, width="content")
            work.badge(job)
        with st.container():
            standing(job)
        with st.container():
            outcome(job)
        with st.container(horizontal=True, vertical_alignment="center"):
            deeds(job)
        facts(job)


def standing(job: Job) -> None:
    """How far it is, or why it failed."""
    if job.state in ("waiting", "queued"):
        st.caption(work.pace(job))
    elif not job.ended:
        st.progress(work.share(job), text=work.pace(job))
    if job.error:
        st.error(job.error, icon=":material/error:")


def outcome(job: Job) -> None:
    """Links to what came of it."""
    if found := work.client().results(job):
        st.caption("Its results" if job.state == "done" else "Its results so far")
        work.results(*found)


def deeds(job: Job) -> None:
    """Cancel, retry, clone, close."""
    with st.container(width="content"):
        if not job.ended and st.button("Cancel", icon=":material/stop:"):
            work.client().cancel(job.id)
            st.rerun()
        if job.state in ("failed", "cancelled") and st.button("Retry", icon=":material/replay:"):
            st.toast(work.client().retry(job.id).message)
            st.rerun()
    url.turn("Clone with changes", "clone", ":material/content_copy:", **form.texts(job.kind, job.request))
    url.turn("Close", "close", ":material/close:")


def facts(job: Job) -> None:
    """Where it runs, the command that repeats it, its log."""
    asked = f"asked by {job.owner} for {job.project}, priority {job.priority}, {words.ago(job.created_at)}"
    told = [f"job {job.id}", asked, *([f"by the schedule {job.schedule}"] if job.schedule else [])]
    with st.container():
        if job.state == "running":
            st.caption(work.use(job))
    if job.ended and job.started_at and job.finished_at:
        took = (job.finished_at - job.started_at).total_seconds()
        told += [f"{job.state} {words.ago(job.finished_at)}, after {words.seconds(took)}"]
    st.caption(words.plain(" · ".join(told)))
    st.caption("The same from the command line")
    st.code(job.command, language="bash", wrap_lines=True)
    st.caption("Log")
    log = work.client().log(job.id)
    st.code(
        log or ("nothing was written" if job.ended else "nothing yet"),
        language=None,
        wrap_lines=True,
        height=260 if log.count("\n") > 10 else "content",
    )


with page.frame("Jobs", "Queue a job, watch it, read its log; finished ones lead to their results."):
    with (
        st.expander("Queue a job", icon=":material/add:", expanded=not url.get("job")),
        page.sentences(),
    ):
        job_form.ask()
    if url.get("job"):
        with st.container(border=True, key="job"):
            one(url.get("job"))
    schedules.everything()
    st.subheader("All jobs", anchor=False)
    everything()
