"""The Causes page in a real browser, over causes that a job has really learned, and the ways to it."""

import csv
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect
from test_pages import serious
from visiting import Dashboard, Visitor, ganatomy, serve

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over a store with a tiny dissection and tiny causes of a disc."""
    root = tmp_path_factory.mktemp("causes") / "store"
    ganatomy(root, "dissect", "planted", "--images", "64", "--calibration", "64", "--wait")
    little = ("--images", "4", "--steps", "4", "--seeds", "2", "--random-sets", "2", "--top", "3")
    asked = ("ace", "planted", "--layer", "layer1", "--concept", "disc", *little, "--wait")
    ganatomy(root, *asked)
    ganatomy(root, *asked, "--marked", "4,17", "--single-images", "3", "--training", "64")
    yield from serve(root)


@pytest.fixture
def reader(browser: Browser, learned: Dashboard) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    reader = Visitor(context.new_page(), learned.url).watch()
    yield reader
    reader.must_be_well()
    context.close()


def test_causes_shows_units_curves_pictures_and_side_effects(reader: Visitor) -> None:
    page = reader.open("/causes")
    expect(
        page.get_by_text(re.compile("to what they are where the concept is absent removes"))
    ).to_be_visible()
    for heading in ("Which units", "What editing them does", "Before and after", "Each unit alone"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Latent .*: before"))).to_have_count(8)
    expect(page.get_by_text(re.compile("^mean layer1 "))).to_be_visible()
    file = reader.download(page.get_by_role("button", name="Units as CSV", exact=True))
    expect(page.get_by_text(re.compile("Random sets of 2 units.*by hand: "))).to_be_visible()
    expect(page.get_by_text(re.compile("Random sets of 3 units that do as much"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"over \d+ test images"))).to_be_visible()
    table = list(csv.DictReader(file.read_text().splitlines()))
    assert len(table) == 36
    assert {"alpha", "iou_rank", "single_rank"} <= set(table[0])


def test_the_choice_is_in_the_address_and_an_edit_leads_to_the_ablate_page(reader: Visitor) -> None:
    page = reader.open("/causes?generator=planted&layer=layer1&concept=disc&n=2")
    expect(page.get_by_text(re.compile(r"^Ablated, 2 units"))).to_be_visible()
    page.get_by_role("radio", name="Insert", exact=True).click()
    reader.expect_parameter("edit", "insert")
    reader.settle()
    page.get_by_role("link", name="Open this edit on the Ablate page").last.click()
    expect(page.get_by_role("heading", name="Ablate", exact=True)).to_be_visible()
    reader.settle()
    assert str(reader.parameter("edit")).startswith("insert layer1 ")
    expect(page.get_by_role("img", name=re.compile("Latent 300032: before"))).to_be_visible()


def test_the_unit_page_says_what_the_unit_causes(reader: Visitor) -> None:
    page = reader.open("/unit?layer=layer1&unit=3")
    expect(page.get_by_text(re.compile(r"\d+ test images"))).to_be_visible()
    page.get_by_role("link", name="Causes", exact=True).last.click()
    expect(page.get_by_role("heading", name="Causes", exact=True)).to_be_visible()


def test_a_store_without_causes_leads_to_the_form_filled_in(visitor: Visitor) -> None:
    page = visitor.open("/causes?generator=planted&layer=layer2&concept=dot")
    page.get_by_role("link", name="Queue one on the Jobs page").click()
    expect(page.get_by_role("radio", name="Causes of a concept")).to_be_checked()
    visitor.settle()
    wanted = {"kind": "ace", "generator": "planted", "layer": "layer2", "concept": "dot"}
    assert {name: visitor.parameter(name) for name in wanted} == wanted


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_stands_in_the_way_of_assistive_technology(
    reader: Visitor, scheme: Literal["light", "dark"]
) -> None:
    reader.page.emulate_media(color_scheme=scheme)
    page = reader.open("/causes")
    for _ in range(5):  # what is drawn again is faded meanwhile
        if not (found := serious(page)):
            break
        page.wait_for_timeout(2000)
        reader.settle()
    assert found == []


def test_causes_fits_a_phone(reader: Visitor) -> None:
    reader.page.set_viewport_size({"width": 420, "height": 900})
    page = reader.open("/causes")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 420
