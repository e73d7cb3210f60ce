"""Ablate: images before and after an edit of units, and where they differ."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.widgets import causal_edits, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, only
from db.queries import concepts, runs

MOST = 64  # units offered by the slider
COUNTED = 4  # images in which the concept is counted


@dataclass(frozen=True)
class Choice:
    """An edit, the concept that its units are chosen by, and how to switch off other units likewise."""

    edit: Edit = field(default_factory=Edit)
    units: tuple[int, ...] = ()  # of one layer, switched off; empty for an edit that was typed
    concept: str | None = None
    off: Callable[[list[int]], Edit] | None = None


def concept_of(run: pickers.Run, layer: str) -> str | None:
    """Draw the choice of a concept among those that the layer was held against."""
    known = runs.layer_concepts(run.snapshot, run.id, layer)["concept"].tolist()
    if not known:
        st.info(
            f"No concept was scored for the units of {words.plain(layer)}. Choose another layer.",
            icon=":material/help:",
        )
        return None
    wanted = url.get("concept")
    if wanted and wanted not in known:
        st.error(
            f"The units of {words.plain(layer)} were not held against {words.plain(wanted)}. "
            f"Choose {words.plain(', '.join(known))}.",
            icon=":material/error:",
        )
        return None
    return url.choice(st.selectbox, "Concept", "concept", known, width=220, reset=("n", "from"))


def by_concept(run: pickers.Run, layer: str, count: int, concept: str) -> Choice:
    """Switch off the first units of a ranking for a concept: the learned causes, else the best IoU."""
    causes = only(concepts.causes(run.snapshot, run.id, concept), layer=layer)
    ranking = "iou"
    if causes is not None:
        ranking = url.choice(
            st.segmented_control,
            "Units by",
            "ranking",
            ["causes", "iou"],
            required=True,
            reset=("n",),
            format_func={"causes": "Learned causes", "iou": "IoU"}.__getitem__,
            help="The causes are learned together, to remove the concept with few units.",
        )
    most = min(MOST, count)
    default = int(causes["top_units"]) if causes and ranking == "causes" else max(1, min(16, count // 8))
    told = "Units are ranked on images that are not shown below."
    n = url.whole(st.slider, "Best units", "n", 1, most, min(default, most), width=320, help=told)
    if causes is not None and ranking == "causes":
        table, kind = causal_edits.ranked(run.snapshot, str(causes["run_id"]))
        first = table.head(n)
        listed = ", ".join(f"{u} ({a:.2f})" for u, a in zip(first["unit"], first["alpha"], strict=True))
        st.caption(f"Units, with their alpha: {listed}")

        def off(units: list[int]) -> Edit:
            return causal_edits.ablation(layer, table[table["unit"].isin(units)], kind)

        return switched_off(first["unit"].tolist(), off, concept)
    best = runs.best_units(run.snapshot, run.id, layer, concept, n)
    listed = ", ".join(f"{u} ({words.score(i)})" for u, i in zip(best["unit"], best["iou"], strict=True))
    st.caption(f"Units, with their IoU with {words.plain(concept)}: {listed}")
    return switched_off(best["unit"].tolist(), partial(Edit.ablate, layer), concept)


def switched_off(units: list[int], off: Callable[[list[int]], Edit], concept: str | None = None) -> Choice:
    """The choice to switch these units off; of none, no edit."""
    return Choice(off(units), tuple(units), concept, off) if units else Choice(concept=concept)


def by_number(count: int) -> list[int]:
    """The units of the layer whose numbers were typed."""
    typed = url.text(st.text_input, "Unit numbers", "units", placeholder="e.g. 4, 17, 31 or 0-7", width=420)
    units = page.numbers(typed)
    if wrong := [u for u in units if u >= count]:
        st.warning(
            f"This layer has units 0 to {count - 1}; {wrong[0]} is passed over.", icon=":material/help:"
        )
    return [u for u in units if u < count]


def latents(run: pickers.Run, concept: str | None) -> tuple[int, list[int], bool]:
    """Seed and numbers of the latents to render, and whether to show random units too."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        images = url.choice(st.segmented_control, "Images", "images", [4, 8, 16], required=True)
        source = "number"
        if concept is not None:
            source = url.choice(
                st.segmented_control,
                "Which images",
                "from",
                ["concept", "number"],
                default="number" if url.get("first") else "concept",
                required=True,
                format_func={
                    "concept": f"That show {words.plain(concept)}",
                    "number": "From a latent on",
                }.__getitem__,
                help="Images that show the concept are those in which its detectors are most active.",
            )
        shown = concepts.images(run.snapshot, run.id, concept, images) if concept else []
        seed = int(run.row["seed"])
        if source == "number" or not shown:
            seed = url.whole(st.number_input, "Seed", "seed", 0, 2**31, seed, width=130)
            first = url.whole(
                st.number_input,
                "First latent",
                "first",
                0,
                10**9,
                int(run.row["evaluation_start"]),
                width=150,
                help="The seed and the number of a latent determine its image. The default is the run's "
                "first.",
            )
            shown = list(range(first, first + images))
        else:
            url.put(first=None, seed=None)
        random = (
            "Ablates as many random units of the layer. What they remove too is not due to the chosen units."
        )
        control = url.choice(
            st.segmented_control, "Beside random units", "control", ["no", "yes"], required=True, help=random
        )
    return seed, shown, control == "yes"


def ask(
    run: pickers.Run, edit: Edit, control: Edit | None, seed: int, numbers: list[int]
) -> renders.Pictures:
    """The pictures of the edit and of the control, from the render process."""
    with st.skeleton(height=320):
        other = renders.made(run.row, control, seed, numbers) if control else None
        return renders.Pictures(numbers, renders.made(run.row, edit, seed, numbers), other)


def counted(run: pickers.Run, edit: Edit, seed: int, numbers: list[int], concept: str) -> None:
    """Draw how much of the images the concept covers before and after, as the run's segmenter sees it."""
    first = numbers[:COUNTED]
    with page.sentences(), st.skeleton(height=24):
        seen = [renders.measured(run.row, edit, seed, number) for number in first]
        if not seen or any(concept not in each.before for each in seen):
            return
        before, after = (
            sum(each[concept][0] for each in side) / len(seen)
            for side in ([each.before for each in seen], [each.after for each in seen])
        )
    images = (
        f"the {words.count(len(first), 'image')} below"
        if len(first) == len(numbers)
        else (f"the first {words.count(len(first), 'image')} below")
    )
    st.markdown(
        f"**{words.plain(concept).capitalize()} covers {words.share(before, 1)} of {images} before and "
        f"{words.share(after, 1)} after.** This was seen in these images alone; Causes has intervals and "
        "random units."
    )


def at_random(chosen: Choice, count: int, seed: int) -> Edit | None:
    """As many other units of the layer, switched off likewise; None when the layer has too few."""
    others = sorted(set(range(count)) - set(chosen.units))
    if chosen.off is None or len(others) < len(chosen.units):
        return None
    random = np.random.default_rng(seed).choice(others, len(chosen.units), replace=False)
    return chosen.off(random.tolist())


def by_edit() -> Edit:
    """The edit that was typed, or that is in the address."""
    hint = "ablate layer3 4,17,31"
    typed = url.text(st.text_input, "Edit", "edit", placeholder=hint, width=640, help=words.HELP["edit"])
    return Edit.parse(typed)


def how() -> str:
    """How the units are chosen: by concept, by number, or with an edit."""
    default = "edit" if url.get("edit") else "number" if url.get("units") else "concept"
    return url.choice(
        st.segmented_control,
        "Choose units by",
        "by",
        ["concept", "number", "edit"],
        default=default,
        required=True,
        format_func=str.title,
    )


def choose(run: pickers.Run, layer: Row) -> Choice:
    """Draw the choice of an edit."""
    name, count = str(layer["layer"]), int(layer["units"])
    by = how()
    if by == "edit":
        return Choice(by_edit())
    if by == "number":
        return switched_off(by_number(count), partial(Edit.ablate, name))
    concept = concept_of(run, name)
    return by_concept(run, name, count, concept) if concept else Choice()


ABOUT = "Switch units off, or edit them in another way, and compare the images before and after."

with page.frame("Ablate", ABOUT) as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        layer = pickers.layer(snapshot, run.id) if run else None
    if run and layer is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = choose(run, layer)
        if chosen.edit.steps:
            seed, numbers, beside = latents(run, chosen.concept)
            control = at_random(chosen, int(layer["units"]), seed) if beside else None
            said = st.container()
            renders.show(ask(run, chosen.edit, control, seed, numbers), "ablation.png", pinned_to=run.id)
            if chosen.concept is not None:
                with said:
                    counted(run, chosen.edit, seed, numbers, chosen.concept)
            renders.edit_text(chosen.edit)
        else:
            st.info("Choose units to switch off.", icon=":material/content_cut:")
