"""Login: with a provider in Streamlit's secrets, what people write carries the name of their login."""

from collections.abc import Iterator

import oidc_provider_mock
import pytest
from children import free_port
from full_store import unpacked
from playwright.sync_api import expect
from visiting import Dashboard, Visitor, serve

from dashboard.team import people
from db import workspace
from db.layout import Layout

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADA = oidc_provider_mock.User(sub="ada", claims={"name": "Ada Lovelace", "email": "ada@example.org"})
SECRETS = """[auth]
redirect_uri = "{dashboard}/oauth2callback"
cookie_secret = "a secret of this test"
client_id = "ganatomy"
client_secret = "another secret of this test"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose secrets name a provider of logins, which runs beside it."""
    root = unpacked(tmp_path_factory.mktemp("login") / "store").root
    secrets, port = root.parent / ".streamlit" / "secrets.toml", free_port()
    secrets.parent.mkdir()
    with oidc_provider_mock.run_server_in_thread(user_claims=[ADA]) as server:
        provider = f"http://localhost:{server.server_port}"
        secrets.write_text(SECRETS.format(dashboard=f"http://localhost:{port}", provider=provider))
        yield from serve(root, port)


def test_a_note_has_the_name_of_the_login_and_not_a_typed_one(visitor: Visitor, dashboard: Dashboard) -> None:
    typed = {"name": people.COOKIE, "value": "Mallory", "url": dashboard.url}
    visitor.page.context.add_cookies([typed])  # as somebody left it who typed a name before
    # The provider's pages ask for styles on the internet, and wait for them.
    styles = lambda route: route.fulfill(body="", content_type="text/css")  # noqa: E731
    visitor.page.context.route(lambda address: "//localhost" not in address, styles)
    page = visitor.open("/unit")
    page.get_by_role("button", name=people.NOBODY).click()
    expect(page.get_by_label("Your name")).to_have_count(0)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="ada").click()
    page.wait_for_url(f"{dashboard.url}/**")
    visitor.settle()
    expect(page.get_by_role("button", name="Ada Lovelace")).to_be_visible()
    visitor.open("/unit")
    page.get_by_role("button", name="Write").click()
    page.get_by_label("Note").fill("by login")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("by login")).to_be_visible()
    notes = workspace.open(Layout(dashboard.store)).rows("note")
    assert notes.loc[notes["text"] == "by login", "author"].tolist() == ["Ada Lovelace"]
    assert "Ada" not in page.url
    visitor.settle()
    page.get_by_role("button", name="Ada Lovelace").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    page.wait_for_url(f"{dashboard.url}/**")
    expect(page.get_by_role("button", name=people.NOBODY)).to_be_visible()
    # The provider's own pages ask for an icon that they have not.
    visitor.trouble[:] = [told for told in visitor.trouble if "Failed to load resource" not in told]
