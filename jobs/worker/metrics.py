"""Prometheus metrics of a store's jobs, served by the worker when GANATOMY_METRICS_PORT is set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import structlog

from jobs.queue.client import Client


def serve(client: Client, port: int | None) -> None:
    """Serve metrics on this port of this machine, when one is asked for and the library is there."""
    if port is None:
        return
    try:
        from prometheus_client import start_http_server
        from prometheus_client.registry import CollectorRegistry
    except ImportError:
        structlog.get_logger().warning("metrics need `pip install prometheus-client`")
        return
    registry = CollectorRegistry()
    registry.register(Jobs(client))
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:  # another worker of this machine serves there already
        structlog.get_logger().warning("metrics are not served", port=port, reason=str(error))


class Jobs:
    """A collector that reads the queue when it is asked."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def collect(self) -> Iterable[Any]:
        """Jobs by state, and speed and memory of those that run."""
        from prometheus_client.core import GaugeMetricFamily

        jobs = self.client.jobs(1000)
        states = GaugeMetricFamily(
            "ganatomy_jobs", "Jobs by state, of the newest thousand.", labels=["state"]
        )
        for state, number in Counter(job.state for job in jobs).items():
            states.add_metric([state], number)
        yield states
        speed = GaugeMetricFamily("ganatomy_images_per_second", "Speed of a running job.", labels=["job"])
        memory = GaugeMetricFamily("ganatomy_memory_bytes", "Memory of a running job.", labels=["job"])
        for job in jobs:
            if job.state == "running":
                speed.add_metric([job.id], job.images_per_s or 0.0)
                memory.add_metric([job.id], job.memory_bytes or 0)
        yield speed
        yield memory
