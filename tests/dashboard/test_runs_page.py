"""The Runs page: found by project and owner, given a title, put away and brought back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.team import notes
from db import store, workspace
from db.layout import Layout
from db.store import removal

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture
def app(layout: Layout, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The Runs page over three runs of two projects; one stands on another."""
    write_run("base", project="roofs", owner="ada")
    write_run("upper", project="roofs", owner="bob", parent_run_id="base")
    write_run("other", project="doors", owner="bob")
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    app = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/runs.py")
    app.session_state["cookie-ganatomy-name"] = "Ada"
    return app.run()


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def counted(app: AppTest) -> str:
    return next(str(each.value) for each in app.caption if " of 3 runs." in str(each.value))


def picker(app: AppTest, label: str) -> Any:
    return next(each for each in app.selectbox if each.label == label)


def test_runs_are_found_by_project_owner_and_title(app: AppTest, layout: Layout) -> None:
    assert counted(app) == "3 of 3 runs."
    picker(app, "Project").set_value("roofs").run()
    assert counted(app) == "2 of 3 runs."
    picker(app, "Owner").set_value("bob").run()
    assert counted(app) == "1 of 3 runs."
    assert (app.query_params["in"], app.query_params["whose"]) == ("roofs", "bob")
    picker(app, "Project").set_value("").run()
    picker(app, "Owner").set_value("").run()
    workspace.open(layout).rename_run("Ada", "other", "the red doors")
    next(each for each in app.text_input if each.label == "Find a run").set_value("red").run()
    assert counted(app) == "1 of 3 runs."
    assert any("the red doors" in str(each.value) for each in app.markdown)


def test_a_run_goes_with_what_stands_on_it_and_one_click_brings_all_back(
    app: AppTest, layout: Layout
) -> None:
    press(app, "archive-base")
    assert removal.archived(layout) == ["base", "upper"]
    assert any("archived with 1 run that is based on it" in str(each.value) for each in app.markdown)
    press(app, "undo-put-away")
    assert removal.archived(layout) == []
    assert counted(app) == "3 of 3 runs."
    press(app, "delete-other")
    assert removal.trashed(layout) == ["other"]
    app.query_params["where"] = "trash"
    app.run()
    assert any("deleted by Ada" in str(each.value) for each in app.markdown)
    assert app.button(key="empty-trash").disabled
    press(app, "back-other")
    assert removal.trashed(layout) == []
    events = workspace.open(layout).rows("event")
    assert set(events["author"]) == {"Ada"}
    assert events["what"].tolist() == ["archived"] * 2 + ["restored"] * 2 + ["deleted", "restored"]


def test_notes_are_about_what_the_address_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        url = "http://localhost/concept?run=r&concept=door"

    monkeypatch.setattr(notes.st, "context", Context)
    monkeypatch.setattr(notes.st, "query_params", {"run": "r", "concept": "door", "runs": "a,b"})
    assert notes.of_page() == notes.subject("r", concept="door")
    Context.url = "http://localhost/causes?run=r"
    assert notes.of_page() == notes.subject("r")
    Context.url = "http://localhost/compare?runs=a%2Cb&layer=x"
    assert notes.of_page() == notes.subject(view="compare?runs=a%2Cb")
    Context.url = "http://localhost/unit?run=r"
    assert notes.of_page() is None  # it shows its notes itself
