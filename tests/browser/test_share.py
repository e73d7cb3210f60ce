"""Sharing in a real browser: a link that a colleague opens, a card in a frame."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, expect
from visiting import Dashboard, Visitor

from jobs.api.client import ApiClient

pytestmark = pytest.mark.browser

PAGES = ("/", "/unit?layer=layer1&unit=3", "/compare", "/jobs", "/sql")


def text_of(visitor: Visitor) -> str:
    """What the page says."""
    return visitor.page.locator("[data-testid=stMain]").inner_text()


def copied(visitor: Visitor, name: str) -> str:
    """What the button of this name in Share copies, after it has said that it did."""
    page = visitor.page
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = str(page.evaluate("navigator.clipboard.readText()"))
    page.keyboard.press("Escape")
    return text


def test_a_copied_link_opens_the_same_view_for_a_colleague(
    browser: Browser, dashboard: Dashboard, visitor: Visitor
) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open("/units?layer=layer1&find=3,5-7")
    expect(page.get_by_text("4 units of 36")).to_be_visible()
    page.get_by_role("radio", name="layer2").click()
    visitor.expect_parameter("layer", "layer2")
    visitor.settle()
    address = copied(visitor, "Copy link")
    assert "layer=layer2" in address
    assert "%2C" not in address
    visitor.settle()
    seen = text_of(visitor)
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    colleague = Visitor(context.new_page(), dashboard.url).watch()
    colleague.open(address.removeprefix(dashboard.url))
    expect(colleague.page.get_by_text("4 units of 36")).to_be_visible()
    assert text_of(colleague) == seen
    colleague.must_be_well()
    context.close()


def test_share_stands_on_every_page_and_fits_a_phone(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    for address in PAGES:
        page = visitor.open(address)
        page.get_by_role("button", name="Share").click()
        button = page.get_by_role("button", name="Copy link")
        expect(button).to_be_visible()
        box = page.locator("[data-testid=stPopoverBody]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_chart_is_an_svg_with_what_the_page_shows(visitor: Visitor) -> None:
    page = visitor.open("/layers")
    page.get_by_role("button", name="Share").click()
    button = page.get_by_role("button", name="Detectors per layer, by category as SVG")
    with page.expect_download() as found:
        button.click()
    assert found.value.suggested_filename == "detectors-per-layer-by-category.svg"
    said = [each.text for each in ElementTree.parse(found.value.path()).iter()]
    assert {"layer1", "layer2", "Detectors per layer, by category"} <= set(said)


def test_an_address_of_what_is_gone_shows_a_sentence_and_lets_one_choose(visitor: Visitor) -> None:
    page = visitor.open("/unit?run=planted-gone&layer=layer1&unit=3")
    expect(page.get_by_text("Run planted-gone is not in this store")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Latent"))).to_have_count(0)
    assert visitor.parameter("run") == "planted-gone"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server of somebody else, with the files of a folder; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_card_is_shown_in_a_frame_of_another_page(
    browser: Browser, dashboard: Dashboard, visitor: Visitor, tmp_path: Path
) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open("/unit?layer=layer1&unit=3")
    snippet = copied(visitor, "Copy snippet")
    assert snippet.startswith("<iframe ")
    (tmp_path / "other.html").write_text(f"<!doctype html><title>Notes</title>{snippet}")
    context = browser.new_context()
    page = context.new_page()
    with served(tmp_path) as address:
        page.goto(f"{address}/other.html")
        frame = page.frame_locator("iframe")
        images = frame.get_by_role("img", name="Top images of layer1 unit 3, its mask outlined")
        expect(images).to_be_visible()
        expect(frame.get_by_role("link", name="layer1 unit 3 of planted")).to_be_visible()
        context.close()


def test_the_dashboards_server_answers_the_api(dashboard: Dashboard) -> None:
    with ApiClient(dashboard.url) as api:
        run = next(api.runs("dissection"))
        assert run.generator == "planted"
        assert len(list(api.units(run.run_id, "layer1"))) == 36
    with urllib.request.urlopen(f"{dashboard.url}/api/openapi.json", timeout=60) as answer:
        assert json.load(answer)["openapi"] == "3.1.0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_saved_as_png(visitor: Visitor, scheme: str) -> None:
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = visitor.open("/layers")
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    chart.scroll_into_view_if_needed()
    chart.hover()
    file = visitor.download(page.get_by_role("button", name="Download as PNG: Detectors per layer").first)
    assert file.read_bytes().startswith(b"\x89PNG")
