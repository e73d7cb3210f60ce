"""A first visitor in a real browser: the tour, the help, and who one is, in the frame of every page."""

import re

import pytest
from playwright.sync_api import expect
from visiting import Dashboard, Visitor

pytestmark = pytest.mark.browser


def test_the_tour_leads_through_five_pages_and_comes_once(visitor: Visitor) -> None:
    page = visitor.open("/")
    card = page.locator(".st-key-tour")
    expect(card).to_contain_text("1 of 5")
    for number, heading in enumerate(("Concepts", "Units", "Paint", "Jobs"), 2):
        visitor.settle()
        card.get_by_role("button", name=re.compile("^Next")).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(card).to_contain_text(f"{number} of 5")
    visitor.settle()
    card.get_by_role("button", name="Done").click()
    expect(card).to_have_count(0)
    page = visitor.open("/")  # another session of the same browser
    expect(page.get_by_text("Evaluation images", exact=True)).to_be_visible()
    expect(page.locator(".st-key-tour")).to_have_count(0)
    page.keyboard.press("?")
    page.get_by_role("button", name="Take the tour").click()
    expect(page.locator(".st-key-tour")).to_contain_text("1 of 5")
    visitor.settle()
    page.get_by_role("button", name="Leave the tour").click()
    expect(page.locator(".st-key-tour")).to_have_count(0)


def test_a_key_opens_the_help_with_keys_and_words(visitor: Visitor) -> None:
    page = visitor.open("/layers")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_text("forget the stroke")).to_be_visible()
    page.get_by_text("Words", exact=True).click()
    expect(page.get_by_text("Intersection over union").first).to_be_visible()


def test_the_frame_shows_logo_and_project(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/units")
    expect(page.get_by_test_id("stHeaderLogo")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_text(dashboard.store.parent.name)).to_be_visible()
