"""Units: filters change which units are shown."""

from collections.abc import Callable

from pages import Page

RUN = {"run": "planted-1839cfec24", "layer": "layer1"}


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("units").text


def test_the_newest_run_is_shown_first(full: Callable[..., Page]) -> None:
    page = full("units")
    assert page.address["run"] == "planted-scenes-b103786cbd"
    assert "13 units of 13, 11 named, 11 distinct concepts" in page.text


def test_filters_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("units").choose("Show", "named")
    assert "11 units of 13" in page.text
    assert page.address["show"] == "named"
    page.choose("Unit number", "2-4")
    assert page.address["find"] == "2-4"
    assert "units of 13" in page.text
    assert "11 units of 13" not in page.text


def test_a_threshold_for_all_units_changes_the_scores(full: Callable[..., Page]) -> None:
    page = full("units", **RUN).choose("Threshold", "1 %")
    assert page.address["tail"] == "1 %"
    assert page.errors == []


def test_filters_that_leave_nothing_say_so(full: Callable[..., Page]) -> None:
    assert "No unit is left" in full("units", find="9999").text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("units", run="gone-1", layer="nowhere", page="x", sort="?", tail="?", cut="?")
    assert "Run gone-1 is not in this store" in page.warnings
    assert "This run has no layer nowhere" in page.warnings
