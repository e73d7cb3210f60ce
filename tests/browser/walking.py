"""A person who walks through the dashboard by clicks and keys alone, and counts them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from visiting import Visitor

STORIES = Path(__file__).parents[2] / "docs" / "stories.md"


def promised(story: str) -> int:
    """The clicks that the documentation promises for a story, in the last column of its table."""
    row = next(line for line in STORIES.read_text().splitlines() if line.startswith(f"| {story} |"))
    return int(row.rstrip(" |").rpartition("|")[2])


@dataclass
class Walk:
    """A walk that begins on Home. A click, a key and a text that is typed count one each."""

    visitor: Visitor
    story: str
    steps: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        return self.visitor.page

    def begin(self, toured: bool = True) -> Page:
        """Open Home; `toured` is a browser that has shown the tour before."""
        if toured:
            seen = {"name": "ganatomy-tour", "value": "seen", "url": self.visitor.url}
            self.page.context.add_cookies([seen])  # type: ignore[list-item]
        return self.visitor.open("/")

    def click(self, target: Locator) -> None:
        """Click, once the page is drawn."""
        self.visitor.settle()
        target.click()
        self.steps.append(f"click {target}")

    def press(self, key: str) -> None:
        """Press a key, once the page is drawn."""
        self.visitor.settle()
        self.page.keyboard.press(key)
        self.steps.append(f"press {key}")

    def write(self, field: Locator, text: str, last: str = "Enter") -> None:
        """Type a text in place of what a field has, and end it with a key."""
        self.visitor.settle()
        field.fill(text)
        field.press(last)
        self.steps.append(f"write {text!r}")

    def go(self, page: str) -> None:
        """Click a page in the navigation, and wait until it is drawn."""
        self.click(self.page.get_by_test_id("stTopNavLink").get_by_text(page, exact=True))
        expect(self.page.get_by_role("heading", name=page, exact=True)).to_be_visible()

    def end(self) -> None:
        """The walk took no more clicks than the documentation promises."""
        assert len(self.steps) <= promised(self.story), "\n".join(self.steps)


def on_first_screen(target: Locator, below: int = 800) -> None:
    """The whole width of the target begins within the first screen."""
    expect(target).to_be_visible()
    box = target.bounding_box()
    assert box is not None
    assert box["y"] < below


def numbers(text: str) -> list[str]:
    """The numbers in a text."""
    return re.findall(r"\d[\d,.]*", text)
