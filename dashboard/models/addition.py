"""Adding a model on one page: choose a file, see what was recognised, try it, name it, add it.

The address holds every choice. Files are read by processes of their own, see `jobs.models.trials`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from analysis.models import generators, segmenters, vocabularies
from analysis.models.catalogue import NAME
from analysis.models.files.inspection import Inspection
from analysis.models.layer import Layer
from dashboard.models import choices, facts, progress, source
from dashboard.models import shelf as cards
from dashboard.team import people
from dashboard.widgets import jobs, page, url, words
from jobs.models import shelf, trials
from jobs.system.live import JsonObject

PLUGINS = (
    "Plug-ins are added on the command line, because they are code: pages and watched folders never add one."
)
OFFERED = {"generator": generators.FAMILIES, "segmenter": segmenters.FAMILIES}
FOR_TESTS = ("planted", "planted-scenes", "scene-colours")


def ask() -> None:
    """Draw two buttons, or the addition that the address is about."""
    role = url.get("add")
    if role not in OFFERED:
        with st.container(horizontal=True):
            url.turn("Add a generator", "add-generator", ":material/add:", add="generator")
            url.turn("Add a segmenter", "add-segmenter", ":material/add:", add="segmenter")
        return
    with st.container(border=True, key="addition"), page.sentences():
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header(f"Add a {role}", anchor=False, width="content")
            url.turn("Close", "close-addition", ":material/close:")
        if url.get("task"):
            added(role, url.get("task"))
        else:
            steps(role)


def steps(role: str) -> None:
    """Draw the steps as far as they can be taken."""
    st.caption(PLUGINS)
    chosen = source.choose(role)
    if chosen is None:
        return
    asked = request(chosen)
    about = generator(asked) if role == "generator" else segmenter(asked)
    if about is not None:
        st.markdown("**Add it to this store**")
        name_it(role, {**asked, "answers": about})


def request(chosen: dict[str, str]) -> JsonObject:
    """The file of the address and what was said of it; draws the two questions that are rarely needed."""
    known = [""] + [name for name in OFFERED[url.get("add")] if name not in FOR_TESTS]
    opened = any(url.get(name) for name in ("key", "family", "memory", "vocabulary"))
    expander = st.expander("More: key, family, memory", icon=":material/tune:", expanded=opened)
    with expander, st.grid(min_column_width=220):
        key = url.text(
            st.text_input,
            "Key",
            "key",
            placeholder="found in the file",
            help="The state dict to take, where a file holds several.",
            reset=choices.named(),
        )
        family = url.choice(
            st.selectbox,
            "Family",
            "family",
            known,
            reset=choices.named(),
            format_func=lambda name: name or "recognised from the file",
        )
        vocabulary = ""
        if url.get("add") == "segmenter":
            vocabulary = url.choice(
                st.selectbox,
                "Vocabulary",
                "vocabulary",
                ["", *vocabularies.names()],
                reset=choices.named(),
                format_func=lambda name: name or "the segmenter's own",
                help="Names and colours of its classes, where its file has none.",
            )
        memory = url.choice(
            st.selectbox,
            "Memory",
            "memory",
            ["", 4, 8, 16, 32, 64],
            format_func=lambda gb: f"{gb} GB" if gb else "by the file's size",
            help="The most that the process may take that reads the file.",
        )
    asked = {**chosen, "key": key or None, "family": family or None, "answers": choices.answers()}
    more = {"memory_gb": memory, "vocabulary": vocabulary}
    return asked | {name: value for name, value in more.items() if value}


def keys(trial: trials.Trial) -> bool:
    """Draw a choice of the state dicts that a refusal lists; whether it does."""
    listed = re.search(r"name one with key: ([^;]+?)(?: \.\.\.)?\.?$", trial.error)
    if trial.state == "failed" and listed:
        kept = {name: value for name, value in url.everything().items() if name not in choices.named()}
        st.selectbox(
            "State dict",
            listed[1].split(", "),
            None,
            key="state-dict",
            placeholder="choose one",
            on_change=lambda: url.go(**{**kept, "key": st.session_state["state-dict"]}),
        )
    return bool(listed)


def generator(asked: JsonObject) -> dict[str, str] | None:
    """Draw what was recognised in a generator's file, and a trial of it; the answers to its questions."""
    trial = trials.ask(page.layout(), "inspect", asked)
    done = progress.followed(trial, "inspect", again=not keys(trial))
    if done is None:
        return None
    found = Inspection.of_json(done.answer, done.picture("sheet") or b"")
    st.markdown(f"**What was recognised: {words.plain(found.title)}**")
    left, right = st.columns([2, 3], gap="medium")
    with left:
        if found.sheet:
            st.image(found.sheet, width="stretch", alt="Samples of this generator, one per latent")
            st.caption(
                f"Samples of seed 1, about {pace(found.seconds_per_image)} per image on this machine's CPU"
            )
    with right:
        st.caption(recognised(found))
        answers = choices.ask(found.choices, found.answers)
        if found.takes or url.get("inputs"):
            url.text(
                st.text_input,
                "Default inputs",
                "inputs",
                placeholder="truncation=0.7 class=207",
                help=f"Of a run that chooses none: {', '.join(found.takes) or 'it takes none'}.",
            )
        facts.table(found.layers)
    facts.notes(found.notes)
    smoke_of_generator({**asked, "answers": answers}, found.layers)
    return answers


def pace(seconds: float) -> str:
    """A time that may be short, in ms below a second."""
    return words.seconds(seconds) if seconds >= 1 else f"{max(1.0, 1000 * seconds):.0f} ms"


def recognised(found: Inspection) -> str:
    """What a generator's file says, in a line."""
    latent = "x".join(map(str, found.latent_shape))
    parts = [
        found.format,
        f"family {found.family}",
        f"key {found.key}" if found.key else "",
        f"{facts.size(*found.image_size)} pixels",
        f"latent {latent}",
        f"{found.classes:,} classes" if found.classes else "",
        f"{found.parameters:,} parameters",
        f"a run may choose: {', '.join(found.takes)}" if found.takes else "",
    ]
    return words.plain(" · ".join(part for part in parts if part))


def smoke_of_generator(asked: JsonObject, layers: Sequence[Layer]) -> None:
    """Draw the choice of a segmenter, and how it sees this generator."""
    known = shelf.names(page.layout(), "segmenter")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = url.choice(
            st.selectbox,
            "Default segmenter",
            "sees",
            ["", *known],
            width=320,
            format_func=lambda name: name or "chosen for each job",
            help="Names the pixels of its images when a dissection names no other.",
        )
    if chosen:
        model = shelf.one(page.layout(), "segmenter", chosen)
        if not model.here:
            st.caption(f"The weights of {chosen} are not here yet.")
            cards.fetch(model, "addition")
            return
        smoke({"generator": asked, "segmenter": {"name": chosen}})


def segmenter(asked: JsonObject) -> dict[str, str] | None:
    """Draw what was recognised in a segmenter's file, and a trial of it; the answers to its questions."""
    trial = trials.ask(page.layout(), "segmenter", asked)
    several = keys(trial)
    found = trial.answer
    if found.get("title"):
        st.markdown(f"**What was recognised: {words.plain(found['title'])}**")
    done = progress.followed(trial, "inspect", again=not several)
    answers = asked["answers"]
    if found.get("choices"):
        with st.grid(min_column_width=220):
            answers = choices.ask([choices.Choice(**each) for each in found["choices"]], found["answers"])
    if done is None:
        return None
    st.caption(words.plain(f"family {found['family']} · {words.count(len(found['concepts']), 'concept')}"))
    facts.legend(vocabulary(found))
    facts.notes(found["notes"])
    here = [name for name in shelf.names(page.layout(), "generator") if is_here(name)]
    if here:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            on = url.choice(st.selectbox, "Check it on images of", "on", here, width=320)
        smoke({"generator": {"name": on}, "segmenter": {**asked, "answers": answers}})
    return answers


def is_here(name: str) -> bool:
    """Whether a generator can be loaded."""
    return shelf.one(page.layout(), "generator", name).here


def vocabulary(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of a legend of all concepts; a category is said where there are several."""
    several = len(set(found["categories"])) > 1
    return [
        {"name": name, "colour": colour, "note": f" ({category})" if several else ""}
        for name, colour, category in zip(
            found["concepts"], found["colours"], found["categories"], strict=True
        )
    ]


def smoke(request: JsonObject) -> None:
    """Draw a button that tries a pair of models on a few images, or what came of it."""
    trial = trials.look(page.layout(), trials.identify(page.layout(), "smoke", request))
    if trial is None:
        if st.button("Try it: label 16 images and dissect 8", key="smoke", icon=":material/science:"):
            trials.ask(page.layout(), "smoke", request)
            st.rerun()
        return
    done = progress.followed(trial, "smoke")
    if done is None:
        return
    answer = done.answer
    picture = done.picture("check")
    if picture:
        st.image(picture, width=920, alt="The first images, and the same with their label maps over them")
    st.caption("The first 16 images, beside the same with their label maps over them. Shares of all pixels:")
    rows = [{**row, "note": f" {row['share']:.1%}"} for row in answer["legend"]]
    facts.legend([*rows, {"name": "nothing", "colour": "transparent", "note": f" {answer['nothing']:.1%}"}])
    for problem in answer["problems"]:
        st.error(words.plain(problem), icon=":material/error:")
    facts.notes(answer["notes"])
    if "seconds" in answer:
        usual, calibration = answer["usual"]
        st.caption(
            f"A dissection of {answer['images']} images in {words.count(answer['layers'], 'layer')} took "
            f"{pace(answer['seconds'])} on this machine's CPU. {usual:,} images, with {calibration:,} for "
            f"calibration, are likely to take about {words.seconds(answer['estimate'])}."
        )


def name_it(role: str, asked: JsonObject) -> None:
    """Draw the fields of a model, and the button that adds it."""
    suggested = free_name(role, str(asked.get("file") or asked.get("hub", "")).partition("@")[0])
    with st.grid(min_column_width=240):
        name = url.text(
            st.text_input,
            "Name",
            "name",
            default=suggested,
            help="Lower-case letters, digits, - and _; part of the names of its runs.",
        )
        about = {
            "title": url.text(st.text_input, "Title", "title", placeholder="what people call it"),
            "licence": url.text(st.text_input, "Licence", "licence", placeholder="not stated"),
            "source": url.text(st.text_input, "Source", "source", placeholder="who made it, where it is"),
        }
        if role == "generator":
            about["trained_on"] = url.text(st.text_input, "Data set", "data", placeholder="trained on")
            about["default_segmenter"] = url.get("sees")
            about["inputs"] = url.get("inputs").strip()
    if st.button("Add", icon=":material/add:", key="add", type="primary"):
        given = {key: value for key, value in about.items() if value}
        if not name or not NAME.fullmatch(name):
            st.error(
                "A name has up to 63 lower-case letters, digits, - and _, and begins with a letter or digit.",
                icon=":material/error:",
            )
            return
        with jobs.writing():
            who = {"person": asdict(people.person())}
            begun = trials.ask(
                page.layout(), "add", {**asked, **given, **who, "role": role, "name": name}, again=True
            )
        url.put(task=begun.id)
        st.rerun()


def free_name(role: str, file: str) -> str:
    """A name made of the file's, that no model has yet."""
    stem = re.sub(r"^[0-9a-f]{8}-", "", file.rpartition("/")[2]).split(".")[0]
    base = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:50] or role
    taken = set(shelf.names(page.layout(), role))
    numbered = (f"{base}-{number}" for number in range(2, 10_000))
    return base if base not in taken else next(name for name in numbered if name not in taken)


def added(role: str, task: str) -> None:
    """Draw how far an addition is, and links to what comes next."""
    trial = trials.look(page.layout(), task)
    if trial is None:
        st.info("This addition is not known any more.", icon=":material/help:")
        return
    done = progress.followed(trial, "task")
    if done is None:
        if trial.state == "failed":
            back = {name: value for name, value in url.everything().items() if name != "task"}
            url.turn("Back to the form", "back", ":material/arrow_back:", **back)
        return
    name = str(done.answer["name"])
    st.success(f"Added the {role} {name}.", icon=":material/check:")
    with st.container(horizontal=True, vertical_alignment="center"):
        page.queue_link(
            "Dissect it" if role == "generator" else "Dissect with it", kind="dissect", **{role: name}
        )
        url.turn("Show it", "show-added", ":material/info:", model=name, of=role)
        url.turn(f"Add another {role}", "another", ":material/add:", add=role)
