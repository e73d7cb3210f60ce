"""Jobs: queue a job now, later or on a schedule, follow it, cancel or retry it, and read its log."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard.team import notes, people
from dashboard.widgets import form, job_form, jobs, page, pickers, schedules, url, words
from db.times import utc_now
from jobs.queue.records import Job


def row(job: Job) -> None:
    """Draw one job of the list: state, title, age, and a button that opens it.

    All text is one element: the list is drawn again for each viewer every two seconds.
    """
    who = job.owner if job.project in ("", "default") else f"{job.owner} for {job.project}"
    about = f":small[:gray[{words.plain(who)} · {words.ago(job.created_at)}]]"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":{jobs.COLOURS[job.state]}-badge[{job.state}] {words.plain(job.title)} {about}", width="stretch"
        )
        url.turn("Open", f"open-{job.id}", **{name: url.get(name) or None for name in FILTERS}, job=job.id)
    if job.id == url.get("job"):
        return
    if job.state == "running":
        st.progress(jobs.share(job), text=jobs.pace(job))
        st.caption(jobs.use(job))
    elif job.state == "waiting" or (job.state == "queued" and job.stage):
        st.caption(jobs.pace(job))
    elif job.state == "failed" and job.error:
        st.markdown(f":small[:red[{words.sentence(job.error)}]]")  # a caption in red is too pale to read


SORTS: dict[str, tuple[Callable[[Job], Any], bool]] = {
    "Newest first": (lambda job: job.created_at, True),
    "Oldest first": (lambda job: job.created_at, False),
    "State": (lambda job: list(jobs.COLOURS).index(job.state), False),
    "Longest": (lambda job: (job.finished_at or utc_now()) - (job.started_at or utc_now()), True),
}
FILTERS = ("state", "whose", "in", "has", "order", "page")  # of the list, in the address


def everything() -> None:
    """Draw the list of jobs: running jobs first, then waiting and ended ones, unless it is filtered."""
    with page.sentences():
        found = jobs.overview()
        scheduled = any(not schedule.paused for schedule in found.schedules)
        jobs.worker_warnings(waits=scheduled or found.active > 0)
        if not found.total:
            st.caption("No job has been queued in this store yet.")
            return
        every = jobs.board().every() if found.total > 1 else found.jobs
        chosen = filtered(every)
        unfiltered = chosen is None
        if chosen is None:
            running = sum(job.state == "running" for job in found.jobs)
            chosen, total = list(found.jobs[: max(running, jobs.SHOWN)]), len(every)
        else:
            total = len(chosen)
        each = len(chosen) if unfiltered else jobs.SHOWN
        pages = max(1, -(-total // max(each, 1)))
        at = url.page_number(pages)
        if at > 1 and unfiltered:  # those of the first page lead, and the others follow in their order
            first = {job.id for job in chosen}
            chosen += [job for job in every if job.id not in first]
        chosen = chosen[(at - 1) * each : at * each]
        with st.container(gap="xsmall"):
            for job in chosen:
                row(job)
        counts = ", ".join(f"{number:,} {state}" for state, number in found.counts.items() if number)
        st.caption(f"{len(chosen)} of {words.count(total, 'job')} shown. In the queue: {counts}.")
        if pages > 1:
            key = f"pages:{at}"
            turned = lambda: url.change(page=st.session_state[key])  # noqa: E731
            st.pagination(pages, default=at, key=key, on_change=turned)


def filtered(every: Sequence[Job]) -> list[Job] | None:
    """Draw the filters of the list, and return the jobs that pass them; None where none is chosen."""
    owners, projects = (sorted({str(getattr(job, name)) for job in every}) for name in ("owner", "project"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = url.text(
            st.text_input, "Find a job", "has", reset=("page",), width=200, placeholder="Title, id, error"
        )
        states = url.several(st.multiselect, "State", "state", list(jobs.COLOURS), width=220)
        owner = pickers.one_of("Owner", "whose", owners)
        project = pickers.one_of("Project", "in", projects)
        order = url.choice(st.selectbox, "Sort", "order", list(SORTS), width=150, reset=("page",))
    if not (text or states or owner or project or order != next(iter(SORTS))):
        return None
    found = [
        job
        for job in every
        if (not states or job.state in states)
        and owner in ("", job.owner)
        and project in ("", job.project)
        and text.lower() in f"{job.title} {job.id} {job.kind} {job.error or ''}".lower()
    ]
    key, reverse = SORTS[order]
    return sorted(found, key=key, reverse=reverse)


def one(job_id: str) -> None:
    """Draw one job: its progress, results, buttons, facts and log.

    Each part has its own container, even an empty one. Otherwise the log would move down when the results
    arrive, and the page would show it twice until the script ends.
    """
    with page.sentences():
        job = jobs.client().job(job_id)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header(words.plain(job.title), anchor=False, width="content")
            jobs.badge(job)
        with st.container():
            progress(job)
        with st.container():
            outcome(job)
        with st.container(horizontal=True, vertical_alignment="center"):
            buttons(job)
        facts(job)
        with st.popover("Notes", icon=":material/sticky_note_2:", key=f"notes-of-{job.id}"):
            notes.draw(notes.subject(job_id=job.id), "job-notes")
            notes.undo()


def progress(job: Job) -> None:
    """Draw the job's progress, or the reason why it failed."""
    if job.state in ("waiting", "queued"):
        st.caption(jobs.pace(job))
    elif not job.ended:
        st.progress(jobs.share(job), text=jobs.pace(job))
    if job.error:
        st.error(words.sentence(job.error), icon=":material/error:")


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
        elif not job.ended:
            cancel(job)
        elif job.state in ("failed", "cancelled"):
            retry(job)
    if not page.read_only():
        url.turn(
            "Clone with changes", "clone", ":material/content_copy:", **form.texts(job.kind, job.request)
        )
    url.turn("Close", "close", ":material/close:")


def retry(job: Job) -> None:
    """Draw the button that queues the job again."""
    why = people.refusal("retry", "job", job.owner)
    if st.button("Retry", icon=":material/replay:", disabled=bool(why), help=words.plain(why)):
        with jobs.writing() as client:
            st.toast(words.sentence(client.retry(job.id).message))
        st.rerun()


def cancel(job: Job) -> None:
    """Draw the button that cancels the job, once somebody has confirmed it."""
    why, icon = people.refusal("cancel", "job", job.owner), ":material/stop:"
    with st.popover(
        "Cancel", icon=icon, key=f"cancelling-{job.id}", disabled=bool(why), help=words.plain(why)
    ):
        st.markdown("Cancel this job? What it has saved stays, and Retry goes on from there.")
        if st.button("Cancel the job", icon=":material/stop:"):
            with jobs.writing() as client:
                client.cancel(job.id)
            st.rerun()


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
    st.header("All jobs", anchor=False)
    everything()


with page.frame("Jobs", "Queue a job, follow its progress, read its log, and open its results."):
    if page.read_only():
        st.info(words.plain(page.look_only("Queue jobs on the command line or on another dashboard.")))
    else:
        expander = st.expander("Queue a job", icon=":material/add:", expanded=not url.get("job"))
        with expander, page.sentences():
            job_form.ask()
    jobs.refreshed(partial(below_the_form, url.get("job")), "jobs")
