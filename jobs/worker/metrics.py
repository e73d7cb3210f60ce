"""Prometheus metrics of a store's jobs, which a worker serves when GANATOMY_METRICS_PORT is set."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

from jobs.queue.client import Client


def serve(client: Client, port: int) -> None:
    """Serve metrics at `port` of this machine, for as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(JobCollector(client))
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:  # another worker of this machine has the port already
        structlog.get_logger().warning("metrics are not served", port=port, reason=str(error))


class JobCollector:
    """Reads the queue each time Prometheus asks."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Jobs by state; speed and memory of running jobs."""
        states = GaugeMetricFamily("ganatomy_jobs", "Jobs by state.", labels=["state"])
        for state, number in self.client.counts().items():
            states.add_metric([state], number)
        speed = GaugeMetricFamily("ganatomy_images_per_second", "Speed of a running job.", labels=["job"])
        memory = GaugeMetricFamily("ganatomy_memory_bytes", "Memory of a running job.", labels=["job"])
        for job in self.client.running():
            speed.add_metric([job.id], job.images_per_s or 0.0)
            memory.add_metric([job.id], job.memory_bytes or 0)
        return states, speed, memory
