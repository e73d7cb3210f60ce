"""The Artifacts page in a browser: rank, mark with the keyboard and take back, compare, export."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from effects_store import copied, spoil
from PIL import Image
from playwright.sync_api import Page, expect
from visiting import Dashboard, Visitor, serve

from analysis.editing.edits import Edit
from db import store as stores
from db import workspace
from db.layout import Layout
from db.queries import artifacts

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    layout = copied(store, tmp_path_factory.mktemp("spoiled") / "store")
    spoil(layout)
    yield from serve(layout.root)


def marks(dashboard: Dashboard) -> list[tuple[int, str]]:
    frame = workspace.open(Layout(dashboard.store)).rows("mark", mark="artifact")
    return list(zip(frame["unit"], frame["author"], strict=True))


def press(page: Page, key: str) -> None:
    page.locator("h1").click()  # a key types into a field that has the focus
    page.keyboard.press(key)


def test_rankings_are_those_of_the_store(visitor: Visitor, dashboard: Dashboard) -> None:
    snapshot = stores.open(Layout(dashboard.store))
    for by in ("ablation", "images", "hand"):
        page = visitor.open(f"/artifacts?by={by}")
        first = artifacts.ranked(snapshot, "spoiled-1", by).iloc[0]
        expect(page.get_by_role("link", name=f"1. unit {first['unit']} ·")).to_be_visible()
        alt = f"Top images of unit {first['unit']}"
        expect(page.get_by_role("img", name=alt, exact=True)).to_be_visible()
    page.get_by_role("radio", name="KID").click()
    visitor.expect_parameter("metric", "KID")


def test_units_are_marked_with_keys_and_taken_back(visitor: Visitor, dashboard: Dashboard) -> None:
    order = artifacts.ranked(stores.open(Layout(dashboard.store)), "spoiled-1", "images")["unit"].tolist()
    page = visitor.open("/artifacts?by=images")
    expect(page.get_by_text("Marked: none yet")).to_be_visible()
    name = page.locator(".st-key-person-marks input")
    name.fill("ada")
    name.press("Enter")
    visitor.settle()
    assert "ada" not in page.url
    # The last thing that the page draws: a key that is pressed before a page is whole can be lost.
    expect(page.get_by_text("The edit as JSON")).to_be_visible()
    press(page, "m")
    expect(page.get_by_text(f"Marked: {order[0]}", exact=True)).to_be_visible()
    press(page, "ArrowRight")
    visitor.expect_parameter("at", "1")
    expect(page.get_by_role("button", name=f"Mark unit {order[1]}")).to_be_visible()
    press(page, "m")
    expect(page.get_by_text(f"Marked: {order[0]}, {order[1]}", exact=True)).to_be_visible()
    assert marks(dashboard) == [(order[0], "ada"), (order[1], "ada")]
    press(page, "u")
    expect(page.get_by_text(f"Marked: {order[0]}", exact=True)).to_be_visible()
    assert marks(dashboard) == [(order[0], "ada")]
    page.get_by_role("radio", name="Marked by people").click()
    expect(page.get_by_text(f"ablate layer1 {order[0]}", exact=True)).to_be_visible()
    press(page, "m")
    expect(page.get_by_text("Nothing is marked yet")).to_be_visible()
    assert marks(dashboard) == []


def test_quick_keys_are_all_heard(visitor: Visitor, dashboard: Dashboard) -> None:
    order = artifacts.ranked(stores.open(Layout(dashboard.store)), "spoiled-1", "images")["unit"].tolist()
    page = visitor.open("/artifacts?by=images")
    expect(page.get_by_role("button", name=f"Mark unit {order[0]}", exact=True)).to_be_visible()
    page.locator("h1").click()
    for key in ("ArrowRight", "ArrowRight", "m", "ArrowRight", "ArrowRight", "m"):
        page.keyboard.press(key)  # one after the other, as fast as a browser takes them
    visitor.expect_parameter("at", "4")
    expect(page.get_by_role("button", name=f"Unmark unit {order[4]}", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Marked: {order[2]}, {order[4]}", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=f"Unmark unit {order[4]}")).to_be_in_viewport()
    for _ in range(2):
        page.keyboard.press("u")
    expect(page.get_by_text("Marked: none yet")).to_be_visible()
    assert marks(dashboard) == []


def test_before_and_after_share_a_picture_and_the_list_goes_out(
    visitor: Visitor, dashboard: Dashboard
) -> None:
    order = artifacts.ranked(stores.open(Layout(dashboard.store)), "spoiled-1", "ablation")["unit"].tolist()
    page = visitor.open("/artifacts?n=3")
    edges = page.get_by_role("slider", name=re.compile("as it is and without 3 units"))
    expect(edges).to_have_count(8)
    edges.first.press("ArrowRight")
    expect(edges.first).to_have_attribute("aria-valuenow", "55")
    sheet = visitor.download(page.get_by_role("button", name="Images as PNG"))
    with Image.open(sheet) as image:
        assert image.width > 3 * image.height  # eight across, before and after
    file = visitor.download(page.get_by_role("button", name="The edit as JSON"))
    content = json.loads(file.read_text())
    assert content["units"] == order[:3]
    assert Edit.parse(content["edit"]) == Edit.ablate("layer1", order[:3])
    page.get_by_role("link", name="Open this edit on the Ablate page").click()
    expect(page.get_by_role("heading", name="Ablate")).to_be_visible()
    visitor.expect_parameter("edit", content["edit"])
