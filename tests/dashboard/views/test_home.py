"""Home: totals, the newest run's best units, and a card per run."""

from collections.abc import Callable

import pandas as pd
from pages import Page

from dashboard.discoveries import sentences


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    page = empty("home")
    assert "There is no run in this store yet" in page.text
    assert not page.test.metric


def test_runs_are_counted_and_each_has_a_card(full: Callable[..., Page]) -> None:
    page = full("home")
    figures = {metric.label: metric.value for metric in page.test.metric}
    assert figures["Runs"] == "5"  # two dissections, and a run of each other study
    assert figures["Evaluation images"] == "128"
    assert "**planted** seen by planted" in page.text
    assert "**planted-scenes** seen by scene-colours" in page.text
    assert "No worker is alive" in page.warnings  # a job waits in this store


def test_what_each_study_found_is_told_and_linked(full: Callable[..., Page]) -> None:
    page = full("home")
    assert "What switching units off and on showed" in page.text
    for said in ("Switching off", "Forcing on", "rtifact units"):
        assert said in page.text


def test_detectors_stand_beside_those_of_the_random_twin() -> None:
    runs = pd.DataFrame({"detectors": [167, 40], "twin_detectors": [1, None]})
    assert sentences.random_twins(runs) == "1 with random weights, for 167 of them"
    assert sentences.random_twins(runs.head(1)) == "1 with random weights"
    assert sentences.random_twins(runs.tail(1)) is None
