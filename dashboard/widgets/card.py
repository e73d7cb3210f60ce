"""The card of one unit in a gallery."""

from collections.abc import Mapping

import streamlit as st

from dashboard.charts import dissection
from dashboard.widgets import pickers, pictures
from dashboard.widgets.rows import Row
from db.errors import StoreError

IMAGES = 4


def unit(run: pickers.Run, row: Row, full: float, link: Mapping[str, str]) -> None:
    """Draw a unit's name, scores and top images. `link` has parameters of the page behind the title."""
    layer, number = str(row["layer"]), int(row["unit"])
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.page_link(
                "views/unit.py",
                label=f"**{row['concept'] or 'no name'}** · {layer} unit {number}",
                query_params={**link, "run": run.id, "layer": layer, "unit": str(number)},
            )
            badge(row)
        dissection.chart(row, full)
        try:
            picture = pictures.unit_strip(run.bundle, layer, number, row["threshold"], run.grid, IMAGES)
        except StoreError:  # the sentence stands once on the page, not on every card
            st.caption("No images: the bundle of this run is missing or damaged.")
            return
        st.image(picture, width="stretch", alt=f"Top images of {layer} unit {number}, its mask outlined")


def badge(row: Row) -> None:
    """Draw whether the unit is named, and whether it beats the best constant mask."""
    if row.get("passes", row.get("named")):
        st.badge(
            "beats the mask" if row["detector"] else "named", color="green" if row["detector"] else "gray"
        )
