"""Names, addresses and errors with markup in a real browser: shown as they are, and nothing is fetched."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from full_store import left
from hostile_names import MARKUP, make_hostile
from playwright.sync_api import Browser, Page
from visiting import Dashboard, Visitor, serve

# Links and pictures that a text made: what Ganatomy draws itself points at its own pages and media.
INJECTED = r"""() => [...document.querySelectorAll('a[href], img, iframe, script[src]')]
    .map(each => (each.href || each.src).split('?')[0])
    .filter(address => /127\.0\.0\.1:9|evil|mailto/.test(address))"""
RENDERED = """() => ['.katex', '.stMarkdownColoredText', '[aria-label="home icon"]']
    .flatMap(kind => [...document.querySelectorAll(`[data-testid=stMarkdownContainer] ${kind}`)])
    .map(each => each.textContent).filter(text => /red|home|x/.test(text))"""
ADDRESSES = [
    ("/", {}),
    ("/units", {}),
    ("/unit", {"unit": "3"}),
    ("/layers", {}),
    ("/compare", {}),
    ("/causes", {}),
    ("/context", {}),
    ("/artifacts", {}),
    ("/units", {"run": MARKUP}),
    ("/units", {"layer": MARKUP}),
    ("/compare", {"runs": MARKUP}),
    ("/jobs", {"generator": MARKUP}),
    ("/jobs", {"job": MARKUP}),
    ("/jobs", {"kind": "ace", "concept": MARKUP}),
    ("/ablate", {"by": "edit", "edit": MARKUP}),
    ("/sql", {"q": f"SELECT error('{MARKUP}')"}),
    ("/sql", {"q": f'SELECT "{MARKUP}" FROM run'}),
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    layout = left(tmp_path_factory.mktemp("hostile") / "store")
    make_hostile(layout)
    yield from serve(layout.root)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield context.new_page()
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("view", "parameters"), ADDRESSES)
def test_text_is_shown_as_it_is(
    hostile: Dashboard, page: Page, view: str, parameters: dict[str, str]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visitor = Visitor(page, hostile.url)
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    visitor.open(f"{view}?{query}" if query else view)
    here = {urlsplit(hostile.url).netloc, ""}
    assert [url for url in asked if urlsplit(url).netloc not in here] == []
    assert page.evaluate(INJECTED) == []
    assert page.evaluate(RENDERED) == []
    assert page.evaluate("() => window.__pwn") is None
    assert page.locator("[data-testid=stException]").count() == 0
    if view not in ("/layers", "/jobs") or parameters:  # their names are in a canvas, or there are none
        shown = page.locator("[data-testid=stMain]").inner_text().replace("\N{WORD JOINER}", "")
        assert MARKUP[:80] in " ".join(shown.split())  # an error quotes the beginning
        if not parameters:
            assert MARKUP in " ".join(shown.split())
