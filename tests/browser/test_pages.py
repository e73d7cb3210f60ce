"""Every page in a real browser: what it shows, that its address means the same again, that links lead on."""

import csv
import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from visiting import Visitor

pytestmark = pytest.mark.browser

PAGES = ("/", "/concept", "/units", "/unit?layer=layer1&unit=3", "/layers", "/ablate", "/jobs", "/sql")


def test_home_shows_the_runs_and_leads_to_units(visitor: Visitor) -> None:
    page = visitor.open("/")
    expect(page.get_by_text("Evaluation images", exact=True)).to_be_visible()
    expect(page.get_by_text("seen by planted")).to_be_visible()
    page.get_by_role("link", name="Units", exact=True).last.click()
    expect(page.get_by_role("heading", name="Units")).to_be_visible()
    assert str(visitor.parameter("run")).startswith("planted-")


def test_units_shows_names_scores_and_pictures(visitor: Visitor) -> None:
    page = visitor.open("/units?layer=layer1")
    expect(
        page.get_by_text(re.compile(r"36 units of 36, \d+ detectors, 4 distinct concepts"))
    ).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+\.\dx a fixed spot$")).first).to_be_visible()
    picture = page.get_by_role("img", name=re.compile("Top images of layer1 unit")).first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300


def test_units_filters_and_their_address_means_the_same_again(visitor: Visitor) -> None:
    page = visitor.open("/units?layer=layer1")
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="More").click()
    page.get_by_label("Unit number").fill("3, 5-7")
    page.get_by_label("Unit number").press("Enter")
    expect(page.get_by_text("4 units of 36")).to_be_visible()
    page.get_by_role("radio", name="IoU (paper)").click()
    visitor.expect_parameter("rule", "paper")
    visitor.settle()
    page.keyboard.press("Escape")  # closes what stands open, as a link leaves it closed
    expect(page.get_by_label("Unit number")).to_be_hidden()
    address, seen = page.url, page.locator("main, [data-testid=stMain]").inner_text()
    again = visitor.open(address.removeprefix(visitor.url))
    expect(again.get_by_text("4 units of 36")).to_be_visible()
    assert again.locator("main, [data-testid=stMain]").inner_text() == seen


def test_units_follow_the_threshold_without_a_job(visitor: Visitor) -> None:
    def seen(tail: str) -> tuple[str, str | None]:
        page = visitor.open(f"/units?layer=layer1&find=0&tail={tail}")
        picture = page.get_by_role("img", name=re.compile("Top images")).first
        verdict = page.get_by_text(re.compile("a fixed spot|weak match|unnamed|No ")).first
        return verdict.inner_text(), picture.get_attribute("src")

    assert seen("scored") != seen("1+%25")


def test_a_card_leads_to_its_unit_and_back_to_the_same_place(visitor: Visitor) -> None:
    page = visitor.open("/units?layer=layer2&sort=Unit+number&page=2")
    visitor.settle()
    entries = page.evaluate("history.length")
    page.get_by_role("link", name=re.compile("layer2 unit 25$")).last.click()
    expect(page.get_by_role("heading", name="layer2 unit 25")).to_be_visible()
    visitor.settle()
    assert page.evaluate("history.length") == entries + 1  # and none for each default of the page
    page.go_back()
    expect(page.get_by_role("link", name=re.compile("layer2 unit 25$")).last).to_be_visible()
    assert (visitor.parameter("sort"), visitor.parameter("page")) == ("Unit number", "2")


def test_a_unit_follows_its_slider(visitor: Visitor) -> None:
    page = visitor.open("/unit?layer=layer1&unit=0")
    expect(page.get_by_text("The scored threshold, chosen on calibration images")).to_be_visible()
    before = page.get_by_role("img", name=re.compile("^IoU ")).first.get_attribute("aria-label")
    page.get_by_role("slider", name="Threshold").press("ArrowRight")
    page.get_by_role("slider", name="Threshold").press("ArrowRight")
    expect(page.get_by_text("Not the scored threshold")).to_be_visible()
    visitor.settle()
    assert page.get_by_role("img", name=re.compile("^IoU ")).first.get_attribute("aria-label") != before
    page.get_by_role("button", name="Back to the scored threshold").click()
    expect(page.get_by_text("The scored threshold, chosen on calibration images")).to_be_visible()


def test_layers_counts_units_and_concepts(visitor: Visitor) -> None:
    page = visitor.open("/layers?by=concept")
    for heading in ("Detectors", "Distinct concepts", "Concept by concept"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ of 72 units are detectors"))).to_be_visible()
    page.get_by_role("radio", name="IoU (paper)").click()
    expect(page.get_by_role("heading", name="Named units")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(3)


def test_ablate_shows_four_images_before_and_after(visitor: Visitor) -> None:
    page = visitor.open("/ablate?layer=layer1&by=number&units=0-3")
    expect(page.get_by_role("img", name=re.compile("Latent .*: before"))).to_have_count(4)
    file = visitor.download(page.get_by_role("button", name="Download as PNG"))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_ablate_takes_the_best_units_of_a_concept(visitor: Visitor) -> None:
    page = visitor.open("/ablate?layer=layer1&by=concept&n=2")
    expect(page.get_by_text("Units, with their IoU with")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Latent .*: before"))).to_have_count(4)


def test_what_is_pinned_is_found_in_sql(visitor: Visitor) -> None:
    page = visitor.open("/ablate?layer=layer1&by=number&units=2,3")
    expect(page.get_by_role("img", name=re.compile("Latent .*: before"))).to_have_count(4)
    page.get_by_role("button", name="Pin").click()
    name = page.locator(".st-key-person-pin input")
    name.fill("ada")
    name.press("Enter")
    visitor.settle()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Pinned as run")).to_be_visible()
    page.get_by_role("link", name="Its rows in SQL").click()
    expect(page.get_by_text("4 rows")).to_be_visible()
    assert "FROM render WHERE run_id" in str(visitor.parameter("q"))


def test_sql_answers_and_gives_csv(visitor: Visitor) -> None:
    page = visitor.open("/sql")
    page.get_by_label("Statement", exact=True).fill(
        "SELECT layer, count(*) AS n FROM unit GROUP BY layer ORDER BY layer"
    )
    page.get_by_label("Statement", exact=True).press("Control+Enter")
    expect(page.get_by_text("2 rows")).to_be_visible()
    visitor.settle()
    file = visitor.download(page.get_by_role("button", name="Answer as CSV"))
    rows = list(csv.reader(file.read_text().splitlines()))
    assert rows == [["layer", "n"], ["layer1", "36"], ["layer2", "36"]]
    assert "GROUP BY layer" in str(visitor.parameter("q"))


@pytest.mark.parametrize(
    "statement", ["SELECT nothing FROM nowhere", "DROP TABLE unit", "SELECT 1; SELECT 2"]
)
def test_sql_says_in_a_sentence_what_is_wrong(visitor: Visitor, statement: str) -> None:
    page = visitor.open(f"/sql?q={statement.replace(' ', '+')}")
    expect(page.get_by_role("alert")).to_be_visible()
    said = page.get_by_role("alert").inner_text().removeprefix("error").strip()
    assert said.endswith((".", "?"))
    assert "\n" not in said


def test_the_keyboard_reaches_the_pages(visitor: Visitor) -> None:
    page = visitor.open("/")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").endswith("Layers"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Layers")).to_be_visible()


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        *((a, "light") for a in PAGES),
        *(pytest.param(a, "dark", marks=pytest.mark.slow) for a in ("/units", "/jobs")),
    ],
)
def test_nothing_stands_in_the_way_of_assistive_technology(
    visitor: Visitor, address: str, scheme: Literal["light", "dark"]
) -> None:
    visitor.page.emulate_media(color_scheme=scheme)
    page = visitor.open(address)
    for _ in range(
        5
    ):  # while a slow machine draws again, Streamlit fades what is old, and with it the contrast
        if not (found := serious(page)):
            break
        page.wait_for_timeout(2000)
        visitor.settle()
    assert found == []


def serious(page: Page) -> list[tuple[str, list[str]]]:
    """What axe calls serious or critical, and headings that skip a level: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [
        (violation["id"], [node["html"][:160] for node in violation["nodes"]])
        for violation in found
        if violation["impact"] in ("serious", "critical") or violation["id"] == "heading-order"
    ]


@pytest.mark.parametrize("address", PAGES)
def test_pages_fit_a_phone(visitor: Visitor, address: str) -> None:
    visitor.page.set_viewport_size({"width": 420, "height": 900})
    page = visitor.open(address)
    width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert width <= 420
