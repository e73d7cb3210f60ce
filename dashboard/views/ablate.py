"""Ablate: switch units off and see the images before, after, and where they differ."""

import numpy as np
import streamlit as st

from analysis.editing.edits import Edit
from dashboard.widgets import jobs, page, pickers, renders, url, words
from dashboard.widgets.rows import Row
from db.queries import runs

MOST = 64  # units offered by the slider


def by_concept(run: pickers.Run, layer: str, count: int) -> list[int]:
    """The layer's best n units for a concept."""
    concepts = runs.layer_concepts(run.snapshot, run.id, layer)["concept"].tolist()
    if not concepts:
        st.info(f"The units of {layer} were beside no concept; choose another layer.", icon=":material/help:")
        return []
    concept = url.choice(st.selectbox, "Concept", "concept", concepts, width=220)
    most = min(MOST, count)
    told = "Ranked by IoU on calibration images, so the pictures below did not choose them."
    n = url.whole(st.slider, "Best units", "n", 1, most, max(1, min(16, count // 8)), width=320, help=told)
    best = runs.best_units(run.snapshot, run.id, layer, concept, n)
    listed = ", ".join(f"{u} ({words.score(i)})" for u, i in zip(best["unit"], best["iou"], strict=True))
    st.caption(f"Units, with their IoU with {concept}: {listed}")
    return [int(u) for u in best["unit"]]


def by_number(count: int) -> list[int]:
    """The units whose numbers were typed."""
    typed = url.text(st.text_input, "Unit numbers", "units", placeholder="e.g. 4, 17, 31 or 0-7", width=420)
    units = page.numbers(typed)
    if wrong := [u for u in units if u >= count]:
        st.warning(
            f"This layer has units 0 to {count - 1}; {wrong[0]} is passed over.", icon=":material/help:"
        )
    return [u for u in units if u < count]


def latents(run: pickers.Run) -> tuple[int, list[int], bool]:
    """Seed and numbers of the latents to render, and whether beside random units."""
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
            help="Every image follows from the seed and its number; the run's evaluation images start here.",
        )
        images = url.choice(st.segmented_control, "Images", "images", [4, 8, 16], required=True)
        told = "As many units of the layer, chosen at random: what goes there too is no work of these units."
        control = url.choice(
            st.segmented_control, "Beside random units", "control", ["no", "yes"], required=True, help=told
        )
    return seed, list(range(first, first + images)), control == "yes"


def ask(
    run: pickers.Run, edit: Edit, control: Edit | None, seed: int, numbers: list[int]
) -> renders.Pictures:
    """Ask the render process for the pictures."""
    generator, made = str(run.row["generator"]), jobs.client().render
    with st.spinner("Rendering"):
        other = made(generator, str(control), seed, numbers) if control else None
        return renders.Pictures(numbers, made(generator, str(edit), seed, numbers), other)


def at_random(layer: str, units: list[int], count: int, seed: int) -> Edit | None:
    """As many other units of the layer, ablated; None where there are not as many."""
    others = sorted(set(range(count)) - set(units))
    if len(others) < len(units):
        return None
    random = np.random.default_rng(seed).choice(others, len(units), replace=False)
    return Edit.ablate(layer, random.tolist())


def by_edit() -> Edit:
    """The edit that was typed, or that a link brought."""
    hint = "ablate layer3 4,17,31"
    typed = url.text(st.text_input, "Edit", "edit", placeholder=hint, width=640, help=words.HELP["edit"])
    return Edit.parse(typed)


def how() -> str:
    """Whether the units are chosen by concept, by number, or in a whole edit."""
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
    """The edit, and its units where it ablates units of this layer."""
    name, count = str(layer["layer"]), int(layer["units"])
    by = how()
    if by == "edit":
        return by_edit(), []
    units = by_concept(run, name, count) if by == "concept" else by_number(count)
    return Edit.ablate(name, units) if units else Edit(), units


ABOUT = "Switch units off, or edit them otherwise, and see what goes from the images, and what stays."

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
            renders.said(edit)
        else:
            st.info("Choose units to switch off.", icon=":material/content_cut:")
