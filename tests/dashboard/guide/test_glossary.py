"""The glossary stands once: the documentation and the tooltips say the same."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.guide import glossary, manual, tour
from dashboard.widgets import page, page_list, words

ROOT = Path(__file__).parents[3]


def test_the_documentation_is_made_from_it() -> None:
    made = glossary.document()
    told = "run `python -m dashboard.guide.glossary > docs/glossary.md`"
    assert (ROOT / "docs" / "glossary.md").read_text() == made, told


def test_a_tooltip_has_meaning_formula_and_source() -> None:
    term = glossary.TERMS["iou"]
    for part in (term.meaning, f"`{term.formula}`", f"Source: {term.source}."):
        assert part in words.HELP["iou"]


def test_no_word_is_explained_twice() -> None:
    names = [term.word for term in glossary.TERMS.values()]
    assert len(set(names)) == len(names)


def test_the_tour_has_five_steps_on_pages_that_exist() -> None:
    assert len(tour.STEPS) == 5
    assert tour.STEPS[0].view == "home"
    assert {step.view for step in tour.STEPS} <= set(page_list.VIEWS)


def test_the_keys_are_listed_under_pages_that_exist() -> None:
    titles = {each.title for each in page_list.PAGES} | {"Every page"}
    assert set(manual.KEYS) <= titles


def test_the_help_is_made_when_it_is_opened() -> None:
    def script() -> None:
        from dashboard.guide import manual

        manual.button()

    test = AppTest.from_function(script, default_timeout=60).run()
    assert not test.markdown
    test.button[0].click().run()
    assert any("forget the stroke" in each.value for each in test.markdown)
    assert any(glossary.TERMS["iou"].meaning in each.value for each in test.markdown)


def test_the_tour_goes_on_until_it_is_left() -> None:
    def script() -> None:
        from dashboard.guide import tour

        tour.draw()

    test = AppTest.from_function(script, default_timeout=60).run()
    assert not test.button
    test.session_state[tour.STEP] = 5
    test.run()
    assert [button.label for button in test.button] == ["Back", "Done"]
    test.button[1].click().run()
    assert not test.button


def test_the_project_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANATOMY_STORE", str(tmp_path / "faces" / "store"))
    assert page.project() == "faces"
    monkeypatch.setenv("GANATOMY_PROJECT", "Portraits")
    assert page.project() == "Portraits"
