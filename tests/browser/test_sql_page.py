"""The SQL workbench in a browser: a question, the editor's keys, a mistake, a name from the schema."""

import csv

import pytest
from playwright.sync_api import Browser, expect
from visiting import Visitor

pytestmark = pytest.mark.browser


def test_a_statement_is_written_run_and_mended(visitor: Visitor) -> None:
    page = visitor.open("/sql?question=layer-of-concept")
    expect(page.get_by_text("2 rows")).to_be_visible()
    editor = page.get_by_label("Statement", exact=True)
    assert ":concept" in editor.input_value()
    editor.fill("SELECT conept FROM uni")
    editor.press("End")
    editor.press_sequentially("t_l")
    expect(page.get_by_role("option").first).to_have_text("unit_label")
    editor.press("Tab")  # takes the completion
    assert editor.input_value() == "SELECT conept FROM unit_label"
    editor.press("Control+Enter")
    expect(page.get_by_text("Line 1, column 8")).to_be_visible()
    expect(page.locator(".wrong")).to_have_text("conept")
    visitor.settle()

    editor.fill("select unit from unit where unit<3")
    editor.press("Shift+Alt+F")
    expect(editor).to_have_value("SELECT unit\nFROM unit\nWHERE unit < 3")
    editor.fill("select (1")
    page.get_by_role("button", name="Format").click()
    expect(page.get_by_text("has a ( without its other half")).to_be_visible()
    assert editor.input_value() == "select (1"
    visitor.settle()

    editor.fill("SELECT ")
    page.get_by_role("button", name="Write unit_concept into the statement").click()
    expect(editor).to_have_value("SELECT unit_concept")
    page.get_by_role("list", name="Columns of unit_concept").get_by_role("button", name="lift_low").click()
    expect(editor).to_have_value("SELECT unit_concept lift_low")
    page.get_by_text("Relations", exact=True).click()
    expect(page.get_by_role("img", name="unit_concept points to concept by run_id, concept")).to_be_visible()
    editor.fill("SELECT layer FROM unit\nSELECT 1")
    editor.evaluate("area => area.setSelectionRange(0, 22)")  # what is selected is run alone
    editor.press("Control+Enter")
    expect(page.get_by_text("Only the selected part was run")).to_be_visible()
    expect(page.get_by_text("72 rows")).to_be_visible()
    assert "SELECT 1" in str(visitor.parameter("q"))


def test_a_long_statement_is_cancelled_and_another_runs(visitor: Visitor) -> None:
    page = visitor.open("/sql?question=own")
    editor = page.get_by_label("Statement", exact=True)
    editor.fill("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7.5")
    editor.press("Control+Enter")
    expect(page.get_by_text("Running for")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=False).click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    visitor.settle()
    editor.fill("SELECT 41 + 1 AS found")
    editor.press("Control+Enter")
    expect(page.get_by_text("1 row", exact=False)).to_be_visible()
    expect(page.get_by_text("Cancelled after")).to_be_hidden()


def test_a_link_shows_columns_order_and_pictures_and_files_have_the_same(visitor: Visitor) -> None:
    with visitor.page.expect_response("**/picture.png*") as picture:
        page = visitor.open("/sql?question=best-units&columns=unit,concept&sort=unit&order=down")
    assert picture.value.ok
    file = visitor.download(page.get_by_role("button", name="Answer as CSV"))
    names, *rows = csv.reader(file.read_text().splitlines())
    assert names == ["unit", "concept"]
    units = [int(unit) for unit, _ in rows]
    assert (len(units), units) == (20, sorted(units, reverse=True))
    visitor.settle()
    page.get_by_role("button", name="Columns (2 of 9)").click()
    for name in ("lift", "iou"):  # the choice stays open
        page.get_by_role("combobox", name="Columns").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        expect(page.get_by_role("button", name=f"Remove {name}", exact=True)).to_be_visible()
        visitor.settle()
    visitor.expect_parameter("columns", "unit,concept,lift,iou")


def test_a_query_is_saved_changed_and_pinned_to_a_board(visitor: Visitor, browser: Browser) -> None:
    statement = "SELECT layer, count(*) AS units FROM unit GROUP BY layer ORDER BY layer"
    page = visitor.open("/sql?chart=bar&q=SELECT+1")
    editor = page.get_by_label("Statement", exact=True)
    editor.fill(statement)  # saved as it stands there, though nobody ran it
    button = page.get_by_role("button", name="Save query")
    button.click()
    page.get_by_label("Name of the query").fill("layers *by* size")
    page.get_by_label("Name of the query").press("Enter")
    save = page.get_by_role("button", name="Save it")
    expect(save).to_be_enabled()
    visitor.turn(save, "version", "1")
    page.keyboard.press("Escape")
    expect(page.get_by_text("layers *by* size, version 1 ·")).to_be_visible()
    visitor.settle()  # until then, the editor may be there twice, as it was and as it is
    expect(editor).to_have_value(statement)
    assert visitor.parameter("q") == statement

    editor.fill(statement.replace("units", "many"))
    editor.press("Control+Enter")
    expect(page.get_by_text("You have changed its statement.")).to_be_visible()
    expect(page.get_by_role("button", name="Pin to a board").last).to_be_disabled()  # it was not saved
    page.get_by_role("radio", name="Table").click()
    page.wait_for_function("() => !new URL(location).searchParams.has('chart')")
    visitor.settle()
    button.click()
    visitor.turn(save, "version", "2")
    page.keyboard.press("Escape")

    def pin() -> None:
        visitor.settle()
        page.get_by_role("button", name="Pin to a board").click()
        page.get_by_role("button", name="Pin it").click()
        expect(page.get_by_text("Pinned to Team.").last).to_be_visible()
        page.keyboard.press("Escape")

    pin()
    page.get_by_role("button", name="Versions (2)").click()
    visitor.turn(page.get_by_role("button", name="Open version 1"), "version", "1")
    page.keyboard.press("Escape")
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_be_visible()
    assert (visitor.parameter("q"), visitor.parameter("chart")) == (statement, "bar")
    pin()

    colleague = browser.new_context(viewport={"width": 1400, "height": 1000})
    fresh = Visitor(colleague.new_page(), visitor.url).watch()
    board = fresh.open("/boards?board=Team")
    expect(board.locator("[data-testid=stVegaLiteChart]")).to_have_count(1)
    expect(board.locator("[data-testid=stDataFrame]")).to_have_count(1)
    expect(board.get_by_text("version 1 (newest: 2)")).to_be_visible()
    fresh.must_be_well()
    colleague.close()
