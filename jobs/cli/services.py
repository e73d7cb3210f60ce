"""ganatomy worker | dashboard | up | demo"""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import demo as demonstration
from jobs.cli.common import Store, client, console
from jobs.services import supervisor
from jobs.system import logs
from jobs.system.settings import Settings

Port = Annotated[int, typer.Option(min=1, max=65535, help="The dashboard's port.")]
Address = Annotated[str, typer.Option(help="Where the dashboard listens; 0.0.0.0 lets others in.")]


def worker(
    until_idle: Annotated[bool, typer.Option(help="End when nothing is queued or running.")] = False,
    store: Store = None,
) -> None:
    """Run jobs from the queue, in this process, until told to stop."""
    from jobs.worker.worker import WorkerProcess

    layout = client(store).layout
    logs.structured(layout.logs / "worker.log")
    console.print(
        f"Working on {layout.root}; Ctrl-C stops, and jobs go on when a worker runs again.", highlight=False
    )
    WorkerProcess(layout, Settings(), until_idle).run()


def dashboard(port: Port = 8501, address: Address = "localhost", store: Store = None) -> None:
    """Serve the dashboard, with its render process but without a worker."""
    _serve(store, port, address, worker=False)


def up(port: Port = 8501, address: Address = "localhost", store: Store = None) -> None:
    """Run worker, render process and dashboard, and start again what dies."""
    _serve(store, port, address, worker=True)


def _serve(store: Store, port: int, address: str, worker: bool) -> None:
    layout = client(store).layout
    logs.structured(layout.logs / "supervisor.log")
    services = supervisor.standard(layout, port, address, worker=worker)
    services.claim()
    console.print(f"Ganatomy is at {services.address} (store {layout.root}). Ctrl-C stops.", highlight=False)
    services.run()


def demo(
    port: Port = 8501,
    address: Address = "localhost",
    images: Annotated[
        int | None, typer.Option(min=1, help="Evaluation images. Default: churches 1000, faces 400.")
    ] = None,
    calibration: Annotated[
        int | None, typer.Option(min=1, help="Calibration images. Default: half as many.")
    ] = None,
    until_done: Annotated[bool, typer.Option(help="End when the dissections are done.")] = False,
    store: Store = None,
) -> None:
    """Dissect churches, which is here already, then faces if it can be fetched; show both in a dashboard."""
    demonstration.run(client(store), port, address, images, calibration, until_done)
