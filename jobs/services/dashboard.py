"""The dashboard process: `python -P -m jobs.services.dashboard --store DIR --port N` runs Streamlit."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import ipaddress
import os
import socket
import sys
from pathlib import Path

from analysis.shared.errors import GanatomyError
from db.layout import Layout

# Uploads pass through this process's memory; a larger checkpoint is put into the store's folder `incoming`.
MOST_UPLOADED_MB = 1024


def app_file() -> Path:
    """The dashboard's script, found without importing it."""
    found = importlib.util.find_spec("dashboard")
    if found is None or not found.submodule_search_locations:
        raise GanatomyError("The dashboard is not installed; install Ganatomy again.")
    return Path(found.submodule_search_locations[0]) / "app.py"


def is_local(address: str) -> bool:
    """Whether only this machine reaches what listens there.

    >>> [is_local(address) for address in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "", "example.org")]
    [True, True, True, False, False, False]
    """
    try:
        return address.lower() == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def require_login(address: str, open_to_all: bool) -> None:
    """Raise `GanatomyError` where other machines would reach a dashboard that has no login."""
    if open_to_all or is_local(address):
        return
    from streamlit.auth_util import get_secrets_auth_section

    if not get_secrets_auth_section():
        raise GanatomyError(
            f"Without a login, whoever reaches {address or 'this machine'} could queue, cancel and delete in "
            "any name; configure one (docs/people.md says how), or allow it with --open."
        )


def require_free_port(port: int, address: str = "localhost") -> None:
    """Raise `GanatomyError` when another process listens at the port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise GanatomyError(
                f"Port {port} cannot be used ({error.strerror}); give another with --port."
            ) from error


def options(port: int, address: str) -> dict[str, object]:
    """Streamlit's configuration."""
    return {
        "server.port": port,
        "server.address": address,
        "server.headless": True,
        # The watcher would walk through torch, and import pages again while they are served.
        "server.fileWatcherType": "none",
        "server.maxUploadSize": MOST_UPLOADED_MB,
        "browser.gatherUsageStats": False,
        "global.developmentMode": False,
    }


def serve(store: Path, port: int, address: str, read_only: bool = False, open_to_all: bool = False) -> None:
    """Serve the pages and the HTTP API of a store in this process until told to stop."""
    require_login(address, open_to_all)
    os.environ["GANATOMY_STORE"] = str(store.absolute())
    os.environ["GANATOMY_READ_ONLY"] = str(read_only)
    sys.argv = [str(app_file())]  # Streamlit takes its folder for that of the configuration
    _prepare(store)
    from streamlit.starlette import App

    from jobs.api import server
    from jobs.report import routes

    layout = Layout(store.absolute())
    own = [*server.routes(layout), *routes.routes(layout)]
    App(app_file(), routes=own).run(config=options(port, address))


def _prepare(store: Path) -> None:
    """Import what pages need before anybody is told that they are served, and ask what Home asks meanwhile.

    By name, because no module of `jobs` may import the dashboard.
    """
    importlib.import_module("dashboard.preparation").prepare(store)


def main() -> None:
    """Read the command line and serve the dashboard."""
    parser = argparse.ArgumentParser(prog="jobs.services.dashboard", description="Serve the dashboard.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="localhost")
    parser.add_argument("--read-only", action="store_true", help="show everything and change nothing")
    parser.add_argument("--open", action="store_true", help="serve other machines without a login")
    options = parser.parse_args()
    try:
        serve(options.store, options.port, options.address, options.read_only, options.open)
    except GanatomyError as error:
        print(f"ganatomy: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
