"""Keys in a real browser: a search, and a stroke on an image. `test_stories.py` goes by the mouse."""

import re

import pytest
from playwright.sync_api import Page, expect
from visiting import Visitor

pytestmark = pytest.mark.browser


def strokes(page: Page, count: int) -> None:
    word = "1 stroke" if count == 1 else f"{count} strokes"
    expect(page.get_by_text(re.compile(rf"Latent \d+ of seed \d+, {word}$"))).to_be_visible()


@pytest.mark.parametrize("key", ["/", "Control+k"])
def test_a_key_opens_the_search(visitor: Visitor, key: str) -> None:
    page = visitor.open("/layers")
    visitor.settle()
    page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    box = page.get_by_label("Search for")
    expect(box).to_be_focused()
    box.press_sequentially("layer2 unit 25")
    box.press("Enter")
    page.get_by_role("link", name=re.compile("layer2 unit 25")).first.click()
    expect(page.get_by_role("heading", name="layer2 unit 25")).to_be_visible()


def test_painting_by_keyboard(visitor: Visitor) -> None:
    page = visitor.open("/paint?layer=layer1&size=1&how=remove")
    picture = page.locator(".picture")
    expect(picture).to_be_visible()
    strokes(page, 0)
    visitor.settle()
    picture.focus()
    for key in ("ArrowDown", " ", "ArrowRight", " ", "Enter"):
        page.keyboard.press(key)
    strokes(page, 1)
    visitor.settle()
    middle = 4  # of 8 cells
    expect_cells = f"at {middle + 1}:{middle}-{middle + 1}"
    assert str(visitor.parameter("edit")).endswith(expect_cells)
