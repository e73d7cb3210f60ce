"""Ablate: images before and after an edit of units, and where they differ."""

import numpy as np
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.widgets import jobs, page, pickers, renders, url, words
from dashboard.widgets.rows import Row
from db.queries import runs

MOST = 64  # units offered by the slider


def by_concept(run: pickers.Run, layer: str, count: int) -> list[int]:
    """The n units of the layer with the best IoU for a chosen concept."""
    concepts = runs.layer_concepts(run.snapshot, run.id, layer)["concept"].tolist()
    if not concepts:
        st.info(
            f"No concept was scored for the units of {layer}. Choose another layer.", icon=":material/help:"
        )
        return []
    concept = url.choice(st.selectbox, "Concept", "concept", concepts, width=220)
    most = min(MOST, count)
    ranked = "Units are ranked by their IoU on calibration images, not on the images shown below."
    n = url.whole(st.slider, "Best units", "n", 1, most, max(1, min(16, count // 8)), width=320, help=ranked)
    best = runs.best_units(run.snapshot, run.id, layer, concept, n)
    listed = ", ".join(f"{u} ({words.score(i)})" for u, i in zip(best["unit"], best["iou"], strict=True))
    st.caption(f"Units, with their IoU with {concept}: {listed}")
    return [int(u) for u in best["unit"]]


def by_number(count: int) -> list[int]:
    """The units of the layer whose numbers were typed."""
    typed = url.text(st.text_input, "Unit numbers", "units", placeholder="e.g. 4, 17, 31 or 0-7", width=420)
    units = page.numbers(typed)
    if wrong := [u for u in units if u >= count]:
        st.warning(
            f"This layer has units 0 to {count - 1}; {wrong[0]} is passed over.", icon=":material/help:"
        )
    return [u for u in units if u < count]


def latents(run: pickers.Run) -> tuple[int, list[int], bool]:
    """Seed and numbers of the latents to render, and whether to show random units too."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = url.whole(st.number_input, "Seed", "seed", 0, 2**31, int(run.row["seed"]), width=130)
        first = url.whole(
            st.number_input,
            "First latent",
            "first",
            0,
            10**9,
            int(run.row["evaluation_start"]),
            width=150,
            help="The seed and the number of a latent determine its image. The default is the run's first.",
        )
        images = url.choice(st.segmented_control, "Images", "images", [4, 8, 16], required=True)
        random = (
            "Ablates as many random units of the layer. What they remove too is not due to the chosen units."
        )
        control = url.choice(
            st.segmented_control, "Beside random units", "control", ["no", "yes"], required=True, help=random
        )
    return seed, list(range(first, first + images)), control == "yes"


def ask(
    run: pickers.Run, edit: Edit, control: Edit | None, seed: int, numbers: list[int]
) -> renders.Pictures:
    """The pictures of the edit and of the control, from the render process."""
    generator, made = str(run.row["generator"]), jobs.client().render
    with st.spinner("Rendering"):
        other = made(generator, str(control), seed, numbers) if control else None
        return renders.Pictures(numbers, made(generator, str(edit), seed, numbers), other)


def at_random(layer: str, units: list[int], count: int, seed: int) -> Edit | None:
    """The ablation of as many other units of the layer; None when the layer has too few."""
    others = sorted(set(range(count)) - set(units))
    if len(others) < len(units):
        return None
    random = np.random.default_rng(seed).choice(others, len(units), replace=False)
    return Edit.ablate(layer, random.tolist())


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


def chosen_edit(run: pickers.Run, layer: Row) -> tuple[Edit, list[int]]:
    """The chosen edit, and its units when it ablates units of this layer."""
    name, count = str(layer["layer"]), int(layer["units"])
    by = how()
    if by == "edit":
        return by_edit(), []
    units = by_concept(run, name, count) if by == "concept" else by_number(count)
    return Edit.ablate(name, units) if units else Edit(), units


ABOUT = "Switch units off, or edit them in another way, and compare the images before and after."

with page.frame("Ablate", ABOUT) as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        layer = pickers.layer(snapshot, run.id) if run else None
    if run and layer is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            edit, units = chosen_edit(run, layer)
        if edit.steps:
            seed, numbers, beside = latents(run)
            name, count = str(layer["layer"]), int(layer["units"])
            control = at_random(name, units, count, seed) if beside and units else None
            renders.show(ask(run, edit, control, seed, numbers), "ablation.png", pinned_to=run.id)
            renders.edit_text(edit)
        else:
            st.info("Choose units to switch off.", icon=":material/content_cut:")
