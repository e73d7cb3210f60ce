"""The Search page: filters before limits, and notes that open the page of what they are about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from db import store, workspace
from db.layout import Layout

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
Search = Callable[..., AppTest]


@pytest.fixture
def search(layout: Layout, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Search:
    """Opens Search over 13 runs of ada and an older one of bob, and a study of causes."""
    write_run("bobs", owner="bob", project="roofs", started_at="2020-01-01T00:00:00")
    for number in range(13):
        write_run(f"ada-{number}", owner="ada", project="doors", started_at="2026-01-01T00:00:00")
    write_run("study", kind="causes", owner="ada", project="doors", parent_run_id="bobs")
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))

    def open_search(**parameters: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/search.py")
        for name, value in parameters.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return open_search


def links(app: AppTest) -> list[tuple[str, str, str]]:
    """The label, the page and the parameters of every link to a page."""
    found: list[Any] = [each.proto for each in app.get("page_link")]
    return [(each.label, each.page, each.query_string) for each in found]


def test_a_filter_by_owner_finds_what_the_newest_would_hide(search: Search) -> None:
    assert not any("bobs" in label for label, *_ in links(search(q="planted")))
    assert any("bobs" in label for label, *_ in links(search(q="planted", whose="bob")))
    assert any("bobs" in label for label, *_ in links(search(q="planted", **{"in": "roofs"})))


def test_a_note_opens_the_page_of_its_run(search: Search, layout: Layout) -> None:
    space = workspace.open(layout)
    space.add("note", "ada", run_id="study", text="remarkable causes")
    space.add("note", "ada", run_id="bobs", text="remarkable units")
    pages = {label.split("**")[1]: page for label, page, _ in links(search(q="remarkable"))}
    assert pages == {"remarkable causes": "causes", "remarkable units": "units"}


@pytest.mark.parametrize("asked", ["door", "Which units draw doors?", "doors and trees"])
def test_a_question_finds_the_concepts_in_it(search: Search, asked: str) -> None:
    labels = [label for label, *_ in links(search(q=asked))]
    assert any(label.startswith("**door**") for label in labels)
    assert any(label.startswith("**tree**") for label in labels) == ("trees" in asked)
