"""Home: totals, the newest run's best units, and a card per run."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    page = empty("home")
    assert "There is no run in this store yet" in page.text
    assert not page.test.metric


def test_runs_are_counted_and_each_has_a_card(full: Callable[..., Page]) -> None:
    page = full("home")
    figures = {metric.label: metric.value for metric in page.test.metric}
    assert figures["Runs"] == "2"
    assert figures["Evaluation images"] == "128"
    assert "**planted** seen by planted" in page.text
    assert "**planted-scenes** seen by scene-colours" in page.text
    assert "No worker is alive" in page.warnings  # a job waits in this store
