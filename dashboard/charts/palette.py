"""The colours of all charts: the same for the same thing on every page, visible on light and dark.

A concept, a category and a run each have a colour of their own. All of them reach a contrast of 3:1 against
both themes' backgrounds, and runs stay apart for people who see no red, green or blue.
"""

from collections.abc import Iterable, Sequence
from math import cos, pi, sin
from zlib import crc32

import streamlit as st

TEAL = "#2b9a92"  # scores, and the units of a study
ORANGE = "#c9621c"
MASK = "#e0782f"  # the best constant mask
VIOLET = "#7379dd"
NULL = "#8086e0"  # the null
PINK = "#b5548f"
GREY = "#8b979b"  # random units, always on
LINE = "#7b878b"  # rules, whiskers and labels
DARK = "#1b2527"  # text on light cells
RED, BLUE = "#c4452f", "#2f74c4"  # losses, gains
WHITE = "#ffffff"

# Every category has one colour on all pages, whatever else a run knows. Okabe and Ito's, which colour-blind
# people tell apart, somewhat darker where they are too pale for white.
CATEGORIES = {
    "object": "#0072b2",
    "part": "#cc7700",
    "material": "#23a27c",
    "texture": "#b5548f",
    "scene": "#3f97cc",
    "color": "#c9471b",
    "colour": "#c9471b",
}

# What most people expect: the sky is blue, a tree is green. Other concepts have a colour by their name.
CONCEPTS = {
    "sky": "#3a86d0",
    "cloud": "#7f8db3",
    "hill": "#7d8a3a",
    "grass": "#4d9a2c",
    "path": "#a5815a",
    "building": "#b5653f",
    "tree": "#1c8a4d",
    "roof": "#cf4b37",
    "dome": "#8b66cf",
    "door": "#dd6a1e",
    "window": "#149aa8",
    "brick": "#b04668",
    "plaster": "#a08a22",
    "stone": "#7f8a8f",
    "water": "#2f7fb8",
    "sea": "#2a77b0",
    "person": "#c25a9a",
    "car": "#5a6fd6",
    "road": "#8a8178",
    "skin": "#bf7f5f",
    "hair": "#8a6540",
    "nose": "#d0672f",
    "mouth": "#c9475c",
    "eye": "#2f8fc0",
    "brow": "#9a7a2a",
    "ear": "#7f6fd6",
    "neck": "#a98a6a",
    "glasses": "#3a9a8c",
    "hat": "#b0559f",
    "cloth": "#5f8f4a",
}

# Eight colours, the nearest two as far apart as possible, for usual vision and for each of the three kinds
# of colour blindness at once. Found by search; a test measures them again.
RUNS = ("#3661e9", "#f46702", "#9c4a66", "#2097fd", "#c52d07", "#957ab9", "#c5827f", "#7c51a7")


def concept(name: str) -> str:
    """The colour of a concept, the same in every run and on every page.

    >>> concept("tree"), concept("unicorn") == concept("unicorn"), concept("unicorn") == concept("dragon")
    ('#1c8a4d', True, False)
    """
    return CONCEPTS.get(name) or hue(name)


def category(name: str) -> str:
    """The colour of a category, the same in every run.

    >>> category("object"), category("plumage") == category("plumage")
    ('#0072b2', True)
    """
    return CATEGORIES.get(name) or hue(name)


def hue(name: str) -> str:
    """A colour that follows from a name alone, of a lightness that light and dark backgrounds both show.

    >>> hue("door") == hue("door"), hue("door") == hue("roof")
    (True, False)
    """
    chosen = crc32(name.encode())
    return _okl(lightness=(0.58, 0.63)[chosen % 2], chroma=0.11, turn=(chosen >> 1) / 2**31)


def _okl(lightness: float, chroma: float, turn: float) -> str:
    """A colour of Oklab (Ottosson 2020), whose lightness looks the same in all hues; `turn` is 0 to 1."""
    a, b = chroma * cos(2 * pi * turn), chroma * sin(2 * pi * turn)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    return "#" + "".join(f"{_encoded(part):02x}" for part in linear)


def _encoded(linear: float) -> int:
    """A linear part of sRGB as a byte."""
    held = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * held if held <= 0.0031308 else 1.055 * held ** (1 / 2.4) - 0.055))


def runs(shown: Iterable[str], every: Sequence[str]) -> dict[str, str]:
    """The colours of runs shown together. `every` is all runs that have colours, the oldest first.

    A run keeps its colour from page to page, because it follows from its place among all runs. Where two
    shown runs would have one colour, the later takes the next that is free.

    >>> runs(["b", "a"], ["a", "b"]) == {"b": RUNS[1], "a": RUNS[0]}
    True
    """
    places = {name: place for place, name in enumerate(every)}
    taken: dict[str, str] = {}
    wanted = list(dict.fromkeys(shown))
    for name in sorted(wanted, key=lambda name: places.get(name, len(places))):
        first = places.get(name, crc32(name.encode()))
        order = [RUNS[(first + step) % len(RUNS)] for step in range(len(RUNS))]
        taken[name] = next((colour for colour in order if colour not in taken.values()), order[0])
    return {name: taken[name] for name in wanted}


def heat(dark: bool) -> tuple[str, str, str]:
    """The colours of a heat map from its least to its largest value.

    The largest is the one that stands out most: dark on the light theme, bright on the dark theme.
    """
    return ("#16302f", "#1f7f78", "#9ff0e4") if dark else ("#e9f5f3", "#6dbdb5", "#0b514c")


def ink(dark: bool) -> tuple[str, str]:
    """The colours of text on a heat map's lower cells and on its upper cells, where they change at 0.5."""
    return (WHITE, "#0d1a19") if dark else (DARK, WHITE)


def is_dark() -> bool:
    """Whether the person's browser shows the dark theme."""
    return st.context.theme.type == "dark"


def no_change(dark: bool) -> str:
    """The middle of a map of losses and gains, near the background, so that changes stand out."""
    return "#2a3336" if dark else "#eef1f1"


def rgb(colour: str) -> tuple[int, int, int]:
    """The red, green and blue of a colour, 0 to 255.

    >>> rgb(TEAL)
    (43, 154, 146)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
