"""Names beside a square of their colour: the legend of what a page shows."""

from collections.abc import Mapping
from html import escape

import streamlit as st

from jobs.system.text import one_line

_SQUARE = (
    "display:inline-block;width:.85em;height:.85em;border-radius:3px;vertical-align:-.08em;margin-right:.35em"
)


def html(colours: Mapping[str, str], bold: bool = False) -> str:
    """Names with their colours, as HTML in which nothing of a name is markup.

    >>> "<b>" in html({"<b>x</b>": "#112233"})
    False
    """
    weight = "600" if bold else "400"
    each = (
        f'<span style="white-space:nowrap;font-weight:{weight}">'
        f'<span style="{_SQUARE};background:{colour}"></span>{escape(one_line(name))}</span>'
        for name, colour in colours.items()
    )
    inside = "".join(each)
    return f'<div style="display:flex;flex-wrap:wrap;gap:.2em 1.1em;font-size:.9rem">{inside}</div>'


def legend(colours: Mapping[str, str], bold: bool = False) -> None:
    """Draw names with their colours."""
    st.html(html(colours, bold))
