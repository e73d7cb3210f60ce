"""Artifacts: the curve of distances, ranked units, marks by hand."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    page = empty("artifacts")
    assert "ganatomy artifacts" in page.text


def test_the_finding_comes_first(full: Callable[..., Page]) -> None:
    page = full("artifacts")
    assert "**No artifact units were found**" in page.text
    assert "Without the 12 units that help most" in page.text
    assert page.widget("Picture size").value == 160


def test_choices_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("artifacts").choose("Ranked by", "images")
    assert page.address["by"] == "images"
    assert "Bau et al. 2019" in page.text
    page.choose("First n units", 2)
    assert page.address["n"] == "2"


def test_a_mark_is_set_and_taken_back(full: Callable[..., Page]) -> None:
    page = full("artifacts").click("Mark unit 1")
    assert "Marked: 1" in page.text
    assert "Marked: none yet" in page.click("Undo").text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("artifacts", run="gone-1", by="?", at="9999", n="x", metric="?")
    assert any("Run gone-1 has no artifact units" in error for error in page.errors)
    assert len(page.errors) == 1
