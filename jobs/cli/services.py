"""`ganatomy worker | dashboard | up | demo | doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from jobs.cli import demo as demonstration
from jobs.cli.common import Json, Store, client, console, show_json, show_table
from jobs.services import dashboard as process
from jobs.services import supervisor
from jobs.system import logs
from jobs.system.settings import Settings

Port = Annotated[int, typer.Option(min=1, max=65535, help="The dashboard's port.")]
Address = Annotated[str, typer.Option(help="The dashboard's network address; 0.0.0.0 admits other machines.")]
Open = Annotated[
    bool, typer.Option("--open", help="Admit other machines without a login: anybody may then do everything.")
]


def worker(
    until_idle: Annotated[bool, typer.Option(help="End when nothing is queued or running.")] = False,
    store: Store = None,
) -> None:
    """Run jobs from the queue in this process until told to stop."""
    from jobs.worker.worker import WorkerProcess

    layout = client(store).layout
    logs.structured(layout.logs / "worker.log")
    console.print(f"Working on {layout.root}. Ctrl-C stops; jobs go on when a worker runs again.")
    WorkerProcess(layout, Settings(), until_idle).run()


def dashboard(
    port: Port = 8501,
    address: Address = "localhost",
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Show everything and change nothing. A store may have several."),
    ] = False,
    open_to_all: Open = False,
    store: Store = None,
) -> None:
    """Serve the dashboard and its render process, without a worker."""
    if read_only:  # nothing to supervise, and no log in the store
        root = store or Settings().store
        process.require_login(address, open_to_all)
        process.require_free_port(port, address)
        process.serve(root, port, address, read_only=True, open_to_all=open_to_all)
        return
    _serve(store, port, address, worker=False, open_to_all=open_to_all)


def up(
    port: Port = 8501, address: Address = "localhost", open_to_all: Open = False, store: Store = None
) -> None:
    """Run worker, render process and dashboard, and restart what dies."""
    _serve(store, port, address, worker=True, open_to_all=open_to_all)


def _serve(store: Store, port: int, address: str, worker: bool, open_to_all: bool) -> None:
    layout = client(store).layout
    logs.structured(layout.logs / "supervisor.log")
    services = supervisor.standard(layout, port, address, worker=worker, open_to_all=open_to_all)
    services.claim()
    console.print(f"Ganatomy is at {services.address} (store {layout.root}). Ctrl-C stops.")
    if not worker:
        from jobs.queue import collection  # a second of imports

        collection.start(layout)
    services.run()


def demo(
    port: Port = 8501,
    address: Address = "localhost",
    images: Annotated[
        int | None, typer.Option(min=1, help="Evaluation images. Default: churches 1000, ffhq 300.")
    ] = None,
    calibration: Annotated[
        int | None, typer.Option(min=1, help="Calibration images. Default: half as many.")
    ] = None,
    until_done: Annotated[bool, typer.Option(help="End when the dissections are done.")] = False,
    open_to_all: Open = False,
    make_bundles: Annotated[
        bool,
        typer.Option(
            "--make-bundles",
            help="Only make the results that come with Ganatomy again, in its folder.",
        ),
    ] = False,
    store: Store = None,
) -> None:
    """Dissect the generators churches and ffhq, and show the results in the dashboard.

    Churches comes with Ganatomy, and so do causes, contexts and artifact units of it, which take longer.
    Ffhq, which makes photographs of faces, is fetched, and left out when it cannot be.
    """
    if make_bundles:
        demonstration.make_bundles(client(store))
        return
    demonstration.Demo(client(store), images, calibration, until_done).run(port, address, open_to_all)


def doctor(store: Store = None, json: Json = False) -> None:
    """Check packages, machine, store, queue and models. Exits with 1 when something is wrong."""
    from jobs.services.doctor import run_checks

    found = run_checks(client(store).layout)
    if json:
        show_json([asdict(check) for check in found])
    else:
        show_table(["", "what", "found", "remedy"], [[c.level, c.what, c.found, c.remedy] for c in found], "")
    if any(check.level == "wrong" for check in found):
        sys.exit(1)
