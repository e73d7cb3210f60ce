"""`ganatomy up`: worker, render process and dashboard under one supervisor, which starts again what dies.

Children are bound to the supervisor: if it is killed with -9 the kernel ends them. One supervisor serves a
store.
"""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import structlog

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.services import dashboard
from jobs.system import live, locks, processes

SHORTEST, LONGEST = 0.5, 30.0  # seconds before something that died is started again: doubled each time
STEADY = 60.0  # seconds of life after which its deaths are forgiven


@dataclass
class Service:
    """A process to keep alive."""

    name: str
    module: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    pause: float = SHORTEST
    due: float = 0.0
    restarts: int = -1


@dataclass
class Supervisor:
    """Keeps services of one store alive until told to stop."""

    layout: Layout
    services: list[Service]
    address: str = ""
    stopping: bool = False
    _lock: locks.Lock | None = field(default=None, repr=False)

    def open(self) -> None:
        """Become the store's supervisor, or say who is."""
        self._lock = locks.take(self.layout.live, "supervisor")
        if self._lock is None:
            there = live.read(self.layout.live / "supervisor.json")
            raise GanatomyError(
                f"Ganatomy runs on this store already (process {there.get('pid')}, {there.get('address')}); "
                "open that address, or stop it first."
            )
        live.write(self.layout.live / "supervisor.json", {**live.me(), "address": self.address})

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def tick(self) -> None:
        """Start what is not running and is due."""
        for service in self.services:
            if service.process is None or service.process.poll() is not None:
                self._revive(service)

    def _revive(self, service: Service) -> None:
        now = time.monotonic()
        if service.process is not None:
            status = service.process.returncode
            service.pause = SHORTEST if now - service.born > STEADY else min(LONGEST, service.pause * 2)
            service.due, service.process = now + service.pause, None
            structlog.get_logger().warning("service died", service=service.name, status=status)
        if now >= service.due:
            with (self.layout.logs / f"{service.name}.out").open("ab") as log:
                service.process = processes.start(service.module, service.arguments, output=log)
            service.born, service.restarts = now, service.restarts + 1
            structlog.get_logger().info("service started", service=service.name, pid=service.process.pid)

    def run(self, watch: Callable[[], None] | None = None) -> None:
        """Keep everything alive until SIGTERM or Ctrl-C; `watch` is called about five times a second."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self.stopping:
                self.tick()
                if watch is not None:
                    watch()
                time.sleep(0.2)
        finally:
            self.close()

    def close(self) -> None:
        """End every service, the dashboard first, then the supervisor's claim on the store."""
        for service in reversed(self.services):
            if service.process is not None:
                service.process.terminate()
        for service in reversed(self.services):
            if service.process is not None:
                processes.stop(service.process, grace=8.0)
        (self.layout.live / "supervisor.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()


def standard(layout: Layout, port: int, address: str, warm: str = "", worker: bool = True) -> Supervisor:
    """Worker, render process and dashboard. Raises `GanatomyError` when the port is taken."""
    dashboard.must_be_free(port, address)
    store = ["--store", str(layout.root)]
    services = [
        Service("renders", "jobs.render.server", [*store, *(["--warm", warm] if warm else [])]),
        Service("dashboard", "jobs.services.dashboard", [*store, "--port", str(port), "--address", address]),
    ]
    if worker:
        services.insert(0, Service("worker", "jobs.worker.worker", store))
    return Supervisor(layout, services, f"http://{address}:{port}")


def answers(address: str) -> bool:
    """True when the dashboard at `address` is ready."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
