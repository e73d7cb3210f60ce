"""One model: everything that is known of it, and what can be changed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import streamlit as st

from analysis.models import generators, vocabularies
from analysis.models.catalogue import ModelInfo
from analysis.models.inputs import Inputs
from analysis.models.weights import Added, Planted
from dashboard.models import addition, facts, progress, source
from dashboard.models import shelf as cards
from dashboard.team import people
from dashboard.widgets import jobs, page, url, words
from jobs.kinds import catalogue
from jobs.models import changes, references, removal, shelf, trials
from jobs.models.shelf import Shelved

RUNS = 8  # that are linked


def draw(role: str, name: str, runs: cards.Runs) -> None:
    """Draw a model; of one that is damaged, what is wrong and how to remove it."""
    broken = {(of, each): sentence for of, each, sentence in shelf.damaged(page.layout())}
    if (role, name) in broken:
        heading(name)
        st.error(words.plain(broken[role, name]), icon=":material/broken_image:")
        if not page.read_only():
            remove(role, name, runs.get((role, name), []))
        return
    model = shelf.one(page.layout(), role, name)
    own = runs.get((role, name), [])
    heading(model.info.title)
    with st.container(horizontal=True, gap="xsmall"):
        cards.badges(model)
    known(model)
    with st.container(horizontal=True):
        cards.links(model, own)
    if not model.here:
        cards.fetch(model, "details")
    linked(own)
    if model.own and not page.read_only():
        manage(model, own)


def heading(title: str) -> None:
    """Draw a title, and a button that closes the model."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(words.plain(title), anchor=False, width="content")
        url.turn("Close", "close-model", ":material/close:")


def known(model: Shelved) -> None:
    """Draw samples, facts, layers, concepts and notes."""
    info = model.info
    left, right = st.columns([2, 3], gap="medium")
    with right:
        st.caption(cards.summary(model))
        st.caption(words.plain(f"source: {info.source}"))
        if info.default_segmenter:
            st.caption(words.plain(f"default segmenter: {info.default_segmenter}"))
        if info.inputs or info.takes:
            takes = f"A run may choose {', '.join(info.takes)}." if info.takes else ""
            st.caption(words.plain(f"{takes} {f'Default: {info.inputs}.' if info.inputs else ''}".strip()))
        if not isinstance(info.weights, Planted):
            st.caption(f"SHA-256 of the weights: {weights_hash(info)}")
        if info.layers:
            facts.table(info.layers)
    with left:
        if info.role == "generator":
            samples(model)
        else:
            facts.legend(legend(info))
    facts.notes(info.notes)


def weights_hash(info: ModelInfo) -> str:
    """The SHA-256 of a model's weights; of several files, the SHA-256 of theirs."""
    return str(getattr(info.weights, "sha256", catalogue.weights_key(info)))


def legend(info: ModelInfo) -> list[dict[str, str]]:
    """The rows of a segmenter's legend."""
    count = len(info.concepts)
    colours = next((each.colours for each in known_vocabularies(info)), ())
    if len(colours) != count:
        colours = tuple(vocabularies.colour(number) for number in range(count))
    return addition.vocabulary(
        {
            "concepts": [concept.name for concept in info.concepts],
            "categories": [concept.category for concept in info.concepts],
            "colours": list(colours),
        }
    )


def known_vocabularies(info: ModelInfo) -> list[vocabularies.Vocabulary]:
    """The vocabularies with a segmenter's concepts: its own, then those that come along."""
    own = info.config.get("vocabulary")
    found = [vocabularies.parse(own, "its vocabulary")] if own else []
    found += [vocabularies.named(name) for name in vocabularies.names()]
    return [each for each in found if each.concepts == info.concepts]


def samples(model: Shelved) -> None:
    """Draw the sheet of a generator's first images; made now if there is none."""
    info = model.info
    kept = shelf.sheet(page.layout(), info)
    picture = kept.read_bytes() if kept is not None else None
    if picture is None and model.here and not page.read_only():
        asked = {"name": info.name, "weights": weights_hash(info)}
        done = progress.followed(trials.ask(page.layout(), "samples", asked), "samples")
        picture = done.picture("sheet") if done is not None else None
    if picture is not None:
        st.image(picture, width="stretch", alt=f"Samples of {info.name}")
        st.caption("The first images of seed 1")


def linked(runs: cards.Named) -> None:
    """Draw links to the dissections of a model, and say how many other runs name it."""
    if not runs:
        st.caption("No run of this store is about it yet.")
        return
    st.caption(f"In this store: {references.in_words([kind for _run, kind in runs])}")
    with st.container(horizontal=True):
        for run in cards.dissections(runs)[:RUNS]:
            st.page_link("views/units.py", label=words.plain(run), query_params={"run": run})


def manage(model: Shelved, runs: cards.Named) -> None:
    """Draw what can be changed of a model that was added."""
    info = model.info
    if why := people.refusal("change", info.role, changes.owner(page.layout(), info.role, info.name)):
        st.caption(words.plain(why))
        return
    with st.expander("Change what is said of it", icon=":material/edit:"):
        change(info)
    if isinstance(info.weights, Added):  # a plug-in's weights are its package's
        opened = bool(url.get("replace"))
        with (
            st.expander("Replace its weights", icon=":material/swap_horiz:", expanded=opened),
            page.sentences(),
        ):
            replace(info)
    with st.expander("Rename or remove", icon=":material/delete:"):
        rename(info)
        remove(info.role, info.name, runs)


def change(info: ModelInfo) -> None:
    """Draw the fields of a model, and a button that saves them."""
    of = f"{info.role}-{info.name}"
    with st.form(f"change-{of}", border=False):
        with st.grid(min_column_width=240):
            values: dict[str, str | None] = {
                "title": st.text_input("Title", info.title, key=f"title-{of}"),
                "licence": st.text_input("Licence", info.licence, key=f"licence-{of}"),
                "source": st.text_input("Source", info.source, key=f"source-{of}"),
            }
            if info.role == "generator":
                values["trained_on"] = st.text_input("Data set", info.trained_on, key=f"data-{of}")
                if info.takes:
                    values["inputs"] = st.text_input(
                        "Default inputs",
                        info.inputs,
                        key=f"inputs-{of}",
                        placeholder="truncation=0.7 class=207",
                        help=f"Of a run that chooses none: {', '.join(info.takes)}.",
                    ).strip()
                known = ["", *shelf.names(page.layout(), "segmenter")]
                own = info.default_segmenter or ""
                known += [own] if own not in known else []
                values["default_segmenter"] = (
                    st.selectbox(
                        "Default segmenter",
                        known,
                        known.index(own),
                        key=f"sees-{of}",
                        format_func=lambda name: name or "chosen for each job",
                    )
                    or None
                )
        if st.form_submit_button("Save", icon=":material/save:"):
            values["title"] = values["title"] or info.name
            with page.sentences(), jobs.writing():
                if values.get("inputs"):
                    generators.given_inputs(info, Inputs.parse(values["inputs"] or ""))
                changes.change(page.layout(), info.role, info.name, people.person(), **values)
                st.toast(f"{info.name} is saved.", icon=":material/check:")
                st.rerun()


def replace(info: ModelInfo) -> None:
    """Draw the choice of a file, and a button that puts its weights in the place of the model's."""
    st.caption(
        "The new weights are loaded and drawn first. Runs of the old weights stay; a new dissection is a new "
        "run."
    )
    if task := url.get("task"):
        trial = trials.look(page.layout(), task)
        if trial is None:
            return
        if progress.followed(trial, "task") is not None:
            st.success(
                f"{info.name} has new weights. The old ones are kept under 'Removed lately'.",
                icon=":material/check:",
            )
        elif trial.state == "failed":
            url.turn(
                "Back to the file", "back-to-weights", ":material/arrow_back:", **url.everything(task=None)
            )
        return
    if not url.get("replace"):
        url.turn("Choose a file", "choose-weights", ":material/draft:", **url.everything(replace="1"))
        return
    chosen = source.choose(info.role)
    if not chosen:
        return
    noted = str(changes.settings(page.layout(), info.role, info.name).get("key", ""))
    key = url.text(
        st.text_input,
        "Key",
        "key",
        default=noted,
        placeholder="found in the file",
        help="The state dict to take, where the file holds several.",
    )
    if st.button("Replace", icon=":material/swap_horiz:", key="replace"):
        asked = {**chosen, "key": key or None, "family": info.family, "answers": answers(info)}
        with jobs.writing():
            asked |= {"role": info.role, "name": info.name, "person": asdict(people.person())}
            begun = trials.ask(page.layout(), "replace", asked, again=True)
        url.put(task=begun.id)
        st.rerun()


def answers(info: ModelInfo) -> dict[str, str]:
    """What was answered when a model was added."""
    return {name: value for name, value in info.config.items() if isinstance(value, str)}


def rename(info: ModelInfo) -> None:
    """Draw a field for another name, and a button."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        new = st.text_input("Name", info.name, key=f"rename-{info.role}-{info.name}", width=320)
        pressed = st.button("Rename", icon=":material/edit:", key="rename", disabled=new == info.name)
    found = references.referring(jobs.client(), info.role, info.name, renamed=True)
    left = f" Still naming it: {', '.join(found)}." if found else ""
    follow = " Generators whose default it is follow it." if info.role == "segmenter" else ""
    st.caption(words.plain(f"Runs keep the name under which they were made.{follow}{left}"))
    if pressed:
        with page.sentences(), jobs.writing():
            changes.rename(page.layout(), info.role, info.name, new, people.person())
            st.toast(f"{info.name} is now {new}.", icon=":material/check:")
            url.put(model=new)
            st.rerun()


def remove(role: str, name: str, runs: cards.Named) -> None:
    """Draw the button that removes a model, with what still refers to it."""
    with st.popover("Remove", icon=":material/delete:"), page.sentences():
        st.markdown(f"Remove the {role} **{words.plain(name)}**?")
        if runs:
            said = references.in_words([kind for _run, kind in runs])
            st.caption(f"Runs that name it: {said}. They stay, but can no longer be rendered.")
        if found := references.referring(jobs.client(), role, name):
            st.warning(words.plain(f"Still naming it: {', '.join(found)}."), icon=":material/link:")
        st.caption("It can be restored for a week.")
        if st.button("Remove it", icon=":material/delete:", key="remove"):
            with jobs.writing():
                removal.remove(page.layout(), role, name, people.person())
            st.toast(f"{name} is removed.", icon=":material/delete:")
            url.go()
            st.rerun()


def removed() -> None:
    """Draw what was removed lately, with buttons that restore it."""
    found = removal.removed(page.layout())
    if not found or page.read_only():
        return
    with st.expander(f"Removed lately: {len(found)}", icon=":material/restore_from_trash:"):
        for each in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                when = words.ago(datetime.fromtimestamp(each.at, UTC).replace(tzinfo=None))
                st.markdown(f"{words.plain(each.name)} ({each.role}, {when})", width="content")
                key = f"restore-{each.role}-{each.folder.name}"
                if st.button("Restore", key=key, icon=":material/undo:"):
                    with page.sentences(), jobs.writing():
                        removal.restore(page.layout(), each.role, each.name, people.person(), each.folder)
                        st.rerun()
