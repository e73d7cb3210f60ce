"""A run beside its twin with random weights: counts stand beside each other, and the twin is no result."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pages import Page

from db import store
from db.layout import Layout


@pytest.fixture
def beside(layout: Layout, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Eight units of which six are detectors, and later four random ones of which two are."""
    for run_id, units, control in (("trained", 8, "none"), ("twin", 4, "random-weights")):
        write_run(
            run_id,
            units=units,
            settings={"generator": "planted", "control": control},
            started_at=f"2026-01-0{units // 4}" if control == "none" else "2026-01-09",
            grid_height=4,
            grid_width=4,
        )
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    return layout


@pytest.mark.usefixtures("beside")
def test_home_counts_the_trained_and_tells_of_the_random_ones() -> None:
    page = Page.open("home")
    figures = {metric.label: metric.value for metric in page.test.metric}
    assert (figures["Runs"], figures["Units"], figures["Detectors"]) == ("1", "8", "6")
    assert "6 detectors among 8 units, 1 concept; with random weights 2 detectors" in page.text
    assert "2 detectors among 4 units, 1 concept" in page.text
    assert page.text.count("; with random weights") == 1
    assert page.text.count("gray-badge[control]") == 1


@pytest.mark.usefixtures("beside")
def test_units_are_those_of_the_trained_beside_the_count_of_the_random_ones() -> None:
    page = Page.open("units")
    assert page.address["run"] == "trained"
    assert "8 units of 8, 6 detectors, 1 distinct concept." in page.text
    assert "With random weights, the layer has 2 detectors." in page.text
    page.choose("Names by", "paper")
    assert "8 units of 8, 7 named, 1 distinct concept." in page.text
    assert "With random weights, the layer has" not in page.text
    assert "With random weights, the layer has" not in Page.open("units", run="twin").text


@pytest.mark.usefixtures("beside")
def test_layers_lead_with_both_counts() -> None:
    page = Page.open("layers")
    assert "6 of 8 units are detectors" in page.text
    assert "With random weights there are 2, where the trained layers have 6." in page.text
    (table,) = page.test.dataframe
    assert table.value["twin_detectors"].tolist() == [2]


def test_a_run_that_has_just_begun_hides_no_results(beside: Layout, write_run: Callable[..., Path]) -> None:
    """It is the newest, and has no detector yet."""
    write_run("begun", units=1, started_at="2026-01-10", state="provisional")
    store.publish(beside)
    assert "0 detectors among 1 unit" in Page.open("home").text
    assert "The detector with the largest lift for each concept" in Page.open("home").text
    assert Page.open("units").address["run"] == "trained"
