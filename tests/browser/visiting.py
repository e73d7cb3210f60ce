"""What browser tests do: serve a store with a real dashboard process, and visit it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from children import free_port
from playwright.sync_api import ConsoleMessage, Locator, Page, TimeoutError, expect

# Widgets are fetched one by one; until then something of another height is in their place.
STILL = "() => !document.querySelector('[data-testid=stSkeleton]') && document.fonts.status === 'loaded'"
# Every picture that has come is one.
UNBROKEN = "() => ![...document.images].some(i => i.currentSrc && i.complete && !i.naturalWidth)"
PATIENCE = 60_000  # ms; two cores are shared by everything
expect.set_options(timeout=PATIENCE)


def environment(store: Path) -> dict[str, str]:
    return {**os.environ, "GANATOMY_STORE": str(store), "OMP_NUM_THREADS": "1"}


def ganatomy(store: Path, *arguments: str) -> None:
    """Run the program to its end."""
    command = [sys.executable, "-P", "-m", "jobs.cli", *arguments]
    subprocess.run(command, env=environment(store), check=True, capture_output=True, timeout=240)


@dataclass
class Dashboard:
    """A served dashboard and the store that it shows."""

    url: str
    store: Path


def serve(store: Path, port: int | None = None) -> Iterator[Dashboard]:
    """A dashboard process on a free port, or on the given one, ended afterwards."""
    port = port or free_port()
    command = [
        sys.executable,
        "-P",
        "-m",
        "jobs.services.dashboard",
        "--store",
        str(store),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, env=environment(store), cwd=store.parent, stderr=subprocess.STDOUT)
    try:
        await_health(f"http://localhost:{port}", process)
        yield Dashboard(f"http://localhost:{port}", store)
    finally:
        process.terminate()
        process.wait(30)
        end_renders(store)


def end_renders(store: Path) -> None:
    """End the render process that the pages started; by itself it would wait a while for more to do."""
    file = store / "live" / "render.json"
    if file.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(json.loads(file.read_text())["pid"]), signal.SIGTERM)


def await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the dashboard process ended"
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the dashboard did not start within a minute")


@dataclass
class Visitor:
    """A person with a browser window: opens pages of a dashboard, and remembers what went wrong in it."""

    page: Page
    url: str
    trouble: list[str] = field(default_factory=list)

    def watch(self) -> "Visitor":
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.set_default_timeout(PATIENCE)
        return self

    def _console(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its own health address below each page first; that 404 is its way of asking.
        # A picture that the next run of a page's script replaced may be gone before the browser asks for it:
        # what counts is that none is broken in the end.
        where = str(message.location)
        excused = "_stcore" in where or "/media/" in where + message.text
        if message.type == "error" and not excused:
            self.trouble.append(message.text)

    def open(self, address: str) -> Page:
        """Open an address of the dashboard and wait until it is drawn."""
        self.page.goto(self.url + address)
        return self.settle()

    def settle(self) -> Page:
        """Wait until the page's script has run."""
        self.page.wait_for_selector("h1, [data-testid=stException]")
        self.page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
        self.page.wait_for_function(STILL)
        self.page.wait_for_function(UNBROKEN)
        return self.page

    def download(self, button: Locator) -> Path:
        """The file of a download button, clicked until it comes, as a person would: see `turn`."""
        for _ in range(5):
            self.settle()
            with contextlib.suppress(TimeoutError):
                with self.page.expect_download(timeout=20_000) as found:
                    button.click()
                if found.value.failure() is None:
                    return Path(found.value.path())
        raise AssertionError("nothing was downloaded")

    def turn(self, button: Locator, name: str, value: str | None = None) -> None:
        """Click until the address has the parameter (of that value, if one is given), as a person would.

        A click on a page whose parts still move can land beside the button.
        """
        script = """([name, value]) => {
            const found = new URL(location).searchParams.get(name);
            return value === null ? found !== null : found === value;
        }"""
        for _ in range(5):
            button.click()
            with contextlib.suppress(TimeoutError):
                self.page.wait_for_function(script, arg=[name, value], timeout=8_000)
                return
        raise AssertionError(f"{name} never came into the address")

    def parameter(self, name: str) -> str | None:
        """A parameter of the address as the browser shows it."""
        script = "name => new URL(location).searchParams.get(name)"
        value = self.page.evaluate(script, name)
        return None if value is None else str(value)

    def expect_parameter(self, name: str, value: str) -> None:
        """Wait until the address says so."""
        script = "([name, value]) => new URL(location).searchParams.get(name) === value"
        self.page.wait_for_function(script, arg=[name, value])

    def must_fit(self, address: str, width: int, scheme: Literal["light", "dark"]) -> None:
        """The page at an address is no wider than the window, and nothing in it stands in anyone's way."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": 900})
        page = self.open(address)
        found: list[str] = []
        for _ in range(5):  # what is drawn again is faded, and with it the contrast
            violations = Axe().run(page).response["violations"]
            grave = ("serious", "critical")
            found = [v["id"] for v in violations if v["impact"] in grave or v["id"] == "heading-order"]
            if not found:
                break
            page.wait_for_timeout(2000)
            self.settle()
        assert found == []
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width

    def must_be_well(self) -> None:
        """No exception box, no broken picture, no error in the console."""
        assert self.page.locator("[data-testid=stException]").all_inner_texts() == []
        self.page.wait_for_function(UNBROKEN)
        assert self.trouble == []
