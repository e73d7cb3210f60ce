"""Boards: results of saved queries and notes, in an order; one that fails leaves the others."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pages import Page

from dashboard.team import boards
from db import workspace
from db.layout import Layout
from db.permissions import Person
from db.sql import console, saved

LAYERS = "SELECT layer, count(*) AS n FROM unit GROUP BY layer ORDER BY layer"


@pytest.fixture
def board(full_store: Layout) -> Iterator[str]:
    """A board with a chart, a table, a query that fails, a run that is gone, and a note."""
    saved.save(full_store, Person("ada"), "layers", LAYERS)
    saved.save(full_store, Person("ada"), "wrong", "SELECT conept FROM run")
    saved.save(full_store, Person("ada"), "of run", "SELECT :run AS run_id, :own AS own")
    saved.save(full_store, Person("bob"), "layers", "SELECT 1")
    space = workspace.open(full_store)
    own = []
    for place, values in enumerate(
        (
            {"title": "Chart", "query": "layers", "version": 1, "address": "chart=bar&x=layer&y=n"},
            {"title": "Wrong", "query": "wrong", "version": 1, "address": ""},
            {"title": "*Why*", "text": "because :red[so]\nand so"},
            {"title": "Gone", "query": "of run", "version": 1, "address": "p.run=gone&p.own=x"},
            {"title": "Table", "query": "layers", "version": 1, "address": "rows=1000"},
        )
    ):
        own.append(space.add(boards.TABLE, "ada", board="Our *board*", place=place, **values))
    yield "Our *board*"
    for row in own:
        space.remove(boards.TABLE, row)


def titles(page: Page) -> list[str]:
    return [each.value for each in page.test.subheader]


def test_a_board_shows_its_results_and_notes(full: Callable[..., Page], board: str) -> None:
    page = full("boards", board=board)
    assert len(page.test.get("vega_lite_chart")) == 1
    assert page.test.dataframe[-1].value["layer"].tolist() == ["layer1", "layer2"]
    assert "Binder Error" in page.errors[0]
    assert page.errors[1] == "Run gone is not in this store; open the query and choose another."
    assert titles(page) == ["Chart", "Wrong", r"\*Why\*", "Gone", "Table"]
    assert r"because \:red\[so\]" in page.text.replace("\N{WORD JOINER}", "")
    assert "version 1 (newest: 2) · pinned by ada, just now" in page.text


def test_a_query_that_failed_is_not_run_again_until_somebody_asks(
    full: Callable[..., Page], board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = full("boards", board=board)
    asked: list[str] = []
    run = console.run

    def counted(layout: Layout, statement: str, *more: Any, **named: Any) -> console.ConsoleResult:
        asked.append(statement)
        return run(layout, statement, *more, **named)

    monkeypatch.setattr(console, "run", counted)
    assert "Binder Error" in page.run().errors[0]
    assert asked == []
    page.click("Run it again")
    assert asked == ["SELECT conept FROM run"]
    assert "Binder Error" in page.errors[0]


def test_entries_are_moved_removed_and_written_again(full: Callable[..., Page], board: str) -> None:
    page = full("boards", board=board)
    next(each for each in page.test.button if each.label == "Down").click()
    assert titles(page.run()) == ["Wrong", "Chart", r"\*Why\*", "Gone", "Table"]
    page.click("Remove")
    assert titles(page) == ["Chart", r"\*Why\*", "Gone", "Table"]
    page.click("Undo: write the board entry again")
    assert titles(page) == ["Wrong", "Chart", r"\*Why\*", "Gone", "Table"]
    [each for each in page.test.text_input if each.label == "Title"][1].set_value("Mended")
    assert titles(page.click("Change it")) == ["Mended", "Chart", r"\*Why\*", "Gone", "Table"]
    page.widget("Title").set_value("Next")
    page.click("Keep")
    assert titles(page)[-1] == "Next"


def test_a_board_is_begun_listed_and_unknown_ones_are_told(
    full: Callable[..., Page], full_store: Layout, board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert full("boards", board="nothing").errors[0].startswith("There is no board nothing")
    page = full("boards")
    page.widget("Name of the board").set_value("Second")
    page.widget("Note").set_value("first words")
    page.click("Keep")
    assert page.address["board"] == "Second"
    assert "first words" in page.text
    page.widget("New name of the board").set_value("Third")
    page.click("Rename it")
    assert page.address["board"] == "Third"
    assert "first words" in page.text
    page.widget("New name of the board").set_value(board)  # of one that is there: at its end
    assert titles(page.click("Rename it"))[0] == "Chart"
    space = workspace.open(full_store)
    (note,) = space.rows(boards.TABLE, text="first words").itertuples()
    assert (note.board, note.place) == (board, space.rows(boards.TABLE, board=board)["place"].max())
    space.remove(boards.TABLE, note.id)
    monkeypatch.setenv("GANATOMY_READ_ONLY", "1")
    page = full("boards", board=board)
    assert titles(page)[0] == "Chart"
    assert not {"Up", "Remove", "Keep"} & {each.label for each in page.test.button}


def test_a_saved_query_is_pinned_as_it_is_shown(
    full: Callable[..., Page], full_store: Layout, board: str
) -> None:
    assert "Pin it" not in [each.label for each in full("sql", q=LAYERS).test.button]
    page = full("sql", saved="layers", version="1", chart="line")
    page.choose("Title", "Pinned").click("Pin it")
    row = workspace.open(full_store).rows(boards.TABLE).iloc[-1]
    assert (row.board, row.title, row["query"], row.version) == (board, "Pinned", "layers", 1)
    assert row.address == "chart=line"
    assert "Pinned" in titles(full("boards", board=board))
