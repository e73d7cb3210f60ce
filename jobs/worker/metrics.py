"""Prometheus metrics and the health of a store, which a worker serves when GANATOMY_METRICS_PORT is set."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from db.times import utc_now
from jobs.queue.client import Client
from jobs.system import live


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *_: object) -> None:
        """Log nothing: Prometheus asks every few seconds."""


def serve(client: Client, port: int, address: str = "127.0.0.1") -> None:
    """Serve /metrics and /healthz at `port` of `address`, for as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(JobCollector(client))
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, str], start: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            return metrics(environ, start)
        found = health(client)
        well = all(value == "ok" for value in found.values())
        start("200 OK" if well else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [json.dumps(found).encode()]

    try:
        server = make_server(address, port, answer, ThreadingWSGIServer, handler_class=_Quiet)
    except OSError as error:  # another worker of this machine has the port already
        structlog.get_logger().warning(
            "metrics are not served", address=address, port=port, reason=str(error)
        )
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()


def health(client: Client) -> dict[str, str]:
    """For worker, queue and store: "ok", or a sentence that says what is wrong."""
    checks: dict[str, Callable[[], object]] = {
        "worker": lambda: client.workers() or "No worker is alive; start `ganatomy worker`.",
        "queue": client.counts,
        "store": lambda: _read_store(client.layout),
    }
    found = {}
    for name, check in checks.items():
        try:
            result = check()
            found[name] = result if isinstance(result, str) else "ok"
        except (GanatomyError, StoreError) as error:
            found[name] = str(error)
        except Exception as error:  # whatever it is, the answer says so
            found[name] = f"{type(error).__name__}: {error}"
    return found


def _read_store(layout: Layout) -> None:
    """Read a row of the published file, whichever version of the program wrote it; a new store has none.

    Raises:
        StoreError: the file is missing or damaged.
    """
    import sqlalchemy as sa

    from db.store import snapshot, versions  # pandas and DuckDB, which a worker needs for nothing else

    version = versions.current(layout)
    if version is not None:
        opened = snapshot.Snapshot(layout, version, snapshot.engine(layout, version))
        opened.read(sa.text("SELECT run_id FROM run LIMIT 1"))


class JobCollector:
    """Reads queue and store each time Prometheus asks."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Every metric, with its present value."""
        yield from self._queue()
        yield from self._running()
        yield from store_metrics(self.client.layout)

    def _queue(self) -> Iterable[GaugeMetricFamily]:
        states = GaugeMetricFamily("ganatomy_jobs", "Jobs by state.", labels=["state"])
        for state, number in self.client.counts().items():
            states.add_metric([state], number)
        yield states
        oldest = self.client.oldest_queued()
        age = (utc_now() - oldest).total_seconds() if oldest else 0.0
        yield _gauge("ganatomy_oldest_queued_seconds", "Age of the job that is queued longest; 0: none.", age)
        yield _gauge("ganatomy_workers", "Workers that are alive.", len(self.client.workers()))

    def _running(self) -> Iterable[GaugeMetricFamily]:
        speed = GaugeMetricFamily("ganatomy_images_per_second", "Speed of a running job.", labels=["job"])
        memory = GaugeMetricFamily("ganatomy_memory_bytes", "Memory of a running job.", labels=["job"])
        gpu = GaugeMetricFamily("ganatomy_gpu_memory_bytes", "GPU memory of a running job.", labels=["job"])
        for job in self.client.running():
            speed.add_metric([job.id], job.images_per_s or 0.0)
            memory.add_metric([job.id], job.memory_bytes or 0)
            if job.gpu_memory_bytes is not None:
                gpu.add_metric([job.id], job.gpu_memory_bytes)
        yield from (speed, memory, gpu)


def store_metrics(layout: Layout) -> Iterable[GaugeMetricFamily]:
    """The published file, its versions, and the last commit."""
    size = layout.current.stat().st_size if layout.current.exists() else 0
    yield _gauge("ganatomy_published_bytes", "Size of the published file.", size)
    versions = len(list(layout.versions.glob("v*.duckdb")))
    yield _gauge("ganatomy_versions", "Versions of the published file on the disk.", versions)
    if commit := live.read(layout.last_commit):
        yield _gauge("ganatomy_last_commit_seconds", "Time that the last commit took.", commit["seconds"])
        yield _gauge("ganatomy_last_commit_bytes", "Size of the version that it wrote.", commit["bytes"])


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)
