"""`ganatomy up`: one supervisor starts worker, render process and dashboard, and restarts what dies.

The kernel ends these children when the supervisor dies, even by kill -9. A store has one supervisor.
"""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.services import dashboard
from jobs.system import live, locks, processes

PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # before a dead service starts again; doubled with each death
STEADY_S = 60.0  # a service that lived this long starts again after the shortest pause


@dataclass
class Service:
    """A process to keep alive."""

    name: str
    module: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0  # on time.monotonic(), like `due`
    pause: float = PAUSE_S
    due: float = 0.0


@dataclass
class Supervisor:
    """Keeps the services of one store alive until told to stop."""

    layout: Layout
    services: list[Service]
    address: str = ""
    stopping: bool = False
    _lock: locks.Lock | None = field(default=None, repr=False)

    def claim(self) -> None:
        """Become the store's supervisor; `GanatomyError` when there is one."""
        self._lock = locks.take(self.layout.live, "supervisor")
        if self._lock is None:
            other = live.read(self.layout.live / "supervisor.json")
            raise GanatomyError(
                f"Ganatomy runs on this store already (process {other.get('pid')}, {other.get('address')}); "
                "open that address, or stop it first."
            )
        live.write(self.layout.live / "supervisor.json", {**live.identity(), "address": self.address})

    def run(self, each_tick: Callable[[], None] | None = None) -> None:
        """Keep everything alive until SIGTERM or Ctrl-C. Calls `each_tick` about five times per second."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self.stopping:
                for service in self.services:
                    if service.process is None or service.process.poll() is not None:
                        self._restart(service)
                if each_tick is not None:
                    each_tick()
                time.sleep(0.2)
        finally:
            self.close()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _restart(self, service: Service) -> None:
        """Start a service that does not run, once its pause is over."""
        now, log = time.monotonic(), structlog.get_logger()
        if service.process is not None:
            status = service.process.returncode
            steady = now - service.started > STEADY_S
            service.pause = PAUSE_S if steady else min(LONGEST_PAUSE_S, service.pause * 2)
            service.due, service.process = now + service.pause, None
            log.warning("service died", service=service.name, status=status)
        if now >= service.due:
            with (self.layout.logs / f"{service.name}.out").open("ab") as output:
                service.process = processes.start(service.module, service.arguments, output=output)
            service.started = now
            log.info("service started", service=service.name, pid=service.process.pid)

    def close(self) -> None:
        """End every service, then give up the claim on the store."""
        running = [service.process for service in reversed(self.services) if service.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            processes.stop(process, grace=8.0)
        (self.layout.live / "supervisor.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()


def standard(
    layout: Layout,
    port: int,
    address: str,
    warm: str = "",
    worker: bool = True,
    open_to_all: bool = False,
) -> Supervisor:
    """A supervisor of worker, render process and dashboard.

    Raises:
        GanatomyError: The port is taken, or other machines would reach a dashboard without a login.
    """
    dashboard.require_login(address, open_to_all)
    dashboard.require_free_port(port, address)
    store = ["--store", str(layout.root)]
    served = ["--port", str(port), "--address", address, *(["--open"] if open_to_all else [])]
    services = [
        Service("renders", "jobs.render.server", [*store, *(["--warm", warm] if warm else [])]),
        Service("dashboard", "jobs.services.dashboard", [*store, *served]),
    ]
    if worker:
        services.insert(0, Service("worker", "jobs.worker", store))
    host = f"[{address}]" if ":" in address else address
    return Supervisor(layout, services, f"http://{host}:{port}")


def answers(address: str) -> bool:
    """Whether the dashboard at `address` is ready."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False
