"""Pictures that are links to a page of the dashboard."""

from pathlib import Path

import streamlit as st

from dashboard.widgets import url

_SCRIPT = (Path(__file__).parent / "links.html").read_text()


def same_tab() -> None:
    """Draw what lets pictures open their page in the same tab, where Streamlit would open another one."""
    st.html(_SCRIPT, unsafe_allow_javascript=True)


def picture(
    image: bytes, alt: str, page: str, parameters: dict[str, str], caption: str | None = None
) -> None:
    """Draw a picture, as wide as there is room, that opens a page such as "unit" with these parameters."""
    st.image(image, width="stretch", alt=alt, link=url.address(page, **parameters), caption=caption)
