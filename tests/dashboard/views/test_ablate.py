"""Ablate: units by concept, by number, or in an edit."""

from collections.abc import Callable

import pytest
from pages import Page

RUN = {"run": "planted-scenes-b103786cbd", "layer": "layer1"}


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("ablate").text


def test_the_best_units_of_a_concept_are_ablated(full: Callable[..., Page]) -> None:
    page = full("ablate", **RUN)
    assert page.test.code[-1].value.startswith("ablate layer1 ")
    page.choose("Best units", 2)
    assert page.address["n"] == "2"
    assert page.test.code[-1].value.count(",") == 1


def test_the_concept_is_counted_in_the_images(full: Callable[..., Page]) -> None:
    page = full("ablate", **RUN, concept="door")
    assert "**Door covers 10.0% of the 4 images below before and 10.0% after.**" in page.text


def test_units_are_chosen_by_number(full: Callable[..., Page]) -> None:
    page = full("ablate", **RUN, units="4,7-8")
    assert page.test.code[-1].value == "ablate layer1 4,7-8"
    page.choose("Beside random units", "yes")
    assert "after, with random units" in page.text


def test_an_edit_in_the_address_is_shown(full: Callable[..., Page]) -> None:
    page = full("ablate", **RUN, edit="ablate layer1 3")
    assert page.address["by"] == "edit"
    assert page.test.code[-1].value == "ablate layer1 3"


@pytest.mark.parametrize("wrong", [{"edit": "explode layer1"}, {"units": "9999"}])
def test_wrong_parameters_give_a_sentence(full: Callable[..., Page], wrong: dict[str, str]) -> None:
    page = full("ablate", **RUN, **wrong, seed="x", first="-1")
    assert page.errors or page.warnings or "Choose units" in page.text
