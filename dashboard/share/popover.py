"""The button Share, the same on every page: a link to this view, its HTML file, a card, charts as SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts import palette, structures
from dashboard.charts.svg import svg
from dashboard.widgets import downloads, url, words
from jobs.report import contents

_HERE = Path(__file__).parent
_COPY = st.components.v2.component(
    "ganatomy_link",
    html=(_HERE / "link.html").read_text(),
    css=(_HERE / "link.css").read_text(),
    js=(_HERE / "link.js").read_text(),
)
# The report of a page, by its name.
REPORTS = {
    "units": "run",
    "layers": "run",
    "unit": "unit",
    "concept": "concept",
    "compare": "comparison",
    "causes": "causes",
}


def view() -> str:
    """The page that is drawn, as in its address."""
    return urlsplit(st.context.url or "").path.rpartition("/")[2] or "home"


def button() -> DeltaGenerator:
    """Draw the button; `fill` draws what it opens, when the page has written its address in full."""
    return st.popover("Share", icon=":material/share:", type="tertiary")


def fill(place: DeltaGenerator) -> None:
    """Draw the link to this view, its report, on a unit's page the card to embed, and the charts."""
    with place:
        st.caption("This link opens exactly this view.")
        copy("share-link", "Copy link")
        if there := report(view()):
            st.caption("Numbers, pictures and how to make them again, in one file that needs no network.")
            st.link_button("Open as one HTML file", there, icon=":material/description:")
        if view() == "unit" and (there := _address("embed/unit", contents.REPORTS["unit"].needs)):
            st.caption("A card of this unit for another page:")
            frame = f'<iframe src="{escape(there)}" width="360" height="330" style="border:0"></iframe>'
            copy("share-card", "Copy snippet", frame)
        _charts()


def copy(key: str, label: str, text: str = "") -> None:
    """Draw a text, else the address of the page, with a button that copies it."""
    _COPY(key=key, data={"label": label, "text": text})


def _charts() -> None:
    """Draw a button for each chart of the page, which makes its SVG when somebody asks for it."""
    drawn, dark = structures.drawn(), palette.is_dark()
    if not drawn:
        return
    st.caption("The charts of this page, with what they show now, for papers and slides:")
    for title in drawn:
        downloads.button(
            f"{words.plain(title)} as SVG",
            # By its title: a part of the page that is drawn again leaves another drawing there.
            partial(_file, drawn, title, dark),
            f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.svg",
            "image/svg+xml",
            key=f"svg-{title}",
            kind="tertiary",
        )


def _file(drawn: Mapping[str, structures.Drawing], title: str, dark: bool) -> bytes:
    return svg(drawn[title], title, dark)


def report(page: str) -> str | None:
    """The address of the report of a page; None where it has none, or does not say yet what it is of."""
    name = REPORTS.get(page)
    if name is None:
        return None
    return _address(f"report/{name}", contents.REPORTS[name].needs, contents.REPORTS[name].takes)


def _address(path: str, needs: tuple[str, ...], takes: tuple[str, ...] = ()) -> str | None:
    """The address with the parameters of the page; None while the page has not written one that it needs."""
    values = {name: url.get(name) for name in (*needs, *takes) if url.get(name)}
    if not set(needs) <= set(values):
        return None
    return f"{root()}/{path}?{urlencode(values, safe=',:')}"


def root() -> str:
    """The address of the dashboard, to which the name of a page is added."""
    there = urlsplit(st.context.url or "")
    return f"{there.scheme}://{there.netloc}{there.path.rpartition('/')[0]}"
