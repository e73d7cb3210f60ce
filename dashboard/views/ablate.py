"""Ablate: switch units off and see the images before, after, and where they differ."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from analysis.edits import Edit
from dashboard.widgets import page, pick, pictures, url, words, work
from dashboard.widgets.rows import Row
from db import queries
from jobs.views import RenderResult

MOST = 64  # units offered by the slider
SIDE = 192  # pixels a picture, about


def by_concept(run: pick.Run, layer: str, count: int) -> list[int]:
    """The layer's best n units for a concept."""
    concepts = queries.layer_concepts(run.snapshot, run.id, layer)["concept"].tolist()
    if not concepts:
        st.info(f"The units of {layer} were beside no concept; choose another layer.", icon=":material/help:")
        return []
    concept = url.choice(st.selectbox, "Concept", "concept", concepts, width=220)
    most = min(MOST, count)
    told = "Ranked by IoU on calibration images, so the pictures below did not choose them."
    n = url.whole(st.slider, "Best units", "n", 1, most, max(1, min(16, count // 8)), width=320, help=told)
    best = queries.best_units(run.snapshot, run.id, layer, concept, n)
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


def latents(run: pick.Run) -> tuple[int, list[int], bool]:
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


@dataclass(frozen=True)
class Pictures:
    """What is shown: the edit's pictures, and a control's with as many random units, if asked for."""

    latents: list[int]
    edit: RenderResult
    control: RenderResult | None

    @property
    def columns(self) -> list[str]:
        told = ["before", "after", "where they differ"]
        return [*told, "after, with random units"] if self.control else told

    def row(self, i: int) -> list[Image.Image]:
        """The pictures of the i-th latent, side by side."""
        paths = [self.edit.before[i], self.edit.after[i], self.edit.difference[i]]
        return [_large(path) for path in ([*paths, self.control.after[i]] if self.control else paths)]


def _large(path: str) -> Image.Image:
    image = Image.open(Path(path)).convert("RGB")
    factor = max(1, round(SIDE / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)


def render(run: pick.Run, layer: str, units: list[int], count: int) -> Pictures:
    """Ask the render process for the pictures."""
    seed, numbers, control = latents(run)
    generator, ask = str(run.row["generator"]), work.client().render
    with st.spinner("Rendering"):
        edit = ask(generator, str(Edit.ablate(layer, units)), seed, numbers)
        others = sorted(set(range(count)) - set(units))
        if not control or len(others) < len(units):
            return Pictures(numbers, edit, None)
        random = np.random.default_rng(seed).choice(others, len(units), replace=False)
        return Pictures(
            numbers, edit, ask(generator, str(Edit.ablate(layer, random.tolist())), seed, numbers)
        )


def show(shown: Pictures) -> None:
    """A card an image, and what to take away."""
    rows = [shown.row(i) for i in range(len(shown.latents))]
    columns = " · ".join(shown.columns)
    with st.grid(min_column_width=460):
        for latent, row in zip(shown.latents, rows, strict=True):
            with st.container(border=True, gap="xsmall"):
                alt = f"Latent {latent}: {columns}"
                st.image(pictures.strip(row, len(row)), width="stretch", alt=alt)
                st.caption(alt)
    with st.container(horizontal=True, vertical_alignment="center"):
        sheet = pictures.strip([picture for row in rows for picture in row], len(shown.columns))
        st.download_button("Download as PNG", sheet, "ablation.png", "image/png", icon=":material/download:")
        with st.popover("Link", icon=":material/link:"):
            st.caption("Shows a colleague the same.")
            st.code(f"{st.context.url}?{url.query()}", language=None)
        speed = "from the cache" if shown.edit.cached else f"rendered in {shown.edit.milliseconds:,.0f} ms"
        st.caption(f"{words.count(len(rows), 'image')}, {speed}")


def layer_units(run: pick.Run, layer: Row) -> list[int]:
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
    return by_concept(run, name, count) if how == "concept" else by_number(count)


with page.frame("Ablate", "Switch units off and see what goes from the images, and what stays.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pick.run(snapshot)
        layer = pick.layer(snapshot, run.id) if run else None
    if run and layer is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = layer_units(run, layer)
        if chosen:
            show(render(run, str(layer["layer"]), chosen, int(layer["units"])))
        else:
            st.info("Choose units to switch off.", icon=":material/content_cut:")
