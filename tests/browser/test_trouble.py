"""What people see when something is broken: one sentence with its remedy, never a traceback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, expect
from visiting import Dashboard, Visitor, serve

from db import store
from db.layout import Layout

pytestmark = pytest.mark.browser

PAGES = ("/", "/units", "/layers", "/ablate", "/sql")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over a store whose published file is cut short."""
    layout = Layout.create(tmp_path_factory.mktemp("trouble") / "store")
    version = store.publish(layout)
    version.chmod(0o600)
    version.write_bytes(version.read_bytes()[:4096])
    yield from serve(layout.root)


@pytest.mark.parametrize("address", PAGES)
def test_a_damaged_store_is_a_sentence_with_its_remedy(visitor: Visitor, address: str) -> None:
    page = visitor.open(address)
    expect(page.get_by_role("alert")).to_contain_text("cannot be read")
    expect(page.get_by_role("alert")).to_contain_text("ganatomy store rebuild")


def test_a_store_that_is_not_there_is_a_sentence(browser: Browser, tmp_path: Path) -> None:
    for served in serve(tmp_path / "nothing"):
        visitor = Visitor(browser.new_page(), served.url).watch()
        page = visitor.open("/")
        expect(page.get_by_role("alert")).to_contain_text("There is no store at")
        visitor.must_be_well()
        page.close()


def test_pictures_that_are_gone_leave_the_rest_readable(
    browser: Browser, tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    layout = Layout.create(tmp_path / "store")
    write_run("run-1", into=layout, grid_height=16, grid_width=16)
    store.publish(layout)
    for served in serve(layout.root):
        visitor = Visitor(browser.new_page(), served.url).watch()
        page = visitor.open("/units?layer=layer1")
        expect(page.get_by_text("4 units of 4")).to_be_visible()
        visitor.must_be_well()
        page.close()


def test_a_store_that_is_made_again_says_how_far_it_is(
    browser: Browser, tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    layout = Layout.create(tmp_path / "store")
    write_run("run-1", into=layout, grid_height=16, grid_width=16)
    layout.rebuilding.write_text('{"done": 3, "total": 7}')
    with FileLock(layout.commit_lock, thread_local=False) as lock:  # another program makes it
        for served in serve(layout.root):
            visitor = Visitor(browser.new_page(), served.url).watch()
            page = visitor.open("/")
            expect(page.get_by_text("is being made again from its bundles: 3 of 7 runs")).to_be_visible()
            lock.release()
            expect(page.get_by_text("seen by")).to_be_visible()
            assert not layout.rebuilding.exists()
            visitor.must_be_well()
            page.close()
