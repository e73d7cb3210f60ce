"""Context: effects by context, maps of cells, traces."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    page = empty("context")
    assert "ganatomy context" in page.text


def test_the_finding_comes_first(full: Callable[..., Page]) -> None:
    page = full("context")
    assert "**Nothing changed**: forcing 8 units on in one cell changed no door" in page.text
    assert "What position alone explains" not in page.text
    assert "**Row 0, column 0** of latent 450000" in page.text


def test_choices_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("context").choose("Compared", "raw")
    assert page.address["as"] == "raw"
    assert "The mean change of the concept over the whole image" in page.text
    page.choose("Row", 3)
    assert page.address["row"] == "3"
    assert "**Row 3, column 0**" in page.text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("context", run="gone-1", strength="?", image="9999", row="x", column="9999")
    assert any("Run gone-1 has no insertions" in error for error in page.errors)
    assert len(page.errors) == 1
