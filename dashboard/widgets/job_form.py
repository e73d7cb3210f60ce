"""The form that queues a job: its kind, options, time, cost, and the images that its intervals need."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.artifacts.reference_names import WORLDS
from analysis.shared.errors import GanatomyError
from dashboard.widgets import form, job_time, jobs, page, times, url, words
from jobs.kinds.base import Kind, Request
from jobs.kinds.requests import KINDS, parse
from jobs.system.live import JsonObject

WIDTHS = (0.02, 0.05, 0.1, 0.2)
WIDTH_HELP = (
    "The width that the median 95 % interval of the named units should have. The number of images is "
    "estimated from the newest run of the same generator and segmenter, even an unfinished one."
)


def names(models: list[JsonObject]) -> dict[str, list[str]]:
    """What can be chosen: generators, segmenters, layers, concepts, references; also those in the address."""
    offered = {role: [m["name"] for m in models if m["role"] == role] for role in ("generator", "segmenter")}
    for role, known in offered.items():
        known += [url.get(role)] if url.get(role) and url.get(role) not in known else []
    chosen = url.get("generator", next(iter(offered["generator"]), ""))
    generator = next((m for m in models if m["name"] == chosen), {})
    sees = url.get("segmenter") or generator.get("default_segmenter")
    concepts = [c["name"] for m in models if m["name"] == sees for c in m["concepts"]]
    concepts += [url.get("concept")] if url.get("concept") and url.get("concept") not in concepts else []
    return offered | {
        "layer": [layer["name"] for layer in generator.get("layers", ())],
        "concept": concepts,
        "reference": references(offered["generator"]),
    }


def references(generators: Sequence[str]) -> list[str]:
    """What pictures can be compared with: drawn worlds, the store's folders of pictures, generators."""
    folder = page.layout().references
    folders = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    found = [*(f"drawn:{world}" for world in WORLDS), *(f"folder:{name}" for name in folders)]
    found += [f"generator:{name}" for name in generators]
    return found + [url.get("reference")] * (url.get("reference") not in ("", *found))


def choose_kind() -> Kind:
    """Draw the choice of a kind, and a sentence about it."""
    name = url.choice(
        st.segmented_control,
        "What",
        "kind",
        list(KINDS),
        required=True,
        format_func=lambda name: KINDS[name].title,
    )
    st.caption(KINDS[name].about)
    return KINDS[name]


def ask() -> None:
    """Draw the form, the button, and the estimated cost."""
    offered = names(jobs.client().models())
    if not offered["generator"]:
        st.info(
            "This store has no generator. Add one with `ganatomy models add`.", icon=":material/lightbulb:"
        )
        return
    kind = choose_kind()
    wrong = form.problems(kind)
    folded = {each.name for each in kind.parameters().values() if each.option.advanced}
    fields, more = st.container(), fold(bool(folded & set(wrong)))
    with fields:
        filled = form.values(kind, offered, more, wrong)
    others = [name for name in offered["generator"] if name != filled.get("generator")]
    with more:
        chosen = job_time.ask(others if kind.series else [])
    if wrong:
        button(chosen, disabled=True)
        st.caption("Correct what is marked in red, then queue the job.")
        return
    request = parse(kind.command, filled)
    act(request, chosen)
    if kind.intervals:
        images(request)


def fold(wrong: bool) -> DeltaGenerator:
    """The folded part of the form: open when something in it is wrong, or the address chooses a time."""
    opened = wrong or url.get("when", "now") != "now" or bool(url.get("then"))
    return st.expander("More: when, priority, owner", icon=":material/tune:", expanded=opened)


def button(chosen: job_time.Timing, disabled: bool) -> bool:
    """Draw the button of the form."""
    label = "Schedule" if chosen.cron else "Queue"
    return st.button(label, icon=":material/play_arrow:", type="primary", disabled=disabled)


def act(request: Request, chosen: job_time.Timing) -> None:
    """Draw the button, the cost, and a sentence about when the job runs; or why it cannot run."""
    impossible = refusal(request)
    with st.container(horizontal=True, vertical_alignment="center"):
        if button(chosen, disabled=impossible is not None):
            schedule(request, chosen) if chosen.cron else queue(request, chosen)
        cost(request)
    if impossible is not None:
        page.say(impossible)
    if sentence := job_time.sentence(chosen):
        st.caption(sentence)


def refusal(request: Request) -> GanatomyError | None:
    """Why the job would fail, where that is known before it is queued."""
    try:
        request.with_defaults(page.layout())
    except GanatomyError as error:
        return error
    return None


def cost(request: Request) -> None:
    """Draw the estimated time and disk space of the job."""
    estimate = jobs.client().estimate(request)
    parts = [words.count(estimate.images, "image")]
    if estimate.seconds is not None:
        parts.append(f"about {words.seconds(estimate.seconds)}")
    if estimate.disk_bytes is not None:
        parts.append(f"{estimate.disk_bytes / 1e6:,.0f} MB")
    basis = words.plain(estimate.basis)
    st.caption(f"{', '.join(parts)} ({basis})" if parts else basis)


def images(request: Request) -> None:
    """Draw how many images the intervals need for a width, and a button that enters the number."""
    with st.container(horizontal=True, vertical_alignment="center", key="how-many"):
        width = url.choice(
            st.selectbox, "Interval width wanted", "width", WIDTHS, 0.05, help=WIDTH_HELP, width=220
        )
        needed = jobs.client().images_for(request, width)
        if needed is None:
            st.caption(
                "The number of images can be estimated after a first run of these models. 200 images are "
                "enough for that."
            )
            return
        st.caption(
            f"about {words.count(needed.images, 'image')} for intervals under {width:g}, from run "
            f"{words.plain(needed.run_id)} ({words.count(needed.run_images, 'image')})"
        )
        fill = min(max(needed.images, 1), request.parameters()["images"].high)
        if fill != request.given()["images"]:
            st.button(f"Ask for {fill:,}", icon=":material/edit:", on_click=lambda: url.put(images=fill))


def queue(request: Request, chosen: job_time.Timing) -> None:
    """Submit the request, report the outcome, and show the job; further generators wait behind it."""
    own = {"layers": None} | ({} if url.get("segmenter") else {"segmenter": None})
    later = [request.replace(**own, generator=name) for name in chosen.then]
    with jobs.writing() as client:
        first, *others = client.pipeline([request, *later], chosen.when)
    for submission in (first, *others):
        st.toast(
            words.sentence(submission.message),
            icon=":material/info:" if submission.already else ":material/check:",
        )
    url.put(job=first.job_id)
    if first.job_id is None and first.run_id:
        st.success(words.sentence(first.message), icon=":material/check:")
        jobs.results(request.kind.command, first.run_id)


def schedule(request: Request, chosen: job_time.Timing) -> None:
    """Create a schedule, and show when it first queues a job."""
    with jobs.writing() as client:
        view = client.schedule(chosen.name, request, chosen.cron, chosen.when)
    assert view.next_at is not None
    st.toast(f"{words.plain(view.name)}: first on {times.long_form(view.next_at)}.", icon=":material/check:")
