"""Pictures of edits, before and after, as the pages of ablation and of causes show them."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

from analysis.editing.edits import Edit
from dashboard.widgets import jobs, pictures, url, words
from jobs.render.client import RenderResult

SIDE = 192  # pixels a picture, about


@dataclass(frozen=True)
class Pictures:
    """What is shown: the edit's pictures, and another edit's beside them, if asked for."""

    latents: list[int]
    edit: RenderResult
    other: RenderResult | None = None
    other_name: str = "after, with random units"

    @property
    def columns(self) -> list[str]:
        told = ["before", "after", "where they differ"]
        return [*told, self.other_name] if self.other else told

    def row(self, i: int) -> list[Image.Image]:
        """The pictures of the i-th latent, side by side."""
        paths = [self.edit.before[i], self.edit.after[i], self.edit.difference[i]]
        return [_large(path) for path in ([*paths, self.other.after[i]] if self.other else paths)]


def _large(path: str) -> Image.Image:
    image = Image.open(Path(path)).convert("RGB")
    factor = max(1, round(SIDE / image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)


def show(shown: Pictures, file: str, pinned_to: str | None = None) -> None:
    """A card per image, and downloads; with `pinned_to`, a run, a button that pins the pictures to it."""
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
        label = "Download as PNG"
        st.download_button(label, sheet, file, "image/png", icon=":material/download:", key=f"png-{file}")
        with st.popover("Link", icon=":material/link:"):
            st.caption("Shows a colleague the same.")
            st.code(f"{st.context.url}?{url.query()}", language=None)
        if pinned_to is not None:
            pin(shown.edit, pinned_to)
        speed = "from the cache" if shown.edit.cached else f"rendered in {shown.edit.milliseconds:,.0f} ms"
        st.caption(f"{words.count(len(rows), 'image')}, {speed}")


def pin(made: RenderResult, run_id: str) -> None:
    """A button that keeps the pictures: a run of their own, with rows that SQL finds."""
    with st.popover("Pin", icon=":material/keep:"):
        st.caption("Keeps these pictures in the store, as rows of table render.")
        author = st.text_input("Your name", value="anyone", key="pin-author")
        if st.button("Keep", icon=":material/keep:", key="pin-keep"):
            name = jobs.client().pin(made, author=author or "anyone", run_id=run_id)
            st.success(f"Pinned as run {name}.", icon=":material/check:")
            statement = f"SELECT * FROM render WHERE run_id = '{name}'"
            st.page_link("views/sql.py", label="Its rows in SQL", query_params={"q": statement})


def edit_text(
    edit: Edit, run_id: str | None = None, seed: int | None = None, first: int | None = None
) -> None:
    """The edit as text to copy; with a run, the way to it on the Ablate page."""
    st.code(str(edit), language=None, wrap_lines=True)
    if run_id is not None:
        where = {"run": run_id, "layer": edit.layers[0], "by": "edit", "edit": str(edit)}
        numbers = {"seed": seed, "first": first}
        params = where | {name: str(value) for name, value in numbers.items() if value is not None}
        label, icon = "Open this edit on the Ablate page", ":material/content_cut:"
        st.page_link("views/ablate.py", label=label, icon=icon, query_params=params)
