"""The Context page in a browser: contexts are the store's, a click on a cell shows it before and after."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from effects_store import copied, insert
from playwright.sync_api import Browser, expect
from visiting import Dashboard, Visitor, serve

from db import store as stores
from db.layout import Layout
from db.queries import context

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    layout = copied(store, tmp_path_factory.mktemp("inserted") / "store")
    insert(layout)
    yield from serve(layout.root)


def test_the_finding_and_what_position_explains_come_first(visitor: Visitor) -> None:
    page = visitor.open("/context")
    expect(page.get_by_text("What position alone explains")).to_be_visible()
    for heading in ("By what was there", "Where it responds", "What later layers make of it"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert visitor.parameter("strength") == "k"


def test_the_contexts_are_those_of_the_store(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/context?strength=2k&as=raw")
    file = visitor.download(page.get_by_role("button", name="Contexts as CSV"))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    snapshot = stores.open(Layout(dashboard.store))
    frame = context.contexts(snapshot, str(visitor.parameter("run")))
    assert [row["context"] for row in rows] == frame["context"].tolist()
    assert [int(row["locations"]) for row in rows] == frame["locations"].tolist()
    page.get_by_role("radio", name="Within rows").click()
    visitor.expect_parameter("as", "row")
    assert visitor.parameter("strength") == "2k"


def test_a_click_on_a_cell_shows_it_before_and_after(visitor: Visitor) -> None:
    page = visitor.open("/context?strength=2k&image=1")
    expect(page.get_by_text(re.compile("^insert layer1 .* at "))).to_be_visible()
    before = (visitor.parameter("row"), visitor.parameter("column"))
    chart = page.locator("[data-testid=stVegaLiteChart]").nth(2)
    chart.scroll_into_view_if_needed()  # the mouse reaches only what is in the window
    expect(chart.locator("canvas, svg")).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    tried = [(r, c) for r in range(8) for c in range(8)]
    for row, column in tried:  # one cell in four was tried: the first that answers will do
        if (str(row), str(column)) == before:
            continue
        side = 372 / 8
        page.mouse.click(box["x"] + (column + 0.5) * side, box["y"] + (row + 0.5) * side)
        page.wait_for_timeout(700)
        if (visitor.parameter("row"), visitor.parameter("column")) != before:
            break
    visitor.settle()
    now = (str(visitor.parameter("row")), str(visitor.parameter("column")))
    assert now != before
    expect(page.get_by_text(f"Row {now[0]}, column {now[1]}")).to_be_visible()
    expect(page.get_by_text(re.compile(f" at {now[0]}:{now[1]}$"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Latent 450001: before · after"))).to_be_visible()
    assert (visitor.parameter("image"), visitor.parameter("strength")) == ("1", "2k")


def test_an_address_says_the_cell_and_leads_to_the_edit(visitor: Visitor) -> None:
    page = visitor.open("/context?image=2&row=3&column=4")
    expect(page.get_by_text("Row 3, column 4")).to_be_visible()
    page.get_by_role("link", name="Open this edit on the Ablate page").click()
    expect(page.get_by_role("heading", name="Ablate")).to_be_visible()
    visitor.expect_parameter("by", "edit")
    assert str(visitor.parameter("edit")).endswith("at 3:4")
    assert visitor.parameter("first") == "450002"


@pytest.mark.slow
def test_without_an_insertion_the_way_to_one_is_said(browser: Browser, store: Path) -> None:
    for served in serve(store):
        context = browser.new_context()
        visitor = Visitor(context.new_page(), served.url).watch()
        page = visitor.open("/context?generator=planted&layer=layer1&concept=disc")
        expect(page.get_by_text("Nothing has been inserted in this store yet")).to_be_visible()
        page.get_by_role("link", name="Queue one on the Jobs page").click()
        expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        visitor.expect_parameter("kind", "context")
        visitor.expect_parameter("concept", "disc")
        expect(page.get_by_role("combobox", name="Patch")).to_be_visible()
        visitor.must_be_well()
        context.close()
