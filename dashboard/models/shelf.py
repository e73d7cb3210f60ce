"""The list of models: a card for each, filtered by role and text."""

from collections.abc import Mapping

import streamlit as st

from dashboard.models import facts, progress
from dashboard.widgets import page, url, words
from jobs.models import shelf, trials
from jobs.models.shelf import Shelved

ROLES = {"": "All", "generator": "Generators", "segmenter": "Segmenters"}
Named = list[tuple[str, str]]  # runs that name a model, id and kind, newest first
Runs = Mapping[tuple[str, str], Named]  # by role and name


def everything(runs: Runs) -> None:
    """Draw the filters and the cards of the models that they let through."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        role = url.choice(
            st.segmented_control,
            "Role",
            "role",
            list(ROLES),
            required=True,
            format_func=lambda name: ROLES[name],
        )
        text = url.text(st.text_input, "Find", "find", placeholder="name, family, data set", width=280)
    listed = shelf.listed(page.layout())
    found = [model for model in listed if role in ("", model.info.role) and matches(model, text)]
    st.caption(f"{words.count(len(found), 'model')} of {len(listed)}")
    damaged(role)
    with st.grid(min_column_width=340):
        for model in found:
            card(model, runs.get((model.info.role, model.info.name), []))


def matches(model: Shelved, text: str) -> bool:
    """Whether every word of a text is in what a card says."""
    info = model.info
    said = (info.name, info.title, info.family, info.trained_on, info.licence, info.source, model.origin)
    return all(word in " ".join(said).lower() for word in text.lower().split())


def damaged(role: str) -> None:
    """Draw a sentence about each model that cannot be described."""
    for of, name, sentence in shelf.damaged(page.layout()):
        if role not in ("", of):
            continue
        with st.container(horizontal=True, vertical_alignment="center", key=f"damaged-{of}-{name}"):
            st.error(words.plain(sentence), icon=":material/broken_image:")
            if not page.read_only():
                url.turn("Open", f"open-damaged-{of}-{name}", model=name, of=of)


def badges(model: Shelved) -> None:
    """Draw a model's role, where it comes from, and whether its weights are here."""
    st.badge(model.info.role, color="violet" if model.info.role == "segmenter" else "blue")
    st.badge(model.origin, color="gray")
    if not model.here:
        st.badge("not here", color="orange", help="The weights have not been fetched yet.")


def card(model: Shelved, runs: Named) -> None:
    """Draw one model."""
    info = model.info
    key = f"{info.role}-{info.name}"
    with st.container(border=True, gap="xsmall", key=f"model-{key}"):
        st.markdown(f"**{words.plain(info.title)}**")
        with st.container(horizontal=True, gap="xsmall"):
            badges(model)
        st.caption(summary(model))
        if (sheet := shelf.sheet(page.layout(), info)) is not None:
            st.image(sheet.read_bytes(), width=240, alt=f"Samples of {info.name}")
        if info.layers:
            st.caption(facts.line(info.layers))
        if info.notes:
            count = words.count(len(info.notes), "note")
            st.caption(f":material/warning: {count}: {words.plain(info.notes[0])}")
        with st.container(horizontal=True, vertical_alignment="center"):
            url.turn("Details", f"details-{key}", ":material/info:", model=info.name, of=info.role)
            links(model, runs)
            if not model.here:
                fetch(model)


def summary(model: Shelved) -> str:
    """Name, family, size of images, concepts, data set and licence in a line."""
    info = model.info
    parts = [info.name, f"family {info.family}"]
    parts += [f"{facts.size(*info.image_size)} pixels"] if info.image_size else []
    parts += [words.count(len(info.concepts), "concept")] if info.concepts else []
    parts += [f"{info.classes:,} classes"] if info.classes else []
    parts += [f"trained on {info.trained_on}"] if info.trained_on else []
    return words.plain(" · ".join([*parts, f"licence: {info.licence}"]))


def links(model: Shelved, runs: Named) -> None:
    """Draw links to a model's dissection and to its newest run."""
    request = {"kind": "dissect", model.info.role: model.info.name}
    page.queue_link("Dissect it" if model.info.role == "generator" else "Dissect with it", **request)
    if own := dissections(runs):
        st.page_link(
            "views/units.py", label="Units", icon=":material/grid_view:", query_params={"run": own[0]}
        )


def dissections(runs: Named) -> list[str]:
    """The ids of the dissections among runs."""
    return [run for run, kind in runs if kind == "dissection"]


def fetch(model: Shelved, place: str = "card") -> None:
    """Draw a button that fetches a model's weights and its segmenter's, or how far that is.

    `place` tells apart what stands on one page: a model's card, its details, and the choice of a segmenter.
    """
    key = f"{place}-{model.info.role}-{model.info.name}"
    own = model.info.default_segmenter
    wanted = [[model.info.role, model.info.name], *([["segmenter", own]] if own else [])]
    request = {"models": wanted}
    begun = trials.look(page.layout(), trials.identify(page.layout(), "fetch", request))
    if begun is not None and begun.state != "done":
        progress.followed(begun, f"fetch-{key}")
    elif not page.read_only() and st.button("Fetch", key=f"fetch-{key}", icon=":material/download:"):
        trials.ask(page.layout(), "fetch", request, again=True)
        st.rerun()
