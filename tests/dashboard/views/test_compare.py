"""Compare: layers and runs side by side, in a shared vocabulary."""

from collections.abc import Callable

from pages import Page

BOTH = "planted-scenes-b103786cbd,planted-1839cfec24"


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("compare").text


def test_the_layers_of_a_run_are_compared(full: Callable[..., Page]) -> None:
    page = full("compare")
    assert "2 layers compared on the 14 concepts they share." in page.text
    assert "has the largest share of detectors" in page.text
    assert page.address["tab"] == "summary"
    page = full("compare", tab="concepts")
    assert "In every arm: building, cloud, dome, door, hill, path, plaster, roof, tree, window." in page.text
    assert "In no arm: " in page.text


def test_choices_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("compare", tab="numbers")
    assert page.widget("Names by").value == "lift"
    by_lift = page.test.dataframe[0].value
    page.choose("Names by", "paper")
    assert page.address["rule"] == "paper"
    by_iou = page.test.dataframe[0].value
    every = by_lift["category"] == "all"
    assert by_lift.loc[every, "named"].tolist() == by_lift.loc[every, "detectors"].tolist() == [16, 10]
    assert by_iou.loc[by_iou["category"] == "all", "named"].tolist() == [25, 11]
    page.choose("Count", "detectors")
    among = page.test.dataframe[0].value
    assert among.loc[among["category"] == "all", "named"].tolist() == [15, 9]


def test_scores_are_shown_by_the_chosen_measure(full: Callable[..., Page]) -> None:
    lift = full("compare", tab="numbers").test.dataframe[1].value
    assert lift["score"].tolist() == lift["lift"].tolist()
    page = full("compare", rule="paper", tab="numbers")
    assert (frame := page.test.dataframe[1].value)["score"].tolist() == frame["iou"].tolist()
    page.choose("Measure", "ceiling")
    frame = page.test.dataframe[1].value
    assert frame["score"].tolist() == frame["over_ceiling"].tolist()


def test_runs_without_a_shared_concept_are_shown_in_their_own_words(full: Callable[..., Page]) -> None:
    page = full("compare", runs=BOTH)
    assert "These runs share no concept" in page.text
    for name in ("planted-scenes", "planted"):
        assert f"**{name}**: " in page.text
    assert "units are detectors" in page.text


def test_a_run_without_reference_pictures_offers_to_compare_it(full: Callable[..., Page]) -> None:
    page = full("compare", tab="missing")
    assert "was not compared with reference pictures" in page.text
    assert page.widget("Reference pictures").value == "drawn:churches"
    assert any(each.label.startswith("Compare planted-scenes with them") for each in page.test.button)


def test_an_arm_s_best_units_and_the_tab_are_in_the_address(full: Callable[..., Page]) -> None:
    page = full("compare")
    page.choose("Best units of", page.widget("Best units of").options[1])
    assert "arm" in page.address
    again = full("compare", **page.address)
    assert again.text == page.text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("compare", runs="gone-1", layers="nowhere", rule="?", concept="?")
    assert any("gone-1" in error for error in page.errors)
