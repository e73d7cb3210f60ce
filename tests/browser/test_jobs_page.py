"""The Jobs page with a real worker: queue, watch, read, follow to the results; cancel and try again."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from visiting import Dashboard, Visitor, environment, serve

from db import store
from db.layout import Layout

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over an empty store."""
    layout = Layout.create(tmp_path_factory.mktemp("jobs") / "store")
    yield from serve(layout.root)


@pytest.fixture
def worker(dashboard: Dashboard) -> Iterator[None]:
    """A worker process on the dashboard's store, ended afterwards."""
    command = [sys.executable, "-P", "-m", "jobs.cli", "worker"]
    process = subprocess.Popen(command, env=environment(dashboard.store), stderr=subprocess.STDOUT)
    yield
    process.terminate()
    process.wait(30)


FORM = "/jobs?generator=planted&images=64&calibration=64"


def test_an_empty_store_says_what_to_do(visitor: Visitor) -> None:
    page = visitor.open("/")
    expect(page.get_by_text("There is no run in this store yet")).to_be_visible()
    page.get_by_role("link", name="Queue a dissection").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    expect(page.get_by_text("No job has been queued in this store yet.")).to_be_visible()


def test_a_job_that_nobody_takes_waits_and_can_be_cancelled(visitor: Visitor) -> None:
    page = visitor.open(f"{FORM}&seed=7")
    page.get_by_role("button", name="Queue", exact=True).click()
    expect(page.get_by_text("No worker is alive")).to_have_count(1)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("cancelled").first).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_job_for_later_waits_and_says_until_when(visitor: Visitor) -> None:
    page = visitor.open(f"{FORM}&seed=8")
    page.get_by_text("More: when").click()
    visitor.turn(page.get_by_role("radio", name="At a time"), "when", "at")
    page = visitor.open(f"{FORM}&seed=8&when=at&at=2126-11-23T02:00:00&priority=2")
    expect(page.get_by_text("Runs on Sat 23 Nov 2126, 02:00 UTC")).to_be_visible()
    page.get_by_role("button", name="Queue", exact=True).click()
    job = page.locator(".st-key-job").last
    expect(job.get_by_text("waiting", exact=True)).to_be_visible()
    expect(job.get_by_text("waits until Sat 23 Nov 2126, 02:00 UTC")).to_be_visible()
    expect(job.get_by_text("priority 2")).to_be_visible()
    job.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(job.get_by_text("cancelled", exact=True)).to_be_visible()


def test_a_schedule_is_made_paused_resumed_removed(visitor: Visitor) -> None:
    page = visitor.open(f"{FORM}&when=every&name=nightly&cron=soon")
    expect(page.get_by_role("alert").filter(has_text="'soon' is not a cron expression")).to_be_visible()
    page = visitor.open(f"{FORM}&when=every&name=nightly&cron=0+2+*+*+*")
    expect(page.get_by_text("02:00 UTC").first).to_be_visible()
    page.get_by_role("button", name="Schedule", exact=True).click()
    schedule = page.locator(".st-key-schedule-nightly")
    expect(schedule.get_by_text("Dissect planted (all layers, 64 images), for anyone")).to_be_visible()
    schedule.get_by_role("button", name="Pause").click()
    expect(schedule.get_by_text("paused", exact=True)).to_be_visible()
    schedule.get_by_role("button", name="Resume").click()
    expect(schedule.get_by_text("Next on")).to_be_visible()
    schedule.get_by_role("button", name="Change").click()
    visitor.expect_parameter("cron", "0 2 * * *")
    schedule.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove the schedule").click()
    expect(schedule).to_have_count(0)


def test_a_job_is_queued_watched_and_leads_to_its_results(visitor: Visitor, worker: None) -> None:
    page = visitor.open(FORM)
    expect(page.get_by_text("128 images")).to_be_visible()
    page.get_by_role("button", name="Queue", exact=True).click()
    job = page.locator(".st-key-job").last
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=120_000)
    expect(job.get_by_text("ganatomy dissect planted")).to_be_visible()
    expect(job.get_by_text("start device=cpu")).to_be_visible()
    job.get_by_role("link", name="Units").click()
    expect(page.get_by_role("heading", name="Units")).to_be_visible()
    expect(page.get_by_text("36 units of 36")).to_be_visible()
    assert str(visitor.parameter("run")).startswith("planted-")


def test_the_same_request_is_recognised(visitor: Visitor) -> None:
    page = visitor.open(FORM)
    page.get_by_role("button", name="Queue", exact=True).click()
    expect(page.get_by_text("Already there").first).to_be_visible()


def test_the_images_that_intervals_need_are_filled_in(visitor: Visitor) -> None:
    page = visitor.open(f"{FORM}&width=0.02")
    expect(page.get_by_text("for intervals under 0.02, from run planted-")).to_be_visible()
    ask = page.get_by_role("button", name="Ask for")
    wanted = ask.inner_text().split()[-1].replace(",", "")
    ask.click()
    visitor.expect_parameter("images", wanted)
    expect(page.get_by_label("Images", exact=True)).to_have_value(wanted)


@pytest.mark.parametrize("waited_ms", [0, 900, 1900, 2600])
def test_a_cloned_job_fills_the_form_and_the_address_agrees_for_good(
    visitor: Visitor, waited_ms: int
) -> None:
    """The list is refreshed every two to five seconds, by requests that may carry the address of before."""
    page = visitor.open("/jobs")
    visitor.turn(page.get_by_role("button", name="Open", exact=True).last, "job")
    clone = page.get_by_role("button", name="Clone with changes")
    expect(clone).to_be_visible()
    page.wait_for_timeout(waited_ms)
    visitor.turn(clone, "seed", "7")
    expect(page.get_by_label("Images", exact=True)).to_have_value("64")
    page.wait_for_timeout(9000)  # an address of before that a request still carried is put right by then
    assert [visitor.parameter(name) for name in ("images", "seed", "job")] == ["64", "7", None]
    expect(page.get_by_label("Images", exact=True)).to_have_value("64")


def test_the_list_of_jobs_is_filtered_and_sorted(visitor: Visitor) -> None:
    page = visitor.open("/jobs?state=cancelled")
    expect(page.get_by_text("2 of 2 jobs shown.")).to_be_visible()
    opened = page.locator("[data-testid=stBaseButton-secondary]").get_by_text("Open", exact=True)
    expect(opened).to_have_count(2)
    page = visitor.open("/jobs?has=planted&order=Oldest+first")
    expect(page.get_by_text("3 of 3 jobs shown.")).to_be_visible()
    visitor.turn(page.get_by_role("button", name="Open", exact=True).last, "job")
    expect(page.locator(".st-key-job").last.get_by_text("done", exact=True)).to_be_visible()
    assert visitor.parameter("order") == "Oldest first"
    page = visitor.open("/jobs?has=nothing+of+the+kind")
    expect(page.get_by_text("0 of 0 jobs shown.")).to_be_visible()


def test_a_model_that_is_not_there_is_named_in_a_sentence(visitor: Visitor) -> None:
    page = visitor.open("/jobs?generator=nobody")
    expect(page.get_by_role("button", name="Queue", exact=True)).to_be_disabled()
    expect(page.get_by_role("alert").filter(has_text="nobody").first).to_be_visible()


def test_new_results_are_announced_and_keep_ones_place(
    dashboard: Dashboard, visitor: Visitor, write_run: Callable[..., Path]
) -> None:
    page = visitor.open("/units?layer=layer2&sort=Unit+number&find=3")
    expect(page.get_by_text("1 unit of 36")).to_be_visible()
    run = visitor.parameter("run")
    write_run("another", into=Layout(dashboard.store))
    store.publish(Layout(dashboard.store))
    expect(page.get_by_text("New results have been published.")).to_be_visible()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("New results have been published.")).to_have_count(0)
    expect(page.get_by_text("1 unit of 36")).to_be_visible()
    assert [visitor.parameter(name) for name in ("run", "layer", "find")] == [run, "layer2", "3"]
