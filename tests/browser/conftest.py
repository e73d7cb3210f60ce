"""A real store, a real dashboard process, a real Chromium.

In CI a missing Chromium fails these tests; on a person's machine it skips them.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode puts no folder on the path
import chromium
from visiting import Dashboard, Visitor, ganatomy, serve


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small generator whose units are known, really dissected by a job."""
    root = tmp_path_factory.mktemp("browser") / "store"
    ganatomy(root, "dissect", "planted", "--images", "64", "--calibration", "64", "--wait")
    return root


@pytest.fixture(scope="session")
def dashboard(store: Path) -> Iterator[Dashboard]:
    yield from serve(store)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.ensure() if os.environ.get("CI") else chromium.installed()
    if path is None:
        told = "no Chromium is installed; `python tests/browser/chromium.py` gets one"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(chromium.ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def visitor(browser: Browser, dashboard: Dashboard) -> Iterator[Visitor]:
    """Opens the dashboard of the session's store; at the end, nothing may have gone wrong."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    visitor = Visitor(context.new_page(), dashboard.url).watch()
    yield visitor
    visitor.must_be_well()
    context.close()
