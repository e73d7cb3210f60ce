"""Jobs: queue a dissection, watch it, cancel it, try again, read its log."""

from typing import Any

import streamlit as st

from dashboard.widgets import form, page, url, words, work
from jobs.requests import DissectRequest, parse
from jobs.views import JobView

SHOWN = 20


def choices(models: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What the form offers for generator, segmenter and layers, with the models that the address names."""
    offered = {role: [m["name"] for m in models if m["role"] == role] for role in ("generator", "segmenter")}
    for role, names in offered.items():
        names += [url.get(role)] if url.get(role) and url.get(role) not in names else []
    chosen = url.get("generator", next(iter(offered["generator"]), ""))
    layers = [layer["name"] for m in models if m["name"] == chosen for layer in m["layers"]]
    return {"generator": offered["generator"], "segmenter": ["", *offered["segmenter"]], "layers": layers}


def cost(request: DissectRequest) -> None:
    """What the job is likely to take, before it starts."""
    estimate = work.client().estimate(request)
    parts = [words.count(estimate.images, "image")]
    if estimate.seconds is not None:
        parts.append(f"about {words.seconds(estimate.seconds)}")
    if estimate.disk_bytes is not None:
        parts.append(f"{estimate.disk_bytes / 1e6:,.0f} MB")
    st.caption(f"{', '.join(parts)} ({estimate.basis})" if estimate.basis else ", ".join(parts))


def ask() -> None:
    """The form, the cost, the button."""
    offered = choices(work.client().models())
    if not offered["generator"]:
        st.info("No generator is known; add one with `ganatomy models add`.", icon=":material/lightbulb:")
        return
    filled = form.values(DissectRequest, offered)
    request = parse(DissectRequest.KIND, filled)
    assert isinstance(request, DissectRequest)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Queue", icon=":material/play_arrow:"):
            queue(request)
        cost(request)


def queue(request: DissectRequest) -> None:
    """Submit, say what came of it, and show the job."""
    submission = work.client().submit(request)
    st.toast(submission.message, icon=":material/info:" if submission.already else ":material/check:")
    url.put(job=submission.job_id)
    if submission.job_id is None and submission.run_id:
        st.success(submission.message, icon=":material/check:")
        results(submission.run_id)


def results(run_id: str) -> None:
    """The ways into a run's results."""
    with st.container(horizontal=True):
        for name in ("units", "layers", "ablate"):
            st.page_link(f"views/{name}.py", label=name.title(), query_params={"run": run_id})


def row(job: JobView) -> None:
    """One job in the list: state, title, when, and a link that opens it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        work.badge(job)
        st.markdown(job.title, width="stretch")
        st.caption(f"{job.owner} · {words.ago(job.created_at)}", width="content")
        st.page_link(
            "views/jobs.py", label="Open", query_params=url.same_page(job=job.id), help=f"Job {job.id}"
        )
    if job.state == "running" and job.id != url.get("job"):
        st.progress(work.share(job), text=work.pace(job))


@st.fragment(run_every=2, key="jobs")
def everything() -> None:
    """The list, live; the running ones with their bars."""
    with page.sentences():
        jobs = work.client().jobs()
        if not jobs:
            st.caption("No job has been queued in this store yet.")
            return
        if any(not job.ended for job in jobs):
            work.nobody()
        with st.container(gap="xsmall"):
            for job in jobs[:SHOWN]:
                row(job)
        if len(jobs) > SHOWN:
            st.caption(
                f"and {words.count(len(jobs) - SHOWN, 'older job')}; `ganatomy jobs list` names them all"
            )


@st.fragment(run_every=2, key="job")
def one(job_id: str) -> None:
    """One job: how far it is, what it asked for, its log, and what can be done about it."""
    with page.sentences():
        job = work.client().job(job_id)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(job.title, anchor=False, width="content")
            work.badge(job)
        if not job.ended:
            st.progress(work.share(job), text=work.pace(job))
        if job.error:
            st.error(job.error, icon=":material/error:")
        if job.published and job.run_id:
            results(job.run_id)
        deeds(job)
        facts(job)


def deeds(job: JobView) -> None:
    """Cancel, retry, clone, close."""
    with st.container(horizontal=True):
        if not job.ended and st.button("Cancel", icon=":material/stop:"):
            work.client().cancel(job.id)
            st.rerun()
        if job.state in ("failed", "cancelled") and st.button("Retry", icon=":material/replay:"):
            st.toast(work.client().retry(job.id).message)
            st.rerun()
        # Links, not buttons: the address that a timed fragment's button writes can be lost to the next tick.
        same = url.same_page(**form.parameters(job.request))
        copy = ":material/content_copy:"
        st.page_link("views/jobs.py", label="Clone with changes", icon=copy, query_params=same)
        st.page_link("views/jobs.py", label="Close", icon=":material/close:", query_params=url.same_page())


def facts(job: JobView) -> None:
    """Where it runs, the command that repeats it, its log."""
    where = [job.worker, job.device, f"{job.memory_bytes / 1e9:.1f} GB" if job.memory_bytes else None]
    told = [
        part
        for part in (f"job {job.id}", *where, f"asked by {job.owner}, {words.ago(job.created_at)}")
        if part
    ]
    st.caption(" · ".join(told))
    st.caption("The same from the command line")
    st.code(job.command, language="bash")
    st.caption("Log")
    log = work.client().log(job.id)
    st.code(log or "nothing yet", language=None, height=260 if log.count("\n") > 10 else "content")


with page.frame("Jobs", "Queue a dissection, watch it, read its log; finished ones lead to their results."):
    with (
        st.expander("Queue a dissection", icon=":material/add:", expanded=not url.get("job")),
        page.sentences(),
    ):
        ask()
    if url.get("job"):
        with st.container(border=True, key="job"):
            one(url.get("job"))
    st.subheader("All jobs", anchor=False)
    everything()
