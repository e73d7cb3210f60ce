"""Roles: a viewer changes nothing, a member the own things, an admin everybody's; the audit has it all."""

from collections.abc import Callable, Iterator

import pytest
from full_store import unpacked
from playwright.sync_api import Browser, expect
from provider import excuse, log_in, served, user
from visiting import Dashboard, Visitor

from db import workspace
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue.client import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

USERS = [user(name) for name in ("Root Admin", "Ada Lovelace", "Bob Member", "Eve Viewer")]
UNPROVED = user("Mallory Root", email="root@example.org", email_verified=False)
Come = Callable[[str], Visitor]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with a provider of logins, whose settings name an admin and two members."""
    root = unpacked(tmp_path_factory.mktemp("roles") / "store").root
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GANATOMY_ADMINS", "root@example.org")
        environment.setenv("GANATOMY_MEMBERS", "ada@example.org, bob@example.org")
        yield from served(root, [*USERS, UNPROVED])


@pytest.fixture(scope="module")
def client(dashboard: Dashboard) -> Client:
    return Client.at(dashboard.store)


@pytest.fixture
def come(browser: Browser, dashboard: Dashboard) -> Iterator[Come]:
    """Lets people log in, each in a browser window of their own; nothing may go wrong in any."""
    came: list[Visitor] = []

    def log_in_as(name: str) -> Visitor:
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        visitor = Visitor(context.new_page(), dashboard.url).watch()
        came.append(visitor)
        visitor.open("/jobs")
        log_in(visitor, name)
        return visitor

    yield log_in_as
    for visitor in came:
        excuse(visitor)
        visitor.must_be_well()
        visitor.page.context.close()


def job_of(client: Client, name: str, seed: int) -> str:
    asked = {"generator": "planted", "images": 64, "calibration": 64, "seed": seed}
    return str(client.submit(parse("dissect", {**asked, "owner": f"{name}@example.org"})).job_id)


def test_a_viewer_looks_only(come: Come, client: Client) -> None:
    job_id = job_of(client, "bob", 11)
    for name in ("Eve Viewer", "Mallory Root"):  # an address that the provider does not vouch for is none
        visitor = come(name)
        page = visitor.open(f"/jobs?job={job_id}")
        expect(page.get_by_text("This command repeats the job")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        expect(page.get_by_text("Queue a job", exact=True)).to_have_count(0)
        page = visitor.open("/unit")
        expect(page.get_by_role("heading", name="Notes")).to_be_visible()
        expect(page.get_by_role("button", name="Write")).to_have_count(0)
        visitor.open("/audit")
        expect(page.get_by_text("The audit is for admins")).to_be_visible()
    assert client.job(job_id).state == "queued"


def test_a_member_cancels_the_own_job_and_no_other(come: Come, client: Client) -> None:
    others, own = job_of(client, "bob", 21), job_of(client, "ada", 22)
    visitor = come("Ada Lovelace")
    page = visitor.open(f"/jobs?job={others}")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    visitor.open(f"/jobs?job={own}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("button", name="Retry")).to_be_enabled()
    visitor.open("/jobs?kind=dissect&generator=planted&images=64&calibration=64&seed=23")
    page.get_by_text("More: when, priority, owner").click()
    expect(page.get_by_label("Owner", exact=True).first).to_be_disabled()
    page.get_by_role("button", name="Queue", exact=True).click()
    expect(page.get_by_text("This command repeats the job")).to_be_visible()
    owners = {job.request["seed"]: job.owner for job in client.jobs()}
    assert owners[23] == "ada@example.org"
    assert (client.job(others).state, client.job(own).state) == ("queued", "cancelled")


def test_an_admin_cancels_everybodys_job_and_reads_the_audit(come: Come, client: Client) -> None:
    job_id = job_of(client, "bob", 31)
    note = workspace.open(client.layout).add("note", "bob@example.org", job_id=job_id, text="mine")
    visitor = come("Root Admin")
    page = visitor.open(f"/jobs?job={job_id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("button", name="Retry")).to_be_enabled()
    assert client.job(job_id).state == "cancelled"
    visitor.settle()
    page.get_by_role("button", name="Root Admin").click()
    page.get_by_role("button", name="Who did what").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    visitor.settle()
    expect(page.locator("[data-testid=stDataFrame]")).to_be_visible()
    found = workspace.open(Layout(client.layout.root)).audit(who="root@example.org")
    assert [*zip(found["action"], found["thing"], found["owner"], found["origin"], strict=True)] == [
        ("cancel", job_id, "bob@example.org", "login")
    ]
    assert note == workspace.open(client.layout).rows("note", job_id=job_id)["id"].iloc[0]
