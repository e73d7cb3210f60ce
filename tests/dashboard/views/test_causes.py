"""Causes: the finding in a sentence, curves, and what else changes."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    page = empty("causes")
    assert "No causes have been learned in this store yet" in page.text
    assert "ganatomy ace" in page.text


def test_the_finding_comes_first(full: Callable[..., Page]) -> None:
    page = full("causes")
    assert "Switching off the first **8 units** (to 0) removes **100% (100% to 100%)**" in page.text
    assert "None of them had reached a plateau" in page.warnings


def test_choices_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("causes").choose("Edit", "insert")
    assert page.address["edit"] == "insert"
    assert "the share of pixels that gain the concept" in page.text
    page.choose("Units", 1)
    assert page.address["n"] == "1"
    assert "**Ablated**, 1 unit" in page.text
    assert "first 1 unit" in page.text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("causes", run="gone-1", edit="?", beside="?", n="x")
    assert any("Run gone-1 has no causes" in error for error in page.errors)
