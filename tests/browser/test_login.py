"""Login: with a provider in Streamlit's secrets, what people write carries the address of their login."""

import re
from collections.abc import Iterator

import pytest
from full_store import unpacked
from playwright.sync_api import expect
from provider import excuse, log_in, served, user
from visiting import Dashboard, Visitor

from dashboard.team import people
from db import workspace
from db.layout import Layout

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose secrets name a provider of logins, which runs beside it."""
    root = unpacked(tmp_path_factory.mktemp("login") / "store").root
    yield from served(root, [user("Ada Lovelace")])


def test_a_note_has_the_address_of_the_login_and_not_a_typed_name(
    visitor: Visitor, dashboard: Dashboard
) -> None:
    typed = {"name": people.COOKIE, "value": "Mallory", "url": dashboard.url}
    visitor.page.context.add_cookies([typed])  # as somebody left it who typed a name before
    page = visitor.open("/unit")
    expect(page.get_by_role("button", name="Write")).to_have_count(0)  # without a login one looks only
    page.get_by_role("button", name=people.NOBODY).click()
    expect(page.get_by_label("Your name")).to_have_count(0)
    page.keyboard.press("Escape")
    log_in(visitor, "Ada Lovelace")
    visitor.open("/unit")
    page.get_by_role("button", name="Write").click()
    page.get_by_label("Note").fill("by login")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("by login")).to_be_visible()
    notes = workspace.open(Layout(dashboard.store)).rows("note")
    assert notes.loc[notes["text"] == "by login", "author"].tolist() == ["ada@example.org"]
    assert "ada" not in page.url.lower()
    visitor.settle()
    page.get_by_role("button", name="Ada Lovelace").click()
    expect(page.get_by_text(re.compile("You are ada@.*example[.]org, a member."))).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    page.wait_for_url(f"{dashboard.url}/**")
    expect(page.get_by_role("button", name=people.NOBODY)).to_be_visible()
    excuse(visitor)
