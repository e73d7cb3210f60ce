"""Images before and after an edit, with downloads, a link, and a button that pins them."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

from analysis.editing.edits import Edit
from dashboard.team import people
from dashboard.widgets import downloads, jobs, page, pictures, words
from dashboard.widgets.rows import Row
from jobs.render.client import MeasureRequest, MeasureResult, RenderResult

SIDE = 192  # approximate width of an image in pixels


@dataclass(frozen=True)
class Pictures:
    """Images of an edit, and of a second edit beside them if there is one."""

    latents: list[int]
    edit: RenderResult
    other: RenderResult | None = None
    other_name: str = "after, with random units"

    @property
    def columns(self) -> list[str]:
        own = ["before", "after", "where they differ"]
        return [*own, self.other_name] if self.other else own

    def row(self, i: int) -> tuple[str, ...]:
        """The files of the i-th latent's images, side by side."""
        paths = (self.edit.before[i], self.edit.after[i], self.edit.difference[i])
        return (*paths, self.other.after[i]) if self.other else paths


def _large(path: str) -> Image.Image:
    image = Image.open(Path(path)).convert("RGB")
    factor = max(1, round(SIDE / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)


@st.cache_data(max_entries=200, show_spinner=False)
def strip(files: tuple[str, ...], columns: int) -> bytes:
    """Rendered images, whose files never change, `columns` in a row, as PNG."""
    return pictures.strip([_large(file) for file in files], columns)


def made(run: Row, edit: Edit | str, seed: int, latents: list[int]) -> RenderResult:
    """The pictures of an edit of a run's generator: with its inputs, and refused for other weights."""
    inputs, sha256 = (run.get(name) or "" for name in ("inputs", "generator_sha256"))
    return jobs.client().render(str(run["generator"]), str(edit), seed, latents, inputs, sha256)


def measured(run: Row, edit: Edit, seed: int, latent: int) -> MeasureResult:
    """What a run's segmenter sees in one image before and after an edit of its generator."""
    inputs, sha256 = (run.get(name) or "" for name in ("inputs", "generator_sha256"))
    names = (str(run["generator"]), str(run["segmenter"]))
    return jobs.client().measure(MeasureRequest(*names, str(edit), seed, latent, inputs, sha256))


def show(shown: Pictures, file: str, pinned_to: str | None = None) -> None:
    """Draw a card per latent, and downloads; with `pinned_to`, a button that pins the images to that run."""
    rows = [shown.row(i) for i in range(len(shown.latents))]
    columns = " · ".join(shown.columns)
    st.caption(f"Each picture from left to right: {columns}.")
    with st.grid(min_column_width=460):
        for latent, row in zip(shown.latents, rows, strict=True):
            with st.container(border=True, gap="xsmall"):
                st.image(strip(row, len(row)), width="stretch", alt=f"Latent {latent}: {columns}")
                st.caption(f"Latent {latent}")
    with st.container(horizontal=True, vertical_alignment="center"):
        every, across = tuple(name for row in rows for name in row), len(shown.columns)
        downloads.button(
            "Download as PNG",
            lambda: strip(every, across),
            file,
            "image/png",
            key=f"png-{file}",
        )
        if pinned_to is not None and not page.read_only():
            pin(shown.edit, pinned_to)
        speed = "from the cache" if shown.edit.cached else f"rendered in {shown.edit.milliseconds:,.0f} ms"
        st.caption(f"{words.count(len(rows), 'image')}, {speed}")


def pin(made: RenderResult, run_id: str) -> None:
    """Draw a button that stores the images as a run of their own."""
    with st.popover("Pin", icon=":material/keep:"):
        st.caption("Stores these images permanently, as rows of the table render.")
        people.ask("pin")
        if st.button("Keep", icon=":material/keep:", key="pin-keep"):
            with page.sentences(), jobs.writing() as client:
                name = client.pin(made, author=people.name(), run_id=run_id)
                pinned(name)


def pinned(name: str) -> None:
    """Draw where pinned images are."""
    st.success(f"Pinned as run {words.plain(name)}.", icon=":material/check:")
    statement = f"SELECT * FROM render WHERE run_id = '{name}'"
    st.page_link("views/sql.py", label="Its rows in SQL", query_params={"q": statement})


def edit_text(
    edit: Edit, run_id: str | None = None, seed: int | None = None, first: int | None = None
) -> None:
    """Draw the edit as text; with a run, a link to it on the Ablate page."""
    st.code(str(edit), language=None, wrap_lines=True)
    if run_id is not None:
        where = {"run": run_id, "layer": edit.layers[0], "by": "edit", "edit": str(edit)}
        numbers = {"seed": seed, "first": first}
        params = where | {name: str(value) for name, value in numbers.items() if value is not None}
        label, icon = "Open this edit on the Ablate page", ":material/content_cut:"
        st.page_link("views/ablate.py", label=label, icon=icon, query_params=params)
