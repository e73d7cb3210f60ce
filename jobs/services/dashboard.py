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


def serve(store: Path, port: int, address: str, read_only: bool = False) -> None:
    """Serve the dashboard of a store in this process until told to stop."""
    os.environ["GANATOMY_STORE"] = str(store.absolute())
    os.environ["GANATOMY_READ_ONLY"] = str(read_only)
    sys.argv = arguments(port, address)
    from streamlit.web.cli import main as streamlit

    streamlit()


def main() -> None:
    """Read the command line and serve the dashboard."""
    parser = argparse.ArgumentParser(prog="jobs.services.dashboard", description="Serve the dashboard.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="localhost")
    parser.add_argument("--read-only", action="store_true", help="show everything and change nothing")
    options = parser.parse_args()
    serve(options.store, options.port, options.address, options.read_only)


if __name__ == "__main__":
    main()
