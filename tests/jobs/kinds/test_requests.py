"""Requests: what is refused and how it is said; what makes two requests the same."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.shared.errors import GanatomyError
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.requests import parse


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "generator"),
        ({"generator": "faces", "images": 0}, "images"),
        ({"generator": "faces", "calibration": -3}, "calibration"),
        ({"generator": "faces", "seed": -1}, "seed"),
        ({"generator": "../../etc"}, "generator"),
        ({"generator": "faces", "segmenter": "__import__('os')"}, "segmenter"),
        ({"generator": "faces", "layers": ["layer1; rm"]}, "layers"),
        ({"generator": "faces", "threshold": 1.5}, "threshold"),
        ({"generator": "faces", "colour": 3}, "colour"),
        ({"generator": "faces", "device": "tpu"}, "device"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(values: dict[str, object], word: str) -> None:
    with pytest.raises(GanatomyError, match=word) as caught:
        parse("dissect", values)
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_names_the_kinds() -> None:
    with pytest.raises(GanatomyError, match="dissect"):
        parse("bake", {})


def test_who_asks_and_where_it_runs_do_not_change_the_run() -> None:
    one = DissectionRequest(generator="faces", owner="ada", project="a", device="cpu")
    two = DissectionRequest(generator="faces", owner="bob", project="b", device="cuda")
    assert one.run_id("g", "s") == two.run_id("g", "s")


@pytest.mark.parametrize(
    "change",
    [
        {"images": 2},
        {"calibration": 2},
        {"seed": 2},
        {"layers": ("layer1",)},
        {"threshold": 0.005},
        {"segmenter": "x"},
    ],
)
def test_everything_else_does(change: dict[str, object]) -> None:
    base = DissectionRequest(generator="faces")
    assert base.run_id("g", "s") != base.replace(**change).run_id("g", "s")
    assert base.run_id("g", "s") != base.run_id("other", "s")
    assert base.run_id("g", "s") != base.run_id("g", "other")


@given(
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.integers(0, 2**40),
    st.one_of(st.just("iqr"), st.floats(0.001, 0.5)),
    st.one_of(st.none(), st.lists(st.sampled_from(["layer1", "layer2"]), min_size=1, unique=True)),
)
def test_a_request_survives_json_and_its_command_says_it_all(
    images: int, calibration: int, seed: int, threshold: str | float, layers: list[str] | None
) -> None:
    values = {
        "generator": "faces",
        "images": images,
        "calibration": calibration,
        "seed": seed,
        "threshold": threshold,
        "layers": layers,
    }
    request = parse("dissect", values)
    assert parse("dissect", request.model_dump(mode="json")) == request
    words = shlex.split(request.command())
    assert words[:3] == ["ganatomy", "dissect", "faces"]
    assert str(images) in words
    assert str(seed) in words


def test_a_name_that_is_none_is_said_plainly() -> None:
    with pytest.raises(GanatomyError, match=r"layers: '' cannot be a name\.$"):
        parse("dissect", {"generator": "planted", "layers": [""]})


def test_a_dissection_without_reference_pictures_is_the_run_that_it_was() -> None:
    plain = DissectionRequest(generator="churches")
    assert "reference" not in plain.content()
    assert plain.run_id("g", "s") != plain.replace(reference="drawn:churches").run_id("g", "s")
    with pytest.raises(GanatomyError, match="reference"):
        parse("dissect", {"generator": "churches", "reference": "../../etc"})
