"""The dashboard process: `python -P -m jobs.services.dashboard --store DIR --port N` runs Streamlit."""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import sys
from pathlib import Path

from analysis.shared.errors import GanatomyError


def app_file() -> Path:
    """The dashboard's script, found without importing it."""
    found = importlib.util.find_spec("dashboard")
    if found is None or not found.submodule_search_locations:
        raise GanatomyError("The dashboard is not installed; install Ganatomy again.")
    return Path(found.submodule_search_locations[0]) / "app.py"


def require_free_port(port: int, address: str = "localhost") -> None:
    """Raise `GanatomyError` when another process listens at the port."""
    with socket.socket(socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise GanatomyError(
                f"Port {port} cannot be used ({error.strerror}); give another with --port."
            ) from error


def arguments(port: int, address: str) -> list[str]:
    """Streamlit's command line."""
    options = {
        "server.port": str(port),
        "server.address": address,
        "server.headless": "true",
        # The watcher would walk through torch, and import pages again while they are served.
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "global.developmentMode": "false",
    }
    return ["streamlit", "run", str(app_file()), *(f"--{name}={value}" for name, value in options.items())]


def main() -> None:
    """Serve the dashboard until told to stop."""
    parser = argparse.ArgumentParser(prog="jobs.services.dashboard", description="Serve the dashboard.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="localhost")
    options = parser.parse_args()
    os.environ["GANATOMY_STORE"] = str(options.store.absolute())
    sys.argv = arguments(options.port, options.address)
    from streamlit.web.cli import main as streamlit

    streamlit()


if __name__ == "__main__":
    main()
