"""The Compare page in a browser: arms are chosen and kept in the address, counts are the store's."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from comparison_store import Runs, fill
from effects_store import copied
from playwright.sync_api import Browser, expect
from visiting import Dashboard, Visitor, serve

from db import store as stores
from db.layout import Layout

pytestmark = pytest.mark.browser

SEED = "Each arm has one training seed, so differences hold for these networks only."


@pytest.fixture(scope="module")
def several(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runs, Dashboard]]:
    """A dashboard of runs that may be compared, and of one that shares no concept with them."""
    layout = copied(store, tmp_path_factory.mktemp("comparing") / "store")
    runs = fill(layout)
    for dashboard in serve(layout.root):
        yield runs, dashboard


@pytest.fixture
def comparer(browser: Browser, several: tuple[Runs, Dashboard]) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    visitor = Visitor(context.new_page(), several[1].url).watch()
    yield visitor
    visitor.must_be_well()
    context.close()


def test_checkpoints_come_first_and_are_drawn_along_the_training(
    comparer: Visitor, several: tuple[Runs, Dashboard]
) -> None:
    runs = several[0]
    page = comparer.open("/compare")
    assert comparer.parameter("runs") == f"{runs.early},{runs.late}"
    expect(page.get_by_role("heading", name="Along the training")).to_be_visible()
    expect(page.get_by_text("planted: share of named units, one line per layer")).to_be_visible()
    expect(page.get_by_text("Not yet at early: disc")).to_be_visible()
    expect(page.get_by_role("heading", name="Concepts that only some arms have")).to_be_visible()
    expect(page.get_by_text("early · coloured shapes")).to_be_visible()


def test_two_runs_are_compared_and_the_numbers_are_each_one_s(
    comparer: Visitor, several: tuple[Runs, Dashboard]
) -> None:
    runs, dashboard = several
    page = comparer.open(f"/compare?runs={runs.late},{runs.whole}&layers=layer1&rule=paper")
    expect(page.get_by_text("What differs · 2 arms")).to_be_visible()
    expect(page.get_by_text("Data set: coloured shapes in late; not known in planted")).to_be_visible()
    page.get_by_text("Concepts in digits", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Concepts as CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert {row["run_id"] for row in rows} == {runs.late, runs.whole}
    scores = stores.open(Layout(dashboard.store)).bundle(runs.whole).table("unit_concept")
    for row in rows:
        same = scores[(scores["layer"] == "layer1") & (scores["concept"] == row["concept"])]
        assert float(row["iou"]) == pytest.approx(same.loc[same["calibration_iou"].idxmax(), "iou"])


def test_runs_that_share_no_concept_are_never_offered_together_and_a_way_out_is_shown(
    comparer: Visitor, several: tuple[Runs, Dashboard]
) -> None:
    runs = several[0]
    page = comparer.open(f"/compare?runs={runs.whole},{runs.unlike}")
    expect(page.get_by_text("No concept is in every run's vocabulary")).to_be_visible()
    for link in page.locator("a[href*='runs=']").all():
        offered = str(link.get_attribute("href"))
        assert not (runs.unlike in offered and runs.whole in offered)
    page.get_by_role("link", name="Only those seen by others").click()
    comparer.expect_parameter("runs", runs.unlike)
    expect(page.get_by_role("heading", name="Concept by concept")).to_be_visible()


def test_layers_of_the_newest_run_come_first(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/compare")
    expect(page.get_by_text("What differs · 2 arms")).to_be_visible()
    expect(page.get_by_text(SEED)).to_be_visible()
    for heading in ("Named units", "Distinct concepts", "Concept by concept"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert str(visitor.parameter("runs")).startswith("planted-")
    assert visitor.parameter("layers") == "layer1,layer2"
    picture = page.get_by_role("img", name=re.compile("Top images of layer1 unit")).first
    expect(picture).to_be_visible()


def test_the_counts_are_those_of_the_store(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/compare?rule=paper&cut=0.1")
    page.get_by_text("In digits", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Counts as CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    snapshot = stores.open(Layout(dashboard.store))
    run = visitor.parameter("runs")
    for row in rows:
        frame = snapshot.bundle(str(run)).table("unit_concept")
        frame = frame[frame["label"] & (frame["iou"] > 0.1) & (frame["layer"] == row["layer"])]
        if row["category"] != "all":
            frame = frame[frame["category"] == row["category"]]
        assert int(row["named"]) == len(frame)
        assert int(row["concepts"]) == frame["concept"].nunique()
    assert sum(int(row["named"]) for row in rows) > 0


def test_arms_left_out_stay_out_in_the_address(visitor: Visitor) -> None:
    page = visitor.open("/compare")
    run = visitor.parameter("runs")
    page = visitor.open(f"/compare?runs={run}&without={run}:layer2&rule=calibrated&measure=ceiling")
    expect(page.get_by_text("What differs · 1 arm,")).to_be_visible()
    expect(page.get_by_text("The calibrated rule has no cut")).to_be_visible()
    assert visitor.parameter("without") == f"{run}:layer2"
    page.get_by_role("radio", name="Paper").click()
    visitor.expect_parameter("rule", "paper")
    assert visitor.parameter("without") == f"{run}:layer2"


def test_a_run_that_is_not_there_is_said_and_left_out(visitor: Visitor) -> None:
    page = visitor.open("/compare?runs=nobody")
    expect(page.get_by_text("Not in this store, and left out: nobody")).to_be_visible()
    expect(page.get_by_text("What differs · 2 arms")).to_be_visible()


def test_the_statement_behind_it_opens_in_sql(visitor: Visitor) -> None:
    page = visitor.open("/compare")
    page.get_by_role("link", name="Open these counts in SQL").click()
    expect(page.get_by_role("heading", name="SQL")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ rows"))).to_be_visible()
    assert "unit_label" in str(visitor.parameter("q"))


@pytest.mark.parametrize(
    ("width", "scheme"), [(1400, "light"), pytest.param(1400, "dark", marks=pytest.mark.slow), (420, "light")]
)
def test_it_fits_and_nothing_stands_in_the_way(
    visitor: Visitor, width: int, scheme: Literal["light", "dark"]
) -> None:
    visitor.must_fit("/compare", width, scheme)
