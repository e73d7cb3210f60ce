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
    table = page.test.dataframe[0].value
    assert table["named"].tolist() == table["detectors"].tolist() == [16, 10]
    assert "26 of 45 units are detectors" in page.text
    assert "of them detect another concept too" in page.text
    page.choose("Names by", "paper")
    assert page.address["rule"] == "paper"
    table = page.test.dataframe[0].value
    assert (table["named"].tolist(), table["detectors"].tolist()) == ([25, 11], [16, 10])
    assert table["distinct_concepts"].tolist() == [13, 11]
    assert "26 of 45 units are detectors" in page.text  # the headline does not go by the paper's rule
    page.choose("IoU over", 0.2)
    assert page.test.dataframe[0].value["named"].tolist()[0] < 25


def test_a_baseline_with_random_weights_is_offered_where_there_is_none(full: Callable[..., Page]) -> None:
    page = full("layers")
    assert "With random weights there are" not in page.text
    assert page.test.dataframe[0].value["twin_detectors"].isna().all()


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("layers", run="gone-1", rule="?", by="?")
    assert any("Run gone-1 is not in this store" in error for error in page.errors)


def test_units_that_never_vary_are_counted(inverted: Callable[..., Page]) -> None:
    page = inverted("layers", run="inverted-1")
    assert "1 unit has one value in every image." in page.text
    assert "dead" not in page.text
