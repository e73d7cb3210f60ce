"""Unit: one unit's threshold, concepts and effects."""

from collections.abc import Callable

from pages import Page

RUN = {"run": "planted-scenes-b103786cbd", "layer": "layer1"}


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("unit").text


def test_a_unit_is_shown_at_its_scored_threshold(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1")
    assert "layer1 unit 1" in page.text
    assert "The scored threshold" in page.text
    assert page.test.subheader[1].value == "Agrees with"


def test_another_threshold_has_no_interval_and_a_way_back(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1")
    scored = page.address["t"]
    page = full("unit", **RUN, unit="1", t=str(int(scored) - 1))
    assert "Not the scored threshold" in page.text
    assert page.click("Back to the scored threshold").address["t"] == scored


def test_effects_stand_beside_the_agreement_where_they_were_measured(full: Callable[..., Page]) -> None:
    assert "Switched off alone" in full("unit", **RUN, unit="1").text
    assert "No causes have been" in full("unit", **{**RUN, "layer": "layer2"}, unit="1").text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="9999", t="x", concept="?")
    assert page.errors == ["layer1 has units 0 to 31; there is no unit 9999."]
    assert full("unit", **RUN, unit="x").errors == []
