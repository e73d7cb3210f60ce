"""Reports: what they say, that they fetch nothing, that no text of people becomes HTML, and the command."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from db import store
from db.layout import Layout
from jobs.api.endpoints import MissingError
from jobs.cli.app import app
from jobs.report import charts, contents, html, routes

RUN = "planted-scenes-b103786cbd"
ASKED = {
    "run": {"run": RUN},
    "unit": {"run": RUN, "layer": "layer1", "unit": "1"},
    "concept": {"run": RUN, "concept": "door"},
    "causes": {"run": "planted-scenes-59938705c0"},
    "comparison": {"runs": RUN, "layers": "layer1,layer2"},
}
SAID = {
    "run": ("detect a concept", "Detectors in each layer", "The best detector of each concept"),
    "unit": ("It detects", "Agrees with", "IoU with each concept"),
    "concept": ("detect door", "The units that agree best", "Causes that were learned"),
    "causes": (
        "of layer1 removes nearly all of all door pixels (100%",
        "Switched off, by number of units",
        "The units",
    ),
    "comparison": ("2 layers of 1 run", "Share of units that are detectors"),
}


def made(layout: Layout, kind: str, address: str = "http://localhost:8501") -> str:
    return contents.report(store.open(layout), kind, ASKED[kind], address)


@pytest.mark.parametrize("kind", contents.REPORTS)
def test_a_report_has_finding_evidence_and_provenance_and_fetches_nothing(
    full_store: Layout, kind: str
) -> None:
    text = made(full_store, kind)
    for words in SAID[kind]:
        assert words in text
    for words in ("sha256", "Versions", "seed 1", f"ganatomy report {kind}", "To make this run again"):
        assert words in text
    assert "<script" not in text
    assert not re.search(r'(?:src|srcset|action)="(?!data:)', text)
    assert re.findall(r'href="([^"]*)"', text) == [f"http://localhost:8501/{link(kind)}"]
    assert "url(" not in html.STYLE
    assert "default-src &#x27;none&#x27;" in text
    assert text.count("<svg") >= 1


def link(kind: str) -> str:
    pages = {"run": "units", "comparison": "compare"}
    asked = "&amp;".join(f"{name}={value.replace(',', '%2C')}" for name, value in ASKED[kind].items())
    return f"{pages.get(kind, kind)}?{asked}"


def test_the_commands_in_a_report_are_commands(full_store: Layout, tmp_path: Path) -> None:
    for kind in contents.REPORTS:
        again = re.findall(r"<pre>(ganatomy report [^<]+)</pre>", made(full_store, kind))[0]
        file = tmp_path / f"{kind}.html"
        words = [
            *shlex.split(again.replace("&#x27;", "'"))[1:],
            "--store",
            str(full_store.root),
            "-o",
            str(file),
        ]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert file.read_text() == made(full_store, kind, "")


@given(st.text())
def test_no_text_becomes_html(text: str) -> None:
    rows = [{"name": text, "value": 0.5}]
    parts = [
        html.tag("p", text, title=text),
        html.table(rows, {"name": text, "value": "Value"}),
        html.facts({text: text}),
        charts.bars([charts.Bar(text, 0.5, 0.4, 0.6, 0.1)], text),
        charts.curves({text: [(0, 0.0), (1, 1.0)]}, text, text, text),
    ]
    shown = html.document(text, text, *parts)
    known = "html head meta title style body main h1 p div table thead tbody tr th td dl dt dd"
    known += " figure svg rect line text polyline"
    tags = set(re.findall(r"<([a-zA-Z][\w-]*)", shown.replace("<!doctype html>", "")))
    assert tags <= set(known.split())
    outside = re.sub(r"<[^<>]*>", "", shown.split("</head>")[1])
    assert "<" not in outside
    assert ">" not in outside


@pytest.mark.parametrize(
    ("kind", "asked", "words"),
    [
        ("unit", {"run": RUN, "layer": "layer1", "unit": "999"}, "there is no unit 999"),
        ("unit", {"run": RUN}, "A report of one unit needs layer"),
        ("concept", {"run": RUN, "concept": "<b>"}, "knows no concept <b>"),
        ("causes", {"run": RUN}, "is of kind dissection"),
        ("run", ASKED["causes"], "is of kind causes; this report is for kind dissection"),
        ("comparison", {"runs": RUN, "rule": "best"}, "A rule is lift or paper"),
        ("comparison", {"runs": RUN, "rule": "paper", "cut": "2"}, "a cut between 0 and 1"),
        ("comparison", {"runs": RUN, "layers": "layer1", "without": f"{RUN}:layer1"}, "not left out"),
        ("comparison", {"runs": f"{RUN},gone"}, "There is no run gone"),
        ("novel", {}, "There is no report novel"),
    ],
)
def test_what_is_not_there_is_refused(
    full_store: Layout, kind: str, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(MissingError, match=re.escape(words)):
        contents.report(store.open(full_store), kind, asked)


def test_a_comparison_follows_the_rule_and_leaves_out_what_the_page_does(full_store: Layout) -> None:
    asked = ASKED["comparison"] | {"rule": "paper", "cut": "0.1", "without": f"{RUN}:layer2"}
    text = contents.report(store.open(full_store), "comparison", asked)
    assert "1 layer of 1 run" in text
    assert "Share of units with a name of IoU over 0.1" in text
    assert "The IoU of the best unit for each concept" in text
    assert f"--without {RUN}:layer2 --rule paper --cut 0.1" in text


def test_an_interval_below_0_is_drawn_to_the_left_of_0() -> None:
    drawn = charts.bars([charts.Bar("sky", 0.1, -0.1, 0.3), charts.Bar("sea", -0.2)], "Lift")
    ends = [
        float(x) for x in re.findall(r'<line[^>]*?x1="([\d.]+)"[^>]*x2="[\d.]+"[^>]*stroke="#7b878b"', drawn)
    ]
    ends += [float(x) for x in re.findall(r'<line[^>]*stroke="#7b878b"[^>]*x1="([\d.]+)"', drawn)]
    room = charts.WIDTH - charts.LABEL - 60
    assert ends == [pytest.approx(charts.LABEL + room * 0.2, abs=0.1)]  # the axis is from -.2 to .3
    boxes = [*map(float, re.findall(r'<rect x="([\d.]+)"', drawn))]
    assert boxes == [pytest.approx(charts.LABEL + room * 0.4, abs=0.1), pytest.approx(charts.LABEL)]


def test_a_card_is_small_and_links_to_the_unit(full_store: Layout) -> None:
    text = contents.card(store.open(full_store), ASKED["unit"], "http://localhost:8501/")
    assert 'href="http://localhost:8501/unit?run=' in text
    assert "data:image/png;base64," in text
    assert len(text) < 300_000
    assert "frame-ancestors *" in routes.FRAMED
