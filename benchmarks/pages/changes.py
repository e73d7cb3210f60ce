"""How long a page change takes: real browser windows go through every page of a real dashboard process.

    .venv/bin/python -m benchmarks.pages.large_store DIR
    .venv/bin/python -m benchmarks.pages.changes --store DIR --people 1 --changes 300 [--seed 1] [--write]

Each person follows links of the navigation and changes what pages show (run, layer, concept, order), in an
order that the seed decides, and looks at each page for `--look` seconds. A change lasts from the press of the
mouse until the page has its heading, its charts, tables and pictures, and Streamlit is at rest. Prints median
and 95th percentile by page, the processor time of the dashboard and what its queries took of it, its memory
after every fifty changes, and the machine's load. One Chromium has a context per person on this machine.
Target at 10 million rows: median 0.5 s and 95th percentile 1 s with one person, 1.5 s with eight.
"""

import argparse
import asyncio
import logging
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pandas as pd
import psutil
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as BrowserError

from benchmarks.timing import report

PORT = 8690
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
PATIENCE_MS = 20_000
EVERY = 50  # changes between two looks at the memory

# The press of the mouse begins a change; from then on the state of Streamlit is followed.
WATCH = """
window.change = {began: 0, ran: false};
document.addEventListener('pointerdown', () => {
    window.change = {began: performance.now(), ran: false};
}, true);
new MutationObserver(() => {
    const app = document.querySelector('[data-test-script-state]');
    if (app && app.dataset.testScriptState !== 'notRunning') window.change.ran = true;
}).observe(document, {subtree: true, childList: true, attributeFilter: ['data-test-script-state']});
"""
# Milliseconds from the press until the page is there, or false.
THERE = """
([title, content, parameter, before]) => {
    const app = document.querySelector('[data-test-script-state]');
    if (!app || app.dataset.testScriptState !== 'notRunning' || !window.change.ran) return false;
    const heading = document.querySelector('h1');
    if (!heading || !new RegExp(title).test(heading.innerText)) return false;
    if (parameter && (new URL(location).searchParams.get(parameter) ?? '') === before) return false;
    if (document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stException]'))
        return false;
    if ([...document.images].some(i => i.loading !== 'lazy' && !(i.complete && i.naturalWidth))) return false;
    for (const chart of document.querySelectorAll('[data-testid=stVegaLiteChart]'))
        if (chart.checkVisibility() && !chart.querySelector('canvas, svg')) return false;
    if (content && !document.querySelector(content)) return false;
    return performance.now() - window.change.began;
}
"""
CARD, CHART, TABLE = '[alt^="Top images"]', "[data-testid=stVegaLiteChart]", "[data-testid=stDataFrame]"
# What must be there, by the page's name in its address: title, and the page's main content.
PAGES = {
    "": ("Ganatomy", CARD),
    "units": ("Units", CARD),
    "unit": (r" unit \d+", '[alt^="Latent"], [data-testid=stAlert]'),  # some runs have no counts
    "layers": ("Layers", f"{CHART}, {TABLE}"),
    "compare": ("Compare", f"{CHART}"),
    "causes": ("Causes", f"{CHART}"),
    "context": ("Context", f"{CHART}"),
    "artifacts": ("Artifacts", f"{CHART}, {TABLE}"),
    "models": ("Models", "[data-testid=stMarkdown]"),
    "jobs": ("Jobs", "[data-testid=stForm], [data-testid=stButton]"),
    "concept": ("Concept", "h1"),
    "paint": ("Paint", "h1"),
    "runs": ("Runs", "[class*=st-key-run-]"),
    "sql": ("SQL", "[data-testid=stDataFrame]"),
    "boards": ("Boards", "h1"),
}
LINKS = {  # of the navigation; Ablate waits for a generator, see benchmarks.renders
    **{"Home": "", "Units": "units", "Layers": "layers", "Compare": "compare", "Causes": "causes"},
    **{"Context": "context", "Artifacts": "artifacts", "Models": "models", "Jobs": "jobs", "SQL": "sql"},
    **{"Concepts": "concept", "Paint": "paint", "Runs": "runs", "Boards": "boards"},
}
KINDS = ("deep", "shallow", "trained")  # runs of benchmarks.pages.large_store
RADIO, BOX = "radio", "box"
# What a person changes on a page: the kind of widget, its label, the parameter that holds it.
FILTERS = {
    "units": (
        *((BOX, "Run", "run"), (BOX, "Concept", "concept"), (BOX, "Sort", "sort")),
        *((RADIO, "Layer", "layer"), (RADIO, "Show", "show"), (RADIO, "Names by", "rule")),
    ),
    "unit": ((RADIO, "Layer", "layer"), (RADIO, "Names by", "rule")),
    "layers": ((BOX, "Run", "run"), (RADIO, "Names by", "rule"), (RADIO, "Colour by", "by")),
    "compare": ((RADIO, "Names by", "rule"), (RADIO, "Category", "kind")),
    "causes": ((RADIO, "Edit", "edit"), (RADIO, "Effect as", "as")),
    "context": ((RADIO, "Forced to", "strength"), (RADIO, "Compared", "as")),
    "artifacts": ((RADIO, "Distance", "metric"),),
}


@dataclass
class Change:
    """One change of page: what was asked for, and how long the person waited."""

    page: str
    what: str
    seconds: float
    processor: float  # seconds of the dashboard process, meanwhile; of everybody, where there are several
    load: float


@dataclass
class Person:
    """A person with a window, whose steps the seed decides."""

    window: Page
    url: str
    dice: random.Random
    process: psutil.Process
    look: float
    at: str = ""
    changes: list[Change] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def open(self) -> float:
        """Open Home, and return the seconds until it is there."""
        await self.window.add_init_script(WATCH)
        start = time.perf_counter()
        await self.window.goto(self.url)
        await self._there(*PAGES[""], patience=60_000)
        return time.perf_counter() - start

    async def step(self) -> None:
        """Change the page, or what it shows."""
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = []
        filters = FILTERS.get(self.at, ())
        if filters and self.dice.random() < 0.5:
            kind, label, parameter = self.dice.choice(filters)
            steps.append((parameter, lambda: self._filter(kind, label, parameter)))
        if self.at == "units" and self.dice.random() < 0.4:
            steps.insert(0, ("unit", self._card))
        if self.at == "unit" and self.dice.random() < 0.4:
            steps.insert(0, ("next", self._neighbour))
        steps.append(("link", self._link))
        for what, step in steps:
            before = self._processor()
            try:
                waited = await step()
            except BrowserError as error:
                self.failed.append(f"{self.at} {what}: {str(error).splitlines()[0]}")
                with suppress(BrowserError):
                    await self.window.goto(self.url + "/units")
                    await self._there(*PAGES["units"])
                self.at = "units"
                return
            if waited:
                used = self._processor() - before
                self.changes.append(Change(self.at or "home", what, float(waited), used, os.getloadavg()[0]))
                break
        await asyncio.sleep(self.dice.uniform(0.5, 1.5) * self.look)

    def _processor(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    async def _link(self) -> str:
        label = self.dice.choice([label for label, page in LINKS.items() if page != self.at])
        link = self.window.locator(f'[data-testid=stTopNavLink][href$="/{LINKS[label]}"]')
        await link.first.click()
        self.at = LINKS[label]
        return await self._there(*PAGES[self.at])

    async def _card(self) -> str:
        cards = self.window.get_by_role("link", name=re.compile(r" unit \d+$"))
        many = await cards.count()
        if not many:
            return ""
        await cards.nth(self.dice.randrange(min(many, 6))).click()
        self.at = "unit"
        return await self._there(*PAGES["unit"])

    async def _neighbour(self) -> str:
        link = self.window.get_by_role("link", name="Next", exact=True)
        if not await link.count():
            return ""
        before = await self._parameter("unit")
        await link.click()
        return await self._there(*PAGES["unit"], "unit", before)

    async def _filter(self, kind: str, label: str, parameter: str) -> str:
        before = await self._parameter(parameter)
        if kind == RADIO:
            group = self.window.get_by_role("radiogroup", name=label).first
            if not await group.count():
                return ""
            others = group.get_by_role("radio", checked=False)
            many = await others.count()
            if not many:
                return ""
            await others.nth(self.dice.randrange(many)).click()
        else:
            box = self.window.get_by_role("combobox", name=label).first
            if not await box.count():
                return ""
            await box.click()
            if label == "Run":
                await box.fill(self.dice.choice(KINDS))
            options = self.window.get_by_role("option")
            await options.last.wait_for()
            others = options.and_(self.window.locator(":not([aria-selected=true])"))
            if not await others.count():
                await box.press("Escape")
                return ""
            await others.nth(self.dice.randrange(await others.count())).click()
        title, content = PAGES[self.at]
        return await self._there(title, "" if self.at == "units" else content, parameter, before)

    async def _parameter(self, name: str) -> str:
        found = await self.window.evaluate("name => new URL(location).searchParams.get(name) ?? ''", name)
        return str(found)

    async def _there(
        self, title: str, content: str, parameter: str = "", before: str = "", patience: float = PATIENCE_MS
    ) -> str:
        """Seconds from the press of the mouse until the page is there."""
        asked = [title, content, parameter, before]
        found = await self.window.wait_for_function(THERE, arg=asked, timeout=patience, polling="raf")
        return str(float(await found.json_value()) / 1000)


def serve() -> None:
    """Be the dashboard process, and tell how long queries take."""
    logger = logging.getLogger("db.store.snapshot")
    logger.setLevel(logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("query %(module)s.%(funcName)s: %(message)s"))
    logger.addHandler(handler)
    from jobs.services.dashboard import main as dashboard

    dashboard()


def started(store: Path, log: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A dashboard process that answers, and the seconds until it did."""
    command = [sys.executable, "-c", "from benchmarks.pages.changes import serve; serve()"]
    start = time.perf_counter()
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*command, "--store", str(store), "--port", str(PORT)], stderr=told, stdout=told
        )
    while True:
        with suppress(OSError):
            urlopen(f"http://localhost:{PORT}/_stcore/health", timeout=2).close()
            return process, time.perf_counter() - start
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.05)


def memory(process: psutil.Process) -> dict[str, float]:
    found = process.memory_full_info()
    return {"uss_mb": found.uss / 1e6, "rss_mb": found.rss / 1e6}


async def visit(
    browser: Browser, process: psutil.Process, arguments: argparse.Namespace
) -> tuple[list[Person], list[dict[str, float]], list[float]]:
    """Let people change pages until there were enough changes."""
    people = []
    for number in range(arguments.people):
        context = await browser.new_context(viewport={"width": 1800, "height": 1000})
        window = await context.new_page()
        window.set_default_timeout(PATIENCE_MS)
        dice = random.Random(1000 * arguments.seed + number)
        people.append(Person(window, f"http://localhost:{PORT}", dice, process, arguments.look))
    opened = [await person.open() for person in people]
    held = [{"changes": 0, **memory(process)}]

    async def walk(person: Person) -> None:
        while sum(len(each.changes) + len(each.failed) for each in people) < arguments.changes:
            await person.step()
            done = sum(len(each.changes) for each in people)
            if done >= held[-1]["changes"] + EVERY:
                held.append({"changes": done, **memory(process)})
                print(held[-1], f"load {os.getloadavg()[0]:.1f}", flush=True)

    await asyncio.gather(*(walk(person) for person in people))
    return people, held, opened


async def measure(process: psutil.Process, arguments: argparse.Namespace) -> dict[str, Any]:
    async with async_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUM)), None)
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        people, held, opened = await visit(browser, process, arguments)
        await browser.close()
    changes = pd.DataFrame([vars(change) for person in people for change in person.changes])
    by_page = changes.groupby("page")[["seconds", "processor"]]
    table = pd.concat({"median": by_page.median(), "p95": by_page.quantile(0.95)}, axis=1).round(2)
    table[("", "changes")] = by_page.size()
    print(table.to_string())
    print(changes.sort_values("seconds").tail(12).round(2).to_string())
    failed = [text for person in people for text in person.failed]
    print(*failed, sep="\n")
    if arguments.table:
        changes.to_csv(arguments.table, index=False)
    return {
        "people": arguments.people,
        "changes": len(changes),
        "failed": len(failed),
        "median_s": float(changes.seconds.median()),
        "p95_s": float(changes.seconds.quantile(0.95)),
        "processor_median_s": float(changes.processor.median()),
        "processor_p95_s": float(changes.processor.quantile(0.95)),
        "first_page_s": opened[0],
        "uss_first_mb": held[0]["uss_mb"],
        "uss_half_mb": held[len(held) // 2]["uss_mb"],
        "uss_last_mb": held[-1]["uss_mb"],
        "load": float(changes.load.mean()),
    }


QUERY = re.compile(r"query (\S+): ([\d.]+) ms")


def slow_queries(log: Path, most: int = 15) -> None:
    """Print the queries that took longest, from the dashboard's log."""
    found = [(float(m[2]), m[1]) for line in log.read_text().splitlines() if (m := QUERY.search(line))]
    if not found:
        return
    table = pd.DataFrame(found, columns=["ms", "query"]).groupby("query").ms
    ordered = table.agg(["count", "median", "max", "sum"]).sort_values("sum", ascending=False)
    print(ordered.head(most).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="see benchmarks.pages.large_store")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--changes", type=int, default=300, help="of all people together")
    parser.add_argument("--look", type=float, default=1.0, help="mean seconds that a person looks at a page")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, help="write every change to this CSV file")
    parser.add_argument("--write", action="store_true", help="make the figures the baseline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "dashboard.log"
        process, seconds = started(arguments.store, log)
        try:
            figures = asyncio.run(measure(psutil.Process(process.pid), arguments))
        finally:
            process.terminate()
            process.wait(20)
        slow_queries(log)
        report(f"page-changes-{arguments.people}", {"start_s": seconds, **figures}, arguments.write)


if __name__ == "__main__":
    main()
