"""The size of pictures, one for all pages, which the browser keeps."""

import streamlit as st

from dashboard.viewer import cookies

COOKIE = "ganatomy-picture-size"
SMALLEST, LARGEST, STEP, USUAL = 96, 320, 32, 160  # pixels
ROOM = 34  # a card's padding and borders, and the gap between two pictures


def pixels() -> int:
    """The side of a picture on pages, in pixels."""
    text = cookies.kept(COOKIE) or ""
    chosen = int(text) if text.isascii() and text.isdigit() else USUAL
    return min(max(chosen, SMALLEST), LARGEST)


def across() -> int:
    """How many pictures stand side by side on a card: four small ones in a row, else two by two."""
    return 4 if pixels() < 128 else 2


def card_width() -> int:
    """The least width of a card of pictures."""
    return across() * pixels() + ROOM


def slider() -> None:
    """Draw the slider of the size."""
    key = "picture-size"
    if st.session_state.get(key) != pixels():
        st.session_state[key] = pixels()
    st.slider(
        "Picture size",
        SMALLEST,
        LARGEST,
        step=STEP,
        key=key,
        width=150,
        format="%d px",
        on_change=lambda: cookies.keep(COOKIE, str(st.session_state[key])),
        help="The size of pictures on all pages. This browser keeps it.",
    )
    cookies.write(COOKIE)
