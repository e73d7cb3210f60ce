"""A provider of logins beside a dashboard, and people who log in there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import oidc_provider_mock
from children import free_port
from playwright.sync_api import expect
from visiting import Dashboard, Visitor, serve

from dashboard.team import people

SECRETS = """[auth]
redirect_uri = "{dashboard}/oauth2callback"
cookie_secret = "a secret of this test"
client_id = "ganatomy"
client_secret = "another secret of this test"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


def user(name: str, **claims: object) -> oidc_provider_mock.User:
    """Somebody whom the provider knows, such as ada: Ada Lovelace, ada@example.org."""
    first = name.partition(" ")[0].lower()
    return oidc_provider_mock.User(
        sub=first, claims={"name": name, "email": f"{first}@example.org", **claims}
    )


def served(root: Path, users: Sequence[oidc_provider_mock.User]) -> Iterator[Dashboard]:
    """A dashboard whose secrets name a provider that knows these people."""
    secrets, port = root.parent / ".streamlit" / "secrets.toml", free_port()
    secrets.parent.mkdir()
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        provider = f"http://localhost:{server.server_port}"
        secrets.write_text(SECRETS.format(dashboard=f"http://localhost:{port}", provider=provider))
        yield from serve(root, port)


def log_in(visitor: Visitor, name: str) -> None:
    """Log in as a person, from any page of a dashboard."""
    # The provider's pages ask for styles on the internet, and wait for them.
    styles = lambda route: route.fulfill(body="", content_type="text/css")  # noqa: E731
    visitor.page.context.route(lambda address: "//localhost" not in address, styles)
    page = visitor.settle()
    page.get_by_role("button", name=people.NOBODY).click()
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name=name.partition(" ")[0].lower()).click()
    page.wait_for_url(f"{visitor.url}/**")
    visitor.settle()
    expect(page.get_by_role("button", name=name)).to_be_visible()


def excuse(visitor: Visitor) -> None:
    """Forget that the provider's own pages ask for an icon that they have not."""
    visitor.trouble[:] = [told for told in visitor.trouble if "Failed to load resource" not in told]
