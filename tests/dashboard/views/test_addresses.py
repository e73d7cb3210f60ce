"""Every page and parameter: what an address says and is not there is told, and nothing is shown instead."""

from collections.abc import Callable

import pytest
from pages import Page

NOTHING = "zz-nothing-9"
# Typed texts: what does not fit in them is told by those who read them.
TEXTS = {"q", "units", "find", "edit", "inputs", "cron", "name", "text"}
PAGES: dict[str, dict[str, str]] = {
    "home": {"page": "1"},
    "units": {"page": "1"},
    "unit": {"unit": "1", "layer": "layer1"},
    "layers": {},
    "concept": {"concept": "window"},
    "compare": {},
    "causes": {},
    "context": {},
    "artifacts": {"at": "0"},
    "ablate": {},
    "paint": {},
    "sql": {},
    "boards": {"board": "Team"},
    "models": {},
}


def said(page: Page) -> str:
    return "\n".join([*page.errors, page.warnings]).replace("\\", "")


@pytest.mark.parametrize("view", PAGES)
def test_no_parameter_of_any_page_is_replaced_in_silence(full: Callable[..., Page], view: str) -> None:
    page = full(view, **PAGES[view])
    assert said(page) == "" or view in ("context", "causes", "models", "home")
    names = sorted({*page.address, *PAGES[view]} - TEXTS)
    for name in names:
        asked = {**page.address, name: NOTHING}
        wrong = full(view, **asked)
        assert NOTHING in said(wrong), f"{view}?{name} is passed over"
        assert wrong.address[name] == NOTHING, f"{view}?{name} was replaced by {wrong.address.get(name)}"


def test_a_unit_of_a_run_that_is_gone_shows_no_other_networks_unit(full: Callable[..., Page]) -> None:
    page = full("unit", run="removed-0123456789", layer="layer1", unit="3")
    assert "Run removed-0123456789 is not in this store" in said(page)
    assert not page.test.get("imgs")
    assert not page.test.header


@pytest.mark.parametrize("unit", ["abc", "-1", "99999", "1.5"])
def test_a_unit_that_is_none_is_not_unit_0(full: Callable[..., Page], unit: str) -> None:
    page = full("unit", layer="layer1", unit=unit)
    assert unit in said(page)
    assert not page.test.get("imgs")


def test_a_study_that_nobody_ran_is_not_another(full: Callable[..., Page]) -> None:
    page = full("causes", generator="faces", layer="layer3", concept="hair")
    assert "There are no causes of generator faces, layer layer3, concept hair" in said(page)
    assert not page.test.header


def test_a_page_stops_only_until_one_chooses(full: Callable[..., Page]) -> None:
    page = full("units", layer="nowhere")
    assert "This run has no layer nowhere; choose layer1" in said(page)
    page.choose("Layer", "layer1")
    assert said(page) == ""
    assert page.address["layer"] == "layer1"


def test_what_a_persons_own_change_takes_away_is_set_back_with_a_word(full: Callable[..., Page]) -> None:
    page = full("units", run="planted-scenes-b103786cbd", layer="layer1").choose("Show", "several")
    page.choose("Names by", "paper")
    assert page.errors == []
    assert "\u201cShow\u201d was several, which does not exist here" in said(page)
    assert page.address["show"] == "all"


def test_pages_remember_run_and_layer(full: Callable[..., Page]) -> None:
    page = full("units", run="planted-1839cfec24")
    other = next(name for name in page.widget("Layer").options if not name.startswith(page.address["layer"]))
    layer = other.split(" ")[0]
    page.choose("Layer", layer)
    for name in list(page.address):
        del page.test.query_params[name]
    page.run()
    assert (page.address["run"], page.address["layer"]) == ("planted-1839cfec24", layer)
