"""Ablate: switch units off and see the images before, after, and where they differ."""

from pathlib import Path

import streamlit as st
from PIL import Image

from analysis.edits import Edit
from dashboard.widgets import page, pick, pictures, url, words, work
from dashboard.widgets.rows import Row
from db import queries
from db.store import Snapshot
from jobs.views import RenderResult

MOST = 64  # units offered by the slider
SIDE = 128  # pixels a picture, about


def by_concept(snapshot: Snapshot, run: pick.Run, layer: str, count: int) -> list[int]:
    """The layer's best n units for a concept."""
    concepts = queries.concepts(snapshot, run.id)["concept"].tolist()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        concept = url.choice(st.selectbox, "Concept", "concept", concepts, width=220)
        most = min(MOST, count)
        help_text = "Ranked by IoU on calibration images, so the pictures below did not choose them."
        n = url.whole(st.slider, "Best units", "n", 1, most, min(16, most), width=320, help=help_text)
    best = queries.best_units(snapshot, run.id, layer, concept, n)
    if best.empty:
        st.info(
            f"No unit of {layer} has a threshold for {concept}: it is too rare in this run.",
            icon=":material/help:",
        )
        return []
    listed = ", ".join(f"{u} ({words.score(i)})" for u, i in zip(best["unit"], best["iou"], strict=True))
    st.caption(f"Units, with their IoU with {concept}: {listed}")
    return [int(u) for u in best["unit"]]


def by_number(count: int) -> list[int]:
    """The units whose numbers were typed."""
    typed = url.text(st.text_input, "Unit numbers", "units", placeholder="e.g. 4, 17, 31 or 0-7", width=420)
    units = words.numbers(typed)
    if wrong := [u for u in units if u >= count]:
        st.warning(
            f"This layer has units 0 to {count - 1}; {wrong[0]} is passed over.", icon=":material/help:"
        )
    return [u for u in units if u < count]


def latents(run: pick.Run) -> tuple[int, list[int]]:
    """Seed and numbers of the latents to render."""
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
    return seed, list(range(first, first + images))


def triple(result: RenderResult, i: int) -> bytes:
    """Before, after and difference of one latent, side by side."""
    paths = (result.before[i], result.after[i], result.difference[i])
    return pictures.strip([_large(path) for path in paths], 3)


def _large(path: str) -> Image.Image:
    image = Image.open(Path(path)).convert("RGB")
    factor = max(1, round(SIDE / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)


def sheet(result: RenderResult) -> bytes:
    """All of it as one picture, a row a latent."""
    paths = [p for row in zip(result.before, result.after, result.difference, strict=True) for p in row]
    return pictures.strip([_large(path) for path in paths], 3)


def show(result: RenderResult, numbers: list[int]) -> None:
    """A card an image, and what to take away."""
    with st.grid(min_column_width=330):
        for i, latent in enumerate(numbers):
            with st.container(border=True, gap="xsmall"):
                alt = f"Latent {latent}: before, after, where they differ"
                st.image(triple(result, i), width="stretch", alt=alt)
                st.caption(f"Latent {latent}: before · after · where they differ")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download as PNG", sheet(result), "ablation.png", "image/png", icon=":material/download:"
        )
        with st.popover("Link", icon=":material/link:"):
            st.caption("Shows a colleague the same.")
            st.code(f"{st.context.url}?{url.query()}", language=None)
        speed = "from the cache" if result.cached else f"rendered in {result.milliseconds:.0f} ms"
        st.caption(f"{words.count(len(numbers), 'image')}, {speed}")


def layer_units(snapshot: Snapshot, run: pick.Run, layer: Row) -> list[int]:
    """The units to ablate: by concept or by number."""
    name, count = str(layer["layer"]), int(layer["units"])
    how = url.choice(
        st.segmented_control,
        "Choose units by",
        "by",
        ["concept", "number"],
        default="number" if url.get("units") else "concept",
        required=True,
        format_func=str.title,
    )
    return by_concept(snapshot, run, name, count) if how == "concept" else by_number(count)


def rendered(run: pick.Run, layer: str, units: list[int], seed: int, numbers: list[int]) -> None:
    """Ask the render process for the pictures, and show them."""
    edit = Edit.ablate(layer, units)
    with st.spinner("Rendering"):
        result = work.client().render(str(run.row["generator"]), str(edit), seed, numbers)
    show(result, numbers)


with page.frame("Ablate", "Switch units off and see what goes from the images, and what stays.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pick.run(snapshot)
        layer = pick.layer(snapshot, run.id) if run else None
    if run and layer is not None:
        chosen = layer_units(snapshot, run, layer)
        seed, numbers = latents(run)
        if chosen:
            rendered(run, str(layer["layer"]), chosen, seed, numbers)
        else:
            st.info("Choose units to switch off.", icon=":material/content_cut:")
