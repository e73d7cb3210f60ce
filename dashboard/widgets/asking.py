"""The form that queues a dissection: what, when, what it costs, how many images its intervals need."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.widgets import form, times, timing, url, words, work
from jobs.requests import DissectRequest, parse

MOST = 1_000_000  # images that a request may ask for
WIDTHS = (0.02, 0.05, 0.1, 0.2)
WIDTH_HELP = (
    "The evaluation images at which the median 95 % interval of the named units is as wide as this, as the "
    "newest run of the same generator and segmenter has it; a run that is still going will do."
)


def choices(models: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What the form offers for generator, segmenter and layers, with the models that the address names."""
    offered = {role: [m["name"] for m in models if m["role"] == role] for role in ("generator", "segmenter")}
    for role, names in offered.items():
        names += [url.get(role)] if url.get(role) and url.get(role) not in names else []
    chosen = url.get("generator", next(iter(offered["generator"]), ""))
    layers = [layer["name"] for m in models if m["name"] == chosen for layer in m["layers"]]
    return {"generator": offered["generator"], "segmenter": ["", *offered["segmenter"]], "layers": layers}


def ask() -> None:
    """The form, the button, the cost."""
    offered = choices(work.client().models())
    if not offered["generator"]:
        st.info("No generator is known; add one with `ganatomy models add`.", icon=":material/lightbulb:")
        return
    fields, more = st.container(), opened()
    with fields:
        filled = form.values(DissectRequest, offered, more)
    with more:
        chosen = timing.ask([name for name in offered["generator"] if name != filled.get("generator")])
    request = parse(DissectRequest.KIND, filled)
    assert isinstance(request, DissectRequest)
    act(request, chosen)
    images(request)


def opened() -> DeltaGenerator:
    """The folded part of the form; open when the address says something of it."""
    said = url.get("when", "now") != "now" or bool(url.get("then"))
    return st.expander("More: when, how urgent, for whom", icon=":material/tune:", expanded=said)


def act(request: DissectRequest, chosen: timing.Timing) -> None:
    """The button, the cost, and in a sentence what will happen when."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Schedule" if chosen.cron else "Queue", icon=":material/play_arrow:"):
            schedule(request, chosen) if chosen.cron else queue(request, chosen)
        cost(request)
    if said := timing.sentence(chosen):
        st.caption(said)


def cost(request: DissectRequest) -> None:
    """What the job is likely to take, before it starts."""
    estimate = work.client().estimate(request)
    parts = [words.count(estimate.images, "image")]
    if estimate.seconds is not None:
        parts.append(f"about {words.seconds(estimate.seconds)}")
    if estimate.disk_bytes is not None:
        parts.append(f"{estimate.disk_bytes / 1e6:,.0f} MB")
    st.caption(f"{', '.join(parts)} ({estimate.basis})" if estimate.basis else ", ".join(parts))


def images(request: DissectRequest) -> None:
    """How many images bring the intervals under a width, and a button that asks for as many."""
    with st.container(horizontal=True, vertical_alignment="center", key="how-many"):
        width = url.choice(
            st.selectbox, "Interval width wanted", "width", WIDTHS, 0.05, help=WIDTH_HELP, width=220
        )
        needed = work.client().images_for(request, width)
        if needed is None:
            st.caption(
                "How many images that needs is known after a first run of these models; 200 images will do."
            )
            return
        st.caption(
            f"about {words.count(needed.images, 'image')} for intervals under {width:g}, from run "
            f"{needed.run_id} ({words.count(needed.run_images, 'image')})"
        )
        fill = min(max(needed.images, 1), MOST)
        if fill != request.images:
            st.button(f"Ask for {fill:,}", icon=":material/edit:", on_click=lambda: url.put(images=fill))


def queue(request: DissectRequest, chosen: timing.Timing) -> None:
    """Submit, say what came of it, and show the job; those that follow wait behind it."""
    follow = {"segmenter": None if not url.get("segmenter") else request.segmenter, "layers": None}
    later = [request.model_copy(update={**follow, "generator": name}) for name in chosen.then]
    first, *others = work.client().pipeline([request, *later], chosen.when)
    for submission in (first, *others):
        st.toast(submission.message, icon=":material/info:" if submission.already else ":material/check:")
    url.put(job=first.job_id)
    if first.job_id is None and first.run_id:
        st.success(first.message, icon=":material/check:")
        work.results(first.run_id)


def schedule(request: DissectRequest, chosen: timing.Timing) -> None:
    """Keep a schedule, and say when it comes."""
    view = work.client().schedule(chosen.name, request, chosen.cron, chosen.when)
    assert view.next_at is not None
    st.toast(f"{words.plain(view.name)}: first on {times.said(view.next_at)}.", icon=":material/check:")
