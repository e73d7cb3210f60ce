"""The Chromium that browser tests drive: one that is installed, else Playwright's own, else Debian's package.

`python tests/browser/chromium.py` makes sure that there is one, or exits with 1 and a sentence.
"""

import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def installed() -> str | None:
    """Path of a Chromium of this machine, or of Playwright's own; None when there is neither."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or playwrights_own()


def playwrights_own() -> str | None:
    """Path of the Chromium that Playwright fetched, if it did."""
    from pathlib import Path

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False).returncode == 0
    except OSError:
        return False


def ensure() -> str | None:
    """The path of a Chromium, after trying to install one."""
    if found := installed():
        return found
    print("No Chromium is installed; fetching Playwright's own.", flush=True)
    if _runs(sys.executable, "-m", "playwright", "install", "--with-deps", "chromium") and (
        found := installed()
    ):
        return found
    if shutil.which("apt-get"):
        print("That failed; installing Debian's package.", flush=True)
        sudo = ("sudo", "-n") if shutil.which("sudo") else ()
        _runs(*sudo, "apt-get", "update", "-qq")
        _runs(*sudo, "apt-get", "install", "-y", "-qq", "chromium")
    return installed()


if __name__ == "__main__":
    if not ensure():
        sys.exit("No Chromium could be found or installed; install one (Debian: apt install chromium).")
