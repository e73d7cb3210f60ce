"""Layers: named units and concepts per layer, under a rule."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("layers").text


def test_charts_and_digits_are_shown(full: Callable[..., Page]) -> None:
    page = full("layers")
    (table,) = page.test.dataframe
    assert table.value["layer"].tolist() == ["layer1", "layer2"]
    assert table.value["units"].tolist() == [32, 13]


def test_another_rule_names_other_units(full: Callable[..., Page]) -> None:
    page = full("layers")
    before = page.test.dataframe[0].value["named"].tolist()
    page.choose("Rule", "calibrated")
    assert page.address["rule"] == "calibrated"
    assert page.test.dataframe[0].value["named"].tolist() != before


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("layers", run="gone-1", rule="?", by="?")
    assert "Run gone-1 is not in this store" in page.warnings
