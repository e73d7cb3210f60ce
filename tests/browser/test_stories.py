"""One walk per person whom the dashboard serves: from Home, by clicks and keys, each with its usual mistakes.

`docs/stories.md` promises how many clicks each takes. Addresses are never typed.
"""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from comparison_store import fill
from effects_store import copied
from playwright.sync_api import Browser, Locator, expect
from visiting import Dashboard, Visitor, environment, serve
from walking import Walk, on_first_screen

from analysis.dissection.settings import DissectionSettings
from db import workspace
from db.layout import Layout
from jobs.kinds.dissection import DissectionRequest
from jobs.queue import workers
from jobs.queue.client import Client

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dissection, and two checkpoints of a training, of which the early one knows no discs."""
    layout = copied(store, tmp_path_factory.mktemp("stories") / "store")
    fill(layout)
    yield from serve(layout.root)


def test_a_newcomer_finds_the_units_of_a_concept_and_takes_it_away(visitor: Visitor) -> None:
    walk = Walk(visitor, "Newcomer")
    page = walk.begin(toured=False)
    walk.click(page.get_by_role("button", name="Leave the tour"))
    expect(page.get_by_role("button", name="Leave the tour")).to_have_count(0)
    walk.click(page.get_by_role("link", name=re.compile(r"^disc · \d+$")))
    expect(page.get_by_text(re.compile("units? detects? disc, in . layer"))).to_be_visible()
    on_first_screen(page.get_by_role("img", name=re.compile("its mask in colour")).first)
    on_first_screen(page.get_by_role("img", name=re.compile("before above, after below")))
    walk.end()
    visitor.settle()
    address, seen = page.url, page.locator("[data-testid=stMain]").inner_text()
    again = visitor.open(address.removeprefix(visitor.url))
    assert again.locator("[data-testid=stMain]").inner_text() == seen


def test_a_newcomer_asks_the_search_in_a_sentence(visitor: Visitor) -> None:
    """The mistake of one who does not know that a concept is one word in the singular."""
    walk = Walk(visitor, "Newcomer")
    page = walk.begin()
    walk.press("/")
    walk.write(page.get_by_label("Search for"), "which unit draws discs?")
    walk.click(page.get_by_role("link", name=re.compile("disc in .* runs?$")))
    expect(page.get_by_text(re.compile("units? detects? disc, in . layer"))).to_be_visible()
    walk.end()


def test_a_researcher_weighs_a_checkpoint_and_notes_what_was_found(
    visitor: Visitor, dashboard: Dashboard
) -> None:
    walk = Walk(visitor, "Researcher")
    page = walk.begin()
    walk.go("Compare")
    expect(page.get_by_role("heading", name="Along the training")).to_be_visible()
    walk.click(page.get_by_role("tab", name="Concepts"))
    expect(page.get_by_text("No unit has a threshold yet at early: disc")).to_be_visible()
    late = page.get_by_text(re.compile(r"^late .*averaged map \d")).first
    best = late.locator("xpath=following::a[contains(., 'unit')][1]")
    walk.click(best)
    heading = page.get_by_role("heading", name=re.compile(r"^layer\d unit \d+$"))
    expect(heading).to_be_visible()
    for control in ("always on", "fixed spot", "usual place"):
        expect(page.get_by_text(re.compile(control, re.I)).first).to_be_visible()
    walk.click(page.get_by_role("button", name="Write"))
    walk.write(page.locator(".st-key-person-unit-notes input"), "Ada")
    walk.write(page.get_by_label("Note"), "learned between the two checkpoints", last="Tab")
    walk.click(page.get_by_role("button", name="Keep"))
    expect(page.get_by_text("learned between the two checkpoints")).to_be_visible()
    walk.end()
    [note] = workspace.open(Layout(dashboard.store)).rows("note").to_dict("records")
    assert (note["author"], note["layer"] is not None) == ("Ada", True)
    walk.press("/")
    walk.write(page.get_by_label("Search for"), "checkpoints")
    expect(page.get_by_role("link", name=re.compile("note of Ada"))).to_be_visible()


def test_an_analyst_goes_from_a_page_to_sql_and_hands_on_the_answer(
    visitor: Visitor, browser: Browser
) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walk = Walk(visitor, "Analyst")
    page = walk.begin()
    walk.go("Compare")
    walk.click(page.get_by_role("tab", name="Numbers"))
    walk.click(page.get_by_role("link", name="Open these counts in SQL"))
    statement = page.get_by_label("Statement", exact=True)
    expect(statement).to_have_value(re.compile("unit_label"))
    filtered = "SELECT layer, unit, lift FROM unit_label WHERE concept = 'disc' AND lift > 0 ORDER BY lift"
    walk.write(statement, filtered.replace("lift >", "lfit >"), last="Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="lfit")).to_be_visible()  # a slip, in a sentence
    walk.write(statement, filtered, last="Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="lfit")).to_have_count(0)
    rows = page.get_by_text(re.compile(r"^\d+ rows?, "))
    expect(rows).to_be_visible()
    file = visitor.download(page.get_by_role("button", name="Answer as CSV"))
    walk.steps.append("click Answer as CSV")
    lines = file.read_text().splitlines()
    assert lines[0] == "layer,unit,lift"
    assert rows.inner_text().split()[0] == str(len(lines) - 1) != "0"
    walk.click(page.get_by_role("button", name="Share"))
    walk.click(page.get_by_role("button", name="Copy link"))
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    walk.end()
    link = str(page.evaluate("navigator.clipboard.readText()"))
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    colleague = Visitor(context.new_page(), visitor.url).watch()
    colleague.open(link.removeprefix(visitor.url))
    expect(colleague.page.get_by_label("Statement", exact=True)).to_have_value(filtered)
    expect(colleague.page.get_by_text(re.compile(rf"^{len(lines) - 1} rows?, "))).to_be_visible()
    colleague.must_be_well()
    context.close()


@pytest.fixture
def small_worker(dashboard: Dashboard) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that gives a job too little memory, and so fails it."""
    command = [sys.executable, "-P", "-m", "jobs.cli", "worker"]
    small = environment(dashboard.store) | {"GANATOMY_SLOT_MEMORY_GB": "0.01"}
    process = subprocess.Popen(command, env=small, stderr=subprocess.STDOUT)
    yield process
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(60)


def test_an_operator_finds_why_a_job_failed_and_which_worker_is_stuck(
    visitor: Visitor, dashboard: Dashboard, small_worker: subprocess.Popen[bytes]
) -> None:
    layout = Layout(dashboard.store)
    small = DissectionSettings(images=64, calibration=64)
    asked = DissectionRequest(generator="planted", seed=5, settings=small, owner="Ada")
    Client.at(dashboard.store).submit(asked)
    walk = Walk(visitor, "Operator")
    page = walk.begin()
    walk.go("Jobs")
    failed = page.get_by_text("failed Dissect planted")
    expect(failed).to_be_visible()
    expect(page.get_by_text("It took more than 0.0 GiB of memory").first).to_be_visible()  # why, in the list
    opens = page.locator("[data-testid=stBaseButton-secondary]").get_by_text("Open", exact=True)
    walk.click(opens.first)
    job = page.locator(".st-key-job").last
    expect(job.get_by_role("alert")).to_contain_text("raise GANATOMY_SLOT_MEMORY_GB")
    expect(job.get_by_text("queued by Ada")).to_be_visible()
    stop(small_worker, layout)
    walk.click(job.get_by_role("button", name="Retry"))
    expect(job.get_by_text("queued", exact=True)).to_be_visible()
    stuck = page.get_by_role("alert").filter(has_text=f"kill -CONT {small_worker.pid}")
    expect(stuck).to_contain_text("has not answered for")
    walk.end()
    small_worker.send_signal(signal.SIGCONT)  # as the page says
    expect(stuck).to_have_count(0)
    expect(job.get_by_text("failed", exact=True)).to_be_visible()


def stop(worker: subprocess.Popen[bytes], layout: Layout) -> None:
    """Stop a worker where it is; it last answered ten minutes ago."""
    worker.send_signal(signal.SIGSTOP)
    [found] = [each for each in workers.alive(layout) if each.pid == worker.pid]
    long_ago = time.time() - 600
    os.utime(workers.FileLeases(layout).file(found.slot), (long_ago, long_ago))


def drag(picture: Locator, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Paint from one place of the picture to another, in shares of its sides."""
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    mouse = picture.page.mouse
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, stop)]
    mouse.move(*places[0])
    mouse.down()
    mouse.move(*places[1], steps=4)
    mouse.up()


def test_a_painter_draws_takes_it_back_and_draws_again(visitor: Visitor) -> None:
    walk = Walk(visitor, "Painter")
    page = walk.begin()
    walk.go("Paint")
    picture, over = page.locator(".picture"), page.locator(".picture .over")
    on_first_screen(picture)
    expect(page.get_by_text(re.compile(r"Latent \d+ of seed \d+, 0 strokes$"))).to_be_visible()
    visitor.settle()
    before = over.get_attribute("src")
    drag(picture, (0.2, 0.3), (0.6, 0.5))
    walk.steps.append("drag")
    one = page.get_by_text(re.compile(r"Latent \d+ of seed \d+, 1 stroke$"))
    expect(one).to_be_visible()
    expect(page.get_by_text(re.compile(r"The strokes cover \d+% of the image"))).to_be_visible()
    assert over.get_attribute("src") != before
    edit = str(visitor.parameter("edit"))
    assert re.match(r"insert layer\d .* at \d", edit)
    walk.end()
    again = visitor.open(page.url.removeprefix(visitor.url))  # the state is a link
    expect(again.get_by_text(re.compile(r"Latent \d+ of seed \d+, 1 stroke$"))).to_be_visible()
    walk.press("Control+z")
    expect(over).to_have_attribute("src", str(before))
    walk.press("Control+Shift+z")
    expect(one).to_be_visible()
    assert visitor.parameter("edit") == edit


def answered(space: workspace.Workspace, count: int, walk: Walk) -> None:
    """Wait until so many answers are kept."""
    until = time.monotonic() + 60
    while len(space.rows("rating")) != count and time.monotonic() < until:
        walk.page.wait_for_timeout(100)
    assert len(space.rows("rating")) == count


def test_a_rater_is_blind_has_keys_and_undo_and_sees_what_came_of_it(
    visitor: Visitor, dashboard: Dashboard
) -> None:
    walk = Walk(visitor, "Rater")
    page = walk.begin()
    walk.go("Units")
    walk.click(page.get_by_role("link", name="Rate names"))
    expect(page.get_by_role("heading", name="Ratings")).to_be_visible()
    walk.write(page.locator(".st-key-person-rate input"), "Bob")
    walk.click(page.get_by_role("combobox", name="Units"))
    walk.click(page.get_by_role("option", name="10", exact=True))
    units = 10
    expect(page.get_by_text(f"0 of {units} units rated")).to_be_visible()
    walk.click(page.get_by_role("heading", name="Ratings"))  # till then keys go to the choice
    space = workspace.open(Layout(dashboard.store))
    told = page.locator("[data-testid=stMain]").inner_text() + page.content() + page.url
    assert not re.search(r"unit[ =]\d", told.replace("units rated", ""))
    for number, key in enumerate("yyn", start=1):
        walk.press(key)
        answered(space, number, walk)
        expect(page.get_by_text(f"{number} of {units} units rated")).to_be_visible()
    walk.press("u")
    answered(space, 2, walk)
    expect(page.get_by_text(f"2 of {units} units rated")).to_be_visible()
    walk.write(page.get_by_label("No, rather"), "a y-shaped thing")  # no key is taken from a text
    answered(space, 3, walk)
    rows = space.rows("rating")
    assert rows["answer"].tolist() == ["yes", "yes", "no"]
    assert rows["better"].tolist()[2] == "a y-shaped thing"
    assert set(rows["author"]) == {"Bob"}
    assert "Bob" not in page.url
    for number in range(4, units + 1):
        expect(page.get_by_text(f"{number - 1} of {units} units rated")).to_be_visible()
        walk.press("p")
        answered(space, number, walk)
    expect(page.get_by_text("You have rated every unit of this list.")).to_be_visible()
    visitor.turn(page.get_by_role("button", name="See the results"), "show", "results")
    walk.steps.append("click See the results")
    expect(page.get_by_text("People accept")).to_be_visible()
    walk.end()
    expect(page.get_by_text(f"{units} ratings by 1 person.")).to_be_visible()
    assert visitor.download(page.get_by_role("button", name="Ratings as CSV")).read_text().count("\n") > units


def test_a_reader_of_an_export_has_each_number_with_its_evidence_and_no_network(
    visitor: Visitor, browser: Browser, tmp_path: Path
) -> None:
    walk = Walk(visitor, "Reader of an export")
    page = walk.begin()
    walk.click(page.get_by_role("link", name=re.compile(r"^disc · \d+$")))
    walk.click(page.get_by_role("link", name="All about this unit"))
    title = page.get_by_role("heading", name=re.compile(r"^layer\d unit \d+$"))
    expect(title).to_be_visible()
    unit = title.inner_text()
    walk.click(page.get_by_role("button", name="Share"))
    with page.context.expect_page() as opened:
        walk.click(page.get_by_role("link", name="Open as one HTML file"))
    walk.end()
    report = opened.value
    report.wait_for_load_state()
    file = tmp_path / "unit.html"
    with urllib.request.urlopen(report.url, timeout=60) as answer:
        file.write_bytes(answer.read())
    report.close()
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    reader, asked, said = context.new_page(), [], []
    reader.on("request", lambda request: asked.append(request.url))
    reader.on("console", lambda message: said.append(message.text))
    reader.goto(file.as_uri())
    expect(reader.get_by_role("heading", name=re.compile(rf"^{unit} of "))).to_be_visible()
    expect(reader.get_by_text(re.compile(r"It detects disc: .* a lift of \d"))).to_be_visible()
    expect(reader.get_by_role("img", name=f"Top images of {unit}, its mask outlined")).to_be_visible()
    assert reader.evaluate("[...document.images].every(i => i.naturalWidth > 200)")
    expect(reader.get_by_role("img", name="IoU with each concept")).to_be_visible()
    for evidence in ("Fixed spot", "Always on", "Usual place"):
        expect(reader.get_by_role("columnheader", name=evidence, exact=True)).to_be_attached()
    expect(reader.get_by_text("ganatomy dissect planted")).to_be_visible()
    expect(reader.get_by_text("ganatomy report unit")).to_be_visible()
    assert reader.evaluate("document.documentElement.scrollWidth") <= 390
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    context.close()
