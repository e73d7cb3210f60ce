"""Jobs: queue a job now, later or on a schedule, follow it, cancel or retry it, and read its log."""

from functools import partial

import streamlit as st

from dashboard.widgets import form, job_form, jobs, page, schedules, url, words
from jobs.queue.records import Job


def row(job: Job) -> None:
    """Draw one job of the list: state, title, age, and a button that opens it.

    All text is one element: the list is drawn again for each viewer every two seconds.
    """
    who = job.owner if job.project in ("", "default") else f"{job.owner} for {job.project}"
    about = f":small[:gray[{words.plain(who)} · {words.ago(job.created_at)}]]"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":{jobs.COLOURS[job.state]}-badge[{job.state}] {job.title} {about}", width="stretch")
        url.turn("Open", f"open-{job.id}", job=job.id)
    if job.id == url.get("job"):
        return
    if job.state == "running":
        st.progress(jobs.share(job), text=jobs.pace(job))
        st.caption(jobs.use(job))
    elif job.state == "waiting" or (job.state == "queued" and job.stage):
        st.caption(jobs.pace(job))
    elif job.state == "failed" and job.error:
        st.markdown(f":small[:red[{words.plain(job.error)}]]")  # a caption in red is too pale to read


def everything() -> None:
    """Draw the list of jobs: running jobs first, then waiting and ended ones."""
    with page.sentences():
        found = jobs.overview()
        scheduled = any(not schedule.paused for schedule in found.schedules)
        jobs.no_worker(waits=scheduled or found.active > 0)
        if not found.total:
            st.caption("No job has been queued in this store yet.")
            return
        running = sum(job.state == "running" for job in found.jobs)
        shown = found.jobs[: max(running, jobs.SHOWN)]
        with st.container(gap="xsmall"):
            for job in shown:
                row(job)
        if found.total > len(shown):
            counts = ", ".join(f"{number:,} {state}" for state, number in found.counts.items() if number)
            st.caption(
                f"{len(shown)} of {words.count(found.total, 'job')} are shown: {counts}. "
                "`ganatomy jobs list` lists more."
            )


def one(job_id: str) -> None:
    """Draw one job: its progress, results, buttons, facts and log.

    Each part has its own container, even an empty one. Otherwise the log would move down when the results
    arrive, and the page would show it twice until the script ends.
    """
    with page.sentences():
        job = jobs.client().job(job_id)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(job.title, anchor=False, width="content")
            jobs.badge(job)
        with st.container():
            progress(job)
        with st.container():
            outcome(job)
        with st.container(horizontal=True, vertical_alignment="center"):
            buttons(job)
        facts(job)


def progress(job: Job) -> None:
    """Draw the job's progress, or the reason why it failed."""
    if job.state in ("waiting", "queued"):
        st.caption(jobs.pace(job))
    elif not job.ended:
        st.progress(jobs.share(job), text=jobs.pace(job))
    if job.error:
        st.error(job.error, icon=":material/error:")


def outcome(job: Job) -> None:
    """Draw links to the job's results."""
    if found := jobs.client().results(job):
        st.caption("Results" if job.state == "done" else "Results so far")
        jobs.results(*found)


def buttons(job: Job) -> None:
    """Draw the buttons that cancel, retry, clone and close the job."""
    with st.container(width="content"):
        if page.read_only():
            pass
        elif not job.ended and st.button("Cancel", icon=":material/stop:"):
            with jobs.writing() as client:
                client.cancel(job.id)
            st.rerun()
        elif job.state in ("failed", "cancelled") and st.button("Retry", icon=":material/replay:"):
            with jobs.writing() as client:
                st.toast(client.retry(job.id).message)
            st.rerun()
    if not page.read_only():
        url.turn(
            "Clone with changes", "clone", ":material/content_copy:", **form.texts(job.kind, job.request)
        )
    url.turn("Close", "close", ":material/close:")


def facts(job: Job) -> None:
    """Draw who queued the job, its resources, the command that repeats it, and its log."""
    queued = f"queued by {job.owner} for project {job.project}, {words.ago(job.created_at)}"
    parts = [f"job {job.id}", queued, f"priority {job.priority}"]
    if job.schedule:
        parts.append(f"by the schedule {job.schedule}")
    with st.container():
        if job.state == "running":
            st.caption(jobs.use(job))
    if job.ended and job.started_at and job.finished_at:
        took = (job.finished_at - job.started_at).total_seconds()
        parts.append(f"{job.state} {words.ago(job.finished_at)}, after {words.seconds(took)}")
    st.caption(words.plain(" · ".join(parts)))
    st.caption("This command repeats the job")
    st.code(job.command, language="bash", wrap_lines=True)
    st.caption("Log")
    log = jobs.client().log(job.id)
    st.code(
        log or ("The log is empty." if job.ended else "The log is still empty."),
        language=None,
        wrap_lines=True,
        height=260 if log.count("\n") > 10 else "content",
    )


def below_the_form(job_id: str) -> None:
    """Draw the open job, if there is one, the schedules and the list.

    They are refreshed together: when a browser asks for two fragments at once, Streamlit 1.67 may lose the
    first. `job_id` is the one of the last full run: the button that closes a job must be drawn once more.
    """
    if job_id:
        with st.container(border=True, key="job"):
            one(job_id)
    schedules.everything()
    st.subheader("All jobs", anchor=False)
    everything()


with page.frame("Jobs", "Queue a job, follow its progress, read its log, and open its results."):
    if page.read_only():
        st.info(f"{page.READ_ONLY} Queue jobs on the command line or on another dashboard.")
    else:
        expander = st.expander("Queue a job", icon=":material/add:", expanded=not url.get("job"))
        with expander, page.sentences():
            job_form.ask()
    jobs.refreshed(partial(below_the_form, url.get("job")), "jobs")
