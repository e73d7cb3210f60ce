"""Find a Chromium for the browser tests, or install one: an installed Chromium, else Playwright's own, else
Debian's package. Run as a program it prints the path it settled on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a Chromium that is there, or None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def install() -> str:
    """Install one and return its path.

    Raises SystemExit with a sentence when neither way works.
    """
    subprocess.run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"], check=False)
    if (path := find()) is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "--quiet"], check=False)
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "chromium"], check=False)
        path = find()
    if path is None:
        sys.exit("No Chromium for the browser tests: install the package `chromium`, then run again.")
    return path


if __name__ == "__main__":
    print(f"Browser tests use {find() or install()}")
