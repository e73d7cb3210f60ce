"""Two pictures in one place, with an edge between before and after that follows pointer, finger or keys."""

import base64
from io import BytesIO
from pathlib import Path

import streamlit as st
from PIL import Image

_HERE = Path(__file__).parent
_WIPE = st.components.v2.component(
    "ganatomy_wipe",
    html=(_HERE / "wipe.html").read_text(),
    css=(_HERE / "wipe.css").read_text(),
    js=(_HERE / "wipe.js").read_text(),
)
LARGEST = 640  # pixels of a picture that is sent


def wipe(before: str, after: str, key: str, alt: str, names: tuple[str, str] = ("before", "after")) -> None:
    """Draw the pictures of two files of one size; `names` says what is left and right of the edge."""
    first, size = _url(before)
    data = {"before": first, "after": _url(after)[0], "names": list(names), "alt": alt}
    _WIPE(key=key, data={**data, "width": size[0], "height": size[1]})


@st.cache_data(max_entries=400, show_spinner=False)
def _url(file: str) -> tuple[str, tuple[int, int]]:
    """A rendered picture, whose file never changes, as an address that holds it, and its width and height."""
    with Image.open(file) as image:
        picture = image.convert("RGB")
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST))
    elif max(picture.size) < LARGEST // 2:
        factor = -(-LARGEST // 2 // max(picture.size))
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", picture.size
