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

SEED = "The network was trained once; another training may give other numbers."


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
    expect(page.get_by_text("early · coloured shapes")).to_be_visible()
    page = comparer.open("/compare?tab=concepts")
    expect(page.get_by_text("No unit has a threshold yet at early: disc")).to_be_visible()
    expect(page.get_by_role("heading", name="Concepts that only some arms have")).to_be_visible()


def test_a_researcher_compares_two_runs_and_hands_on_the_view(
    comparer: Visitor, several: tuple[Runs, Dashboard], browser: Browser
) -> None:
    runs = several[0]
    page = comparer.open(f"/compare?runs={runs.whole},{runs.late}")
    expect(page.get_by_text("has the largest share of detectors")).to_be_visible()
    page.get_by_role("tab", name="Concepts").click()
    comparer.expect_parameter("tab", "concepts")
    expect(page.get_by_role("heading", name="Concepts that only some arms have")).to_be_visible()
    first = comparer.settle().get_by_role("combobox", name="Best units of").input_value()
    # A click on the cell of another concept: the gallery beside the map shows its units.
    cells = page.locator("[data-testid=stVegaLiteChart] path[aria-label*='concept:']")
    expect(cells.first).to_be_visible()
    other = next(
        cell for cell in cells.all() if f"concept: {first};" not in str(cell.get_attribute("aria-label"))
    )
    found = re.search(r"concept: ([^;]+)", str(other.get_attribute("aria-label")))
    assert found is not None
    named = found[1]
    other.click(force=True)  # a mark lies over the middle of the cell
    comparer.expect_parameter("concept", named)
    expect(page.get_by_role("combobox", name="Best units of")).to_have_value(named)
    said = comparer.settle().get_by_text(re.compile(r"averaged map \d")).all_inner_texts()
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    colleague = Visitor(context.new_page(), comparer.url).watch()
    theirs = colleague.open(page.url.removeprefix(comparer.url))
    expect(theirs.get_by_role("tab", name="Concepts")).to_have_attribute("aria-selected", "true")
    expect(theirs.get_by_role("combobox", name="Best units of")).to_have_value(named)
    assert colleague.settle().get_by_text(re.compile(r"averaged map \d")).all_inner_texts() == said
    colleague.must_be_well()
    context.close()


def test_two_runs_are_compared_and_the_numbers_are_each_one_s(
    comparer: Visitor, several: tuple[Runs, Dashboard]
) -> None:
    runs, dashboard = several
    page = comparer.open(f"/compare?runs={runs.late},{runs.whole}&layers=layer1&rule=paper")
    expect(page.get_by_text("Data set: coloured shapes in late; not known in planted")).to_be_visible()
    page.get_by_role("tab", name="Numbers").click()
    comparer.expect_parameter("tab", "numbers")
    file = comparer.download(page.get_by_role("button", name="Concepts as CSV"))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["run_id"] for row in rows} == {runs.late, runs.whole}
    scores = stores.open(Layout(dashboard.store)).bundle(runs.whole).table("unit_concept")
    for row in rows:
        same = scores[(scores["layer"] == "layer1") & (scores["concept"] == row["concept"])]
        assert float(row["iou"]) == pytest.approx(same.loc[same["calibration_iou"].idxmax(), "iou"])


def test_runs_that_share_no_concept_are_each_shown_in_its_own_words(
    comparer: Visitor, several: tuple[Runs, Dashboard]
) -> None:
    runs = several[0]
    page = comparer.open(f"/compare?runs={runs.whole},{runs.unlike}")
    expect(page.get_by_text("These runs share no concept")).to_be_visible()
    for name in ("planted", "unlike"):
        expect(page.get_by_text(re.compile(rf"^{name}: \d+ of \d+ units are detectors"))).to_be_visible()
    for heading in ("Detectors", "What they detect", "The best detectors of each run"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("No segmenter here knows concepts of all of them.")).to_be_visible()


def test_layers_of_the_newest_run_come_first(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/compare")
    expect(page.get_by_text("2 layers compared")).to_be_visible()
    expect(page.get_by_text(SEED)).to_be_visible()
    for panel in ("Detectors", "Distinct concepts"):
        expect(page.get_by_text(panel, exact=True)).to_be_visible()
    assert str(visitor.parameter("runs")).startswith("planted-")
    assert visitor.parameter("layers") == "layer1,layer2"
    picture = page.get_by_role("img", name=re.compile("Top images of layer1 unit")).first
    expect(picture).to_be_visible()


def test_the_counts_are_those_of_the_store(visitor: Visitor, dashboard: Dashboard) -> None:
    page = visitor.open("/compare?rule=paper&cut=0.1&tab=numbers")
    file = visitor.download(page.get_by_role("button", name="Counts as CSV"))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    snapshot = stores.open(Layout(dashboard.store))
    run = visitor.parameter("runs")
    for row in rows:
        frame = snapshot.bundle(str(run)).table("unit_concept")
        frame = frame[frame["largest_iou"] & (frame["iou"] > 0.1) & (frame["layer"] == row["layer"])]
        if row["category"] != "all":
            frame = frame[frame["category"] == row["category"]]
        assert int(row["named"]) == len(frame)
        assert int(row["concepts"]) == frame["concept"].nunique()
    assert sum(int(row["named"]) for row in rows) > 0


def test_detectors_are_counted_unless_the_paper_s_rule_is_asked_for(
    visitor: Visitor, dashboard: Dashboard
) -> None:
    page = visitor.open("/compare?tab=numbers")
    file = visitor.download(page.get_by_role("button", name="Counts as CSV"))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    frame = stores.open(Layout(dashboard.store)).bundle(str(visitor.parameter("runs"))).table("unit_concept")
    frame = frame[frame["label"] & (frame["lift"] > 0) & (frame["lift_q_value"] <= 0.05)]
    for row in rows:
        mine = frame[frame["layer"] == row["layer"]]
        if row["category"] != "all":
            mine = mine[mine["category"] == row["category"]]
        assert int(row["named"]) == int(row["detectors"]) == len(mine)
    assert sum(int(row["named"]) for row in rows) > 0


def test_arms_left_out_stay_out_in_the_address(visitor: Visitor) -> None:
    page = visitor.open("/compare")
    run = visitor.parameter("runs")
    page = visitor.open(f"/compare?runs={run}&without={run}:layer2&rule=lift")
    expect(page.get_by_text("1 layer compared")).to_be_visible()
    assert visitor.parameter("without") == f"{run}:layer2"
    page.get_by_role("radio", name="IoU (paper)").click()
    visitor.expect_parameter("rule", "paper")
    assert visitor.parameter("without") == f"{run}:layer2"
    page.get_by_role("radio", name="IoU / averaged map").click()
    visitor.expect_parameter("measure", "ceiling")
    assert visitor.parameter("without") == f"{run}:layer2"


def test_a_run_that_is_not_there_is_said_and_not_replaced(visitor: Visitor) -> None:
    page = visitor.open("/compare?runs=nobody")
    expect(page.get_by_text("cannot be nobody; none of it exists here")).to_be_visible()
    assert "nobody" in page.url


def test_the_statement_behind_it_opens_in_sql(visitor: Visitor) -> None:
    page = visitor.open("/compare?tab=numbers")
    page.get_by_role("link", name="Open these counts in SQL").click()
    expect(page.get_by_role("heading", name="SQL")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ rows"))).to_be_visible()
    assert "unit_label" in str(visitor.parameter("q"))


@pytest.mark.parametrize("tab", ["summary", "concepts"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(1400, "light"), pytest.param(1400, "dark", marks=pytest.mark.slow), (420, "light")]
)
def test_it_fits_and_nothing_stands_in_the_way(
    visitor: Visitor, width: int, scheme: Literal["light", "dark"], tab: str
) -> None:
    visitor.must_fit(f"/compare?tab={tab}", width, scheme)
