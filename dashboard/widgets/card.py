"""The card of one unit in a gallery: large pictures, its name, and one verdict with the numbers behind it."""

from collections.abc import Mapping

import streamlit as st

from dashboard.charts import palette
from dashboard.viewer import links, size
from dashboard.widgets import pickers, pictures, words
from dashboard.widgets.rows import Row
from db.errors import StoreError

IMAGES = 4


def unit(run: pickers.Run, row: Row, link: Mapping[str, str]) -> None:
    """Draw a unit's top images, name and verdict. `link` has more parameters of the page behind them."""
    layer, number = str(row["layer"]), int(row["unit"])
    there = {**link, "run": run.id, "layer": layer, "unit": str(number)}
    with st.container(border=True, gap="xsmall"):
        try:
            picture = strip(run, row)
            alt = f"Top images of {layer} unit {number}, its mask in colour"
            links.picture(picture, alt, "unit", there)
        except StoreError:  # the sentence stands once on the page, not on every card
            st.caption("No images: the bundle of this run is missing or damaged.")
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.page_link(
                "views/unit.py",
                label=f"**{words.plain(words.name(row))}** · {words.plain(layer)} unit {number}",
                query_params=there,
            )
            with st.container(horizontal=True, width="content", gap="xxsmall"):
                badge(row)
                more(row)
        if row.get("name") and row["name"] != row["concept"]:
            st.caption(f"The unit is named after {words.plain(row['name'])}.")


def strip(run: pickers.Run, row: Row) -> bytes:
    """A unit's top images, of the size that pictures have, with its mask in the colour of its concept."""
    across = size.across()
    return pictures.unit_strip(
        run.bundle,
        str(row["layer"]),
        int(row["unit"]),
        row["threshold"],
        run.grid,
        across,
        size.pixels(),
        row["side"] == "low",
        IMAGES // across,
        colour(row["concept"]),
    )


def colour(concept: object) -> str:
    """The colour of a unit's mask: that of its concept."""
    return palette.concept(str(concept)) if concept else palette.MASK


def more(row: Row) -> None:
    """Draw how many concepts the unit detects beside its name, and a formula that explains it better."""
    if row.get("also_shown"):
        several = str(row["also_shown"]).split(", ")
        told = f"Also detects, with lift: {words.plain(row['also_shown'])}."
        st.badge(f"+{len(several)}", color="gray", help=told)
    if better := words.composition(row):
        st.badge("formula", color="gray", help=f"{better}  \n\n{words.HELP['composition']}")


def badge(row: Row) -> None:
    """Draw how far the unit is above its strongest control, with the numbers behind it as help."""
    text, numbers = words.verdict(row), words.numbers(row)
    if row["detector"]:
        st.badge(text or "detector", color="green", help=f"A detector: {numbers}  \n\n{words.HELP['rule']}")
    elif row.get("passes", row.get("named")):
        st.badge(f"named · {text}" if text else "named", color="gray", help=numbers)
    elif row["concept"]:
        st.badge("not confirmed", color="gray", help=f"{numbers}  \n\n{words.HELP['rule']}")
