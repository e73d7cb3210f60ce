"""The page of a concept, and the search that leads to it."""

import re
from collections.abc import Callable

import pytest
from pages import Page

from db import workspace
from db.layout import Layout

RUN = "planted-scenes-b103786cbd"


def test_a_concept_has_its_units_its_causes_and_its_pictures(full: Callable[..., Page]) -> None:
    page = full("concept", run=RUN, concept="door")
    assert "10 units detect door**, in 2 layers. The best is layer2 unit 11" in page.text
    assert (
        "switching off 8 units of layer1 removes **100% (100% to 100%)** of its pixels, more than any of"
        in page.text
    )
    assert "the learned causes" in page.text
    assert "layer2 unit 11" in page.text


def test_the_contents_lead_to_every_section(full: Callable[..., Page]) -> None:
    page = full("concept", run=RUN, concept="door")
    (contents,) = (each.value for each in page.test.markdown if each.value.startswith("[In each layer]"))
    led = re.findall(r"\[([^]]+)\]\(#([^)]+)\)", contents)
    assert led == [(each.value, each.proto.anchor) for each in page.test.header]
    assert page.widget("Picture size").value == 160


def test_a_concept_without_detectors_says_so(full: Callable[..., Page]) -> None:
    page = full("concept", run=RUN, concept="sky")
    assert "**No unit detects sky.**" in page.text
    assert "A unit that agrees with a concept need not cause it." in page.text


def test_an_unknown_concept_is_not_replaced_by_another(full: Callable[..., Page]) -> None:
    page = full("concept", run=RUN, concept="unicorn")
    assert page.errors == ["This run knows no concept unicorn; choose one."]
    assert "detect" not in page.text.replace("Which units detect a concept", "")


def test_home_leads_to_each_concept(full: Callable[..., Page]) -> None:
    page = full("home")
    assert "Start from a concept:" in page.text
    assert page.widget("Picture size").value == 160


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("door", {"Concepts", "Units"}),
        ("layer2 unit 11", {"Units"}),
        (RUN, {"Runs"}),
        ("compare", {"Pages"}),
    ],
)
def test_a_search_finds_things_by_their_names(
    full: Callable[..., Page], text: str, headings: set[str]
) -> None:
    page = full("search", q=text)
    assert headings <= {each.value for each in page.test.header}


def test_a_search_that_finds_nothing_says_so(full: Callable[..., Page]) -> None:
    assert "Nothing here is called" in full("search", q="*[unicorn](x)*").text


def test_notes_and_saved_views_are_found(full: Callable[..., Page], full_store: Layout) -> None:
    space = workspace.open(full_store)
    space.add("note", "ada", run_id=RUN, layer="layer1", unit=3, text="a curious gargoyle")
    space.add("saved_view", "ada", name="gargoyles", page="units", address=f"run={RUN}&layer=layer1")
    page = full("search", q="gargoyle")
    assert [each.value for each in page.test.header] == [
        "Notes, tags and marks",
        "Saved queries, boards and views",
    ]
