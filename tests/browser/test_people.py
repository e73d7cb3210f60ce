"""What people write and do: notes, tags, stars, views, runs put away; by a name kept in a cookie."""

import re

import pytest
from playwright.sync_api import expect
from visiting import Dashboard, Visitor

from db import store, workspace
from db.layout import Layout
from db.queries.runs import runs
from db.store import removal

pytestmark = pytest.mark.browser
UNIT = "/unit?layer=layer1&unit=7"


def test_a_note_is_written_found_and_taken_back(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open(UNIT)
    page.get_by_role("button", name="Write").click()
    name = page.locator(".st-key-person-unit-notes input")
    name.fill("Ada; <b>L</b>")
    name.press("Enter")
    visitor.settle()
    page.get_by_label("Note").fill("a *curious* gargoyle")
    page.get_by_label("Tag").fill("odd")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("a *curious* gargoyle")).to_be_visible()
    expect(page.get_by_text("odd", exact=True).first).to_be_visible()
    space = workspace.open(Layout(dashboard.store))
    assert space.rows("note")["author"].tolist() == ["Ada; <b>L</b>"]
    assert space.rows("tag")["tag"].tolist() == ["odd"]
    visitor.settle()
    again = visitor.open(UNIT)  # the browser still knows the name
    again.get_by_role("button", name="Star", exact=True).click()
    expect(again.get_by_role("button", name="Starred (1)")).to_be_visible()
    assert space.rows("mark", mark="star")["author"].tolist() == ["Ada; <b>L</b>"]
    assert "Ada" not in again.url
    visitor.settle()
    again.get_by_role("button", name="Remove", exact=True).first.click()
    expect(again.get_by_text("Nobody has written about this yet.")).to_be_visible()
    visitor.settle()
    again.get_by_role("button", name=re.compile("Undo")).click()
    expect(again.get_by_text("a *curious* gargoyle")).to_be_visible()
    found = visitor.open("/search?q=gargoyle")
    found.get_by_role("link", name=re.compile("gargoyle")).click()
    expect(found.get_by_role("heading", name="layer1 unit 7")).to_be_visible()


def test_a_view_is_saved_and_opened_from_home(visitor: Visitor) -> None:
    page = visitor.open("/units?layer=layer2&sort=Unit+number")
    visitor.settle()
    page.get_by_role("button", name="Save view").click()
    page.get_by_label("Name of the view").fill("by number")
    page.get_by_label("Name of the view").press("Enter")
    page.get_by_role("button", name="Keep this view").click()
    expect(page.get_by_text("Saved as by number.")).to_be_visible()
    home = visitor.open("/")
    home.get_by_role("link", name=re.compile("by number")).click()
    expect(home.get_by_role("heading", name="Units")).to_be_visible()
    visitor.settle()
    assert (visitor.parameter("layer"), visitor.parameter("sort")) == ("layer2", "Unit number")


def test_a_run_is_renamed_archived_and_brought_back(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/runs")
    page.locator("[class*=st-key-run-planted]").first.wait_for()
    layout = Layout(dashboard.store)
    run_id = str(runs(store.open(layout), "dissection")["run_id"].iloc[0])
    others = "( with .*)?"  # other tests may have made runs that are based on it, which go and come with it
    own = page.locator(f".st-key-run-{run_id}")
    own.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_label("Title").fill("our *first* run")
    page.get_by_role("button", name="Rename it").click()
    expect(page.get_by_text("our *first* run").first).to_be_visible()
    visitor.settle()
    own.get_by_role("button", name="Archive", exact=True).click()
    page.get_by_role("button", name="Archive it").click()
    expect(page.get_by_text(re.compile(f"Run {run_id} was archived{others}[.]"))).to_be_visible()
    expect(own).to_have_count(0)
    assert (dashboard.store / "archive" / run_id).is_dir()
    visitor.settle()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("our *first* run").first).to_be_visible()
    visitor.settle()
    own.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text(re.compile(f"Run {run_id} was moved to the trash{others}[.]"))).to_be_visible()
    trash = visitor.open("/runs?where=trash")
    expect(trash.get_by_text(re.compile("our .first. run · deleted by"))).to_be_visible()
    trash.locator(f".st-key-back-{run_id} button").click()
    expect(trash.locator(f".st-key-away-{run_id}")).to_have_count(0)
    if rest := removal.trashed(layout):
        removal.restore(layout, *rest)
    units = visitor.open(f"/units?run={run_id}")
    expect(units.get_by_role("combobox", name="Run")).to_have_value(re.compile("our .first. run"))
    events = workspace.open(layout).rows("event", run_id=run_id)
    assert events["what"].tolist() == ["renamed", "archived", "restored", "deleted", "restored"]
