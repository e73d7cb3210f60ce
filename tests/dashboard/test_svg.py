"""Charts as SVG: all that is drawn, in the theme's colours, with text that stays text."""

import re
from io import BytesIO
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.shared.errors import GanatomyError
from dashboard.charts import causes, palette, structures
from dashboard.charts.structures import Drawing
from dashboard.charts.svg import svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


@structures.structure
def _bars() -> alt.Chart:
    return structures.named().mark_bar().encode(x=alt.X("name:N"), y=alt.Y("score:Q", title="score"))


def bars(names: list[str]) -> Drawing:
    return Drawing(_bars(), {"rows": pd.DataFrame({"name": names, "score": 0.5, "unused": 1})})


def parts(file: bytes) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(file).iter())


def test_the_file_has_the_title_the_names_and_a_mark_for_each_row() -> None:
    found = parts(svg(bars(["door", "tree", "sky"]), "Scores & names", False))
    texts = [each.text for each in found if each.tag == f"{NAMESPACE}text"]
    assert {"Scores & names", "door", "tree", "sky", "score"} <= set(texts)
    assert sum(each.get("aria-roledescription") == "bar" for each in found) == 3


def test_the_title_is_seen_in_a_viewer() -> None:
    """A family of fonts that is no valid CSS hides all text."""
    png = vl_convert.svg_to_png(svg(bars(["door"]), "Scores of doors", False).decode())
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert len(np.unique(pixels[:30].reshape(-1, 4), axis=0)) > 10  # grey edges of letters


@settings(max_examples=4, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
@example('</text><script>alert(1)</script><image href="http://a.b/c.png"/>')
@example("\ufffe\uffff\u2028\U000e0001\x7f\x85")
@example("javascript:alert(1)\x00\x0b\x1b[31m ]]> &amp; <!-- ")
def test_nothing_typed_becomes_markup(typed: str) -> None:
    found = parts(svg(bars([typed]), typed, False))
    tags = {each.tag.removeprefix(NAMESPACE) for each in found}
    assert tags <= {"svg", "rect", "g", "path", "line", "text"}
    names = {name.rpartition("}")[2].lower() for each in found for name in each.attrib}
    assert not any(name == "href" or name.startswith("on") for name in names)


def test_nothing_is_fetched() -> None:
    @structures.structure
    def elsewhere() -> alt.Chart:
        return alt.Chart("http://localhost:9/rows.csv").mark_bar().encode(x="a:Q")

    with pytest.raises(GanatomyError, match="could not be made"):
        svg(Drawing(elsewhere(), {}), "a", False)


# A loss of 19 % was once drawn blue: the colour between red, nothing and blue went through others.
CHANGES = {"gone": -1.0, "fewer": -0.19, "same": 0.0, "more": 0.19, "double": 1.0}


Place = tuple[int, int, int, int]  # left, top, width, height in pixels


def places(file: bytes) -> tuple[dict[str, Place], Place]:
    """Where the picture has the cells, by the concept that changes, and the legend's bar."""
    cells: dict[str, Place] = {}
    legend = [(0, 0, 0, 0)]

    def walk(part: ElementTree.Element, x: float, y: float, kind: str) -> None:
        if moved := re.match(r"translate\(([-\d.]+),([-\d.]+)\)", part.get("transform", "")):
            x, y = x + float(moved[1]), y + float(moved[2])
        kind = part.get("class", kind)
        outline = re.match(r"M([-\d.]+),([-\d.]+)h([-\d.]+)v([-\d.]+)", part.get("d", ""))
        if outline:
            left, top, width, height = map(float, outline.groups())
            place = (round(x + left), round(y + top), round(width), round(height))
            if "role-legend-gradient" in kind:
                legend[0] = place
            if "mark-rect role-mark" in kind:
                cells[re.match(r"changes: (\w+);", part.get("aria-label", ""))[1]] = place  # type: ignore[index]
        for inner in part:
            walk(inner, x, y, kind)

    walk(ElementTree.fromstring(file), 0, 0, "")
    return cells, legend[0]


@pytest.mark.parametrize("dark", [False, True])
def test_losses_are_red_and_gains_blue_as_the_legend_says(
    dark: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(palette, "is_dark", lambda: dark)
    rows = pd.DataFrame({"concept": "tree", "affected": list(CHANGES), "relative_change": CHANGES.values()})
    beside = dict.fromkeys(["before", "change", "change_low", "change_high"], 0.1)
    file = svg(causes.matrix(rows.assign(units=3, **beside)), "Side effects", dark)
    png = vl_convert.svg_to_png(file.decode())
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)
    cells, (left, top, width, height) = places(file)
    shown = {name: pixels[y + 5, x + 5] for name, (x, y, _, _) in cells.items()}  # beside the number
    nothing, red, blue = map(palette.rgb, (palette.no_change(dark), palette.RED, palette.BLUE))
    for name, change in CHANGES.items():
        wanted = np.array(nothing) + abs(change) * (np.array(red if change < 0 else blue) - nothing)
        assert np.abs(shown[name] - wanted).max() <= 2, name
        told = pixels[top + round((height - 2) * (1 - change) / 2) + 1 - (change == -1), left + width // 2]
        assert np.abs(told - wanted).max() <= 8, name
    assert shown["fewer"][0] > shown["fewer"][2]
    assert shown["more"][2] > shown["more"][0]
