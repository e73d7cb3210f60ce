"""A nightly job, as a person sees it.

It is scheduled on the page, started by the clock, and fails because its generator's file is damaged. The
failure is read about, the file repaired, the job retried; it ends well and leads to its results. All
processes are real: `ganatomy up` runs worker, render process and dashboard.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import free_port
from playwright.sync_api import Browser, Locator, expect
from visiting import Dashboard, Visitor, await_health, environment, ganatomy

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
CLOCK = 150_000  # ms: a cron expression's shortest step is a minute, and the job takes a while
FORM = "/jobs?generator=mine&images=64&calibration=64&when=every&name=nightly"


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """Everything under one supervisor, on a store with a generator of one's own."""
    from analysis.models.checkpoints import save_state
    from analysis.models.families import planted_shapes

    root, port = tmp_path / "store", free_port()
    save_state(tmp_path / "mine.safetensors", planted_shapes.weights(3))
    own = ("--family", "planted", "--segmenter", "planted")
    ganatomy(root, "models", "add", "mine", str(tmp_path / "mine.safetensors"), *own)
    command = [sys.executable, "-P", "-m", "jobs.cli", "up", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(root), cwd=tmp_path, stderr=subprocess.STDOUT)
    try:
        await_health(f"http://localhost:{port}", process)
        yield Dashboard(f"http://localhost:{port}", root)
    finally:
        process.terminate()
        process.wait(30)


def damage(store: Path) -> bytes:
    """Cut the generator's file short; what was in it."""
    [file] = (store / "models").rglob("mine.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    return whole


def repair(store: Path, whole: bytes) -> None:
    [file] = (store / "models").rglob("mine.safetensors")
    file.write_bytes(whole)


def scheduled(visitor: Visitor) -> Locator:
    """The schedule, made on the page: first a slip of the pen, then 03:00, then changed to each minute."""
    page = visitor.open(f"{FORM}&cron=soon")
    expect(page.get_by_role("alert").filter(has_text="'soon' is not a cron expression")).to_be_visible()
    page.get_by_role("textbox", name="Cron (UTC)").fill("0 3 * * *")
    page.get_by_role("button", name="Schedule", exact=True).click()  # at once: the new text counts
    schedule = page.locator(".st-key-schedule-nightly")
    expect(schedule.get_by_text("03:00 UTC")).to_be_visible()
    cron = page.get_by_role("textbox", name="Cron (UTC)")
    cron.fill("0 5 * * *")
    schedule.get_by_role("button", name="Change").click()
    expect(cron).to_have_value("0 3 * * *")  # what the schedule says, not what was typed meanwhile
    visitor.settle()
    cron.fill("* * * * *")
    page.get_by_role("button", name="Schedule", exact=True).click()
    expect(schedule.get_by_text("* * * * *", exact=True)).to_be_visible()
    return schedule


def test_a_nightly_job_fails_is_repaired_and_retried(browser: Browser, dashboard: Dashboard) -> None:
    visitor = Visitor(browser.new_page(viewport={"width": 1400, "height": 1000}), dashboard.url).watch()
    whole = damage(dashboard.store)
    schedule = scheduled(visitor)
    expect(schedule.get_by_text("It failed.")).to_be_visible(timeout=CLOCK)
    schedule.get_by_role("button", name="Pause").click()
    expect(schedule.get_by_text("Queues nothing until it is resumed.")).to_be_visible()

    visitor.settle()
    visitor.turn(schedule.get_by_role("button", name="Last job"), "job")
    job = visitor.page.locator(".st-key-job").last
    expect(job.get_by_text("failed", exact=True)).to_be_visible()
    expect(job.get_by_role("alert")).to_contain_text("mine")  # the reason names what is damaged
    expect(job.get_by_text("ganatomy dissect mine --segmenter planted")).to_be_visible()
    expect(job.get_by_text("by the schedule nightly")).to_be_visible()
    expect(job.get_by_text("start device=cpu")).to_be_visible()

    repair(dashboard.store, whole)
    job.get_by_role("button", name="Retry").click()
    expect(job.get_by_text("done", exact=True)).to_be_visible(timeout=CLOCK)
    expect(job.get_by_role("alert")).to_have_count(0)
    expect(schedule.get_by_text("It is done.")).to_be_visible()
    job.get_by_role("link", name="Units").click()
    expect(visitor.page.get_by_role("heading", name="Units")).to_be_visible()
    expect(visitor.page.get_by_text("36 units of 36")).to_be_visible()
    visitor.must_be_well()
