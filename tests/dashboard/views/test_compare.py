"""Compare: layers and runs side by side, in a shared vocabulary."""

from collections.abc import Callable

from pages import Page

BOTH = "planted-scenes-b103786cbd,planted-1839cfec24"


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("compare").text


def test_the_layers_of_a_run_are_compared(full: Callable[..., Page]) -> None:
    page = full("compare")
    assert "**What differs** · 2 arms, 14 shared concepts" in page.text
    assert "Named in every arm: building" in page.text


def test_choices_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("compare").choose("Rule", "calibrated")
    assert page.address["rule"] == "calibrated"
    assert "The calibrated rule has no cut" in page.text


def test_runs_without_a_shared_concept_cannot_be_compared(full: Callable[..., Page]) -> None:
    assert "0 shared concepts" in full("compare", runs=BOTH).text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("compare", runs="gone-1", layers="nowhere", rule="?", concept="?")
    assert "gone-1" in page.warnings
