"""The memory of a dashboard process settles while somebody goes from page to page."""

import contextlib
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from children import free_port
from playwright.sync_api import Browser, expect
from visiting import Visitor, await_health, environment

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHANGES, EVERY = 200, 40
PAGES = ("units", "layers", "compare", "models", "jobs", "sql", "")
# After the caches are full, a page change may keep what a session remembers of it, and no more.
MOST_EACH = 0.1e6  # bytes
SLACK = 12e6  # bytes: the allocator's, in either direction
MOST_ANSWERS = 200e6  # bytes that answers of 100,000 rows may add


@pytest.fixture
def process(store: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a dashboard of its own."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "jobs.services.dashboard", "--store", str(store)]
    served = subprocess.Popen([*command, "--port", str(port)], env=environment(store), cwd=store.parent)
    try:
        await_health(f"http://localhost:{port}", served)
        yield f"http://localhost:{port}", psutil.Process(served.pid)
    finally:
        served.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            served.wait(30)


@pytest.mark.timeout(1500)
def test_memory_settles(browser: Browser, process: tuple[str, psutil.Process]) -> None:
    address, dashboard = process
    dice, held = random.Random(1), []
    # Wide enough for every page in the navigation: the last ones go into a menu on narrower windows.
    context = browser.new_context(viewport={"width": 2000, "height": 1000})
    visitor = Visitor(context.new_page(), address).watch()
    visitor.open("/units?layer=layer1")
    for change in range(1, CHANGES + 1):
        if dice.random() < 0.3 and re.search("/units", visitor.page.url):
            visitor.open(f"/unit?layer=layer{dice.randint(1, 2)}&unit={dice.randrange(36)}")
        else:
            link = visitor.page.locator(f'[data-testid=stTopNavLink][href$="/{dice.choice(PAGES)}"]')
            link.first.click()
            visitor.settle()
        if change % EVERY == 0:
            held.append(dashboard.memory_full_info().uss)
    context.close()
    middle, last = held[len(held) // 2], held[-1]
    assert last - middle < MOST_EACH * (CHANGES / 2) + SLACK, [round(uss / 1e6) for uss in held]


def test_answers_of_100_000_rows_are_paged_through(
    browser: Browser, process: tuple[str, psutil.Process]
) -> None:
    address, dashboard = process
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    visitor = Visitor(context.new_page(), address).watch()
    page = visitor.open("/sql?question=own&q=SELECT+1&rows=100000")
    expect(page.get_by_text("1 row,")).to_be_visible()
    before, held = dashboard.memory_full_info().uss, []
    for number in range(5):
        columns = ", ".join(f"random() * {number + place} AS x{place}" for place in range(16))
        names = "'layer' || i % 9 AS layer, 'concept ' || i AS concept, 'row number ' || i AS words"
        editor = page.get_by_label("Statement", exact=True)
        editor.fill(f"SELECT i AS unit, {names}, {columns} FROM range(100000) t(i)")
        editor.press("Control+Enter")
        visitor.expect_parameter("q", editor.input_value())
        expect(page.get_by_text("Rows 1 to 10,000 of 100,000")).to_be_visible()
        visitor.settle()
        for start in (10_001, 90_001):
            name = str(start // 10_000 + 1)
            visitor.turn(page.get_by_role("button", name=f"Page {name}", exact=True), "page", name)
            expect(page.get_by_text(f"Rows {start:,} to {start + 9999:,}")).to_be_visible()
            visitor.settle()
            grid = page.locator("[data-testid=stDataFrame] .dvn-scroller").first
            for share in range(1, 11):
                grid.evaluate("(grid, share) => { grid.scrollTop = grid.scrollHeight * share / 10 }", share)
                page.wait_for_timeout(50)
        held.append(dashboard.memory_full_info().uss - before)
    visitor.must_be_well()
    context.close()
    print([round(each / 1e6) for each in held])
    assert max(held) < MOST_ANSWERS, [round(each / 1e6) for each in held]
