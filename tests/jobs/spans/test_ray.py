"""Spans on a real Ray cluster of two nodes, one of which is killed in the middle."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from children import until
from counts_alike import same_counts

from analysis import dissect
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.spans import ray as ray_spans
from jobs.system import live
from jobs.tasks import dissection, process, task
from jobs.tasks.progress import Progress

SIZES = {"images": 16 * 64, "calibration": 2 * 64, "seed": 22}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes with a CPU each; neither has a dashboard, and nothing is reported to anybody."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install ganatomy[ray]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "500")  # a dead node is noticed within seconds
        patch.setenv("RAY_health_check_timeout_ms", "1000")
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20},
        )
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
        cluster.shutdown()


def spec_of(client: Client) -> process.Spec:
    request = DissectionRequest(generator="planted", segmenter="planted", **SIZES)
    values, now = request.model_dump(mode="json"), "2026-01-01T00:00:00"
    return process.Spec(str(client.layout.root), "job", "run-1", "dissect", values, "cpu", "cpu-0", 1, now)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_node_does_not_change_the_counts(
    cluster: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANATOMY_SPANS", "ray")
    monkeypatch.setenv("GANATOMY_SPAN_SECONDS", "0.001")  # a block is a span
    node = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    spec = spec_of(client)
    folder = client.layout.work / spec.run_id
    killed: list[str] = []

    def kill() -> None:
        def counted() -> bool:
            return len({file.name for file in folder.glob("*/evaluation-*.npz")}) >= 1

        until(counted, 300, "a span")
        raylet = node.all_processes["raylet"][0].process.pid
        os.kill(raylet, signal.SIGKILL)
        killed.append(str(live.read(live.path(client.layout, "job", "progress"))["stage"]))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    task.work(dissection.DissectionTask, spec, Progress(client.layout, "job"))
    killer.join(10)
    done = int(killed[0].removeprefix("evaluation, ").partition(" of 16 spans")[0])
    assert 1 <= done < 14  # in the middle
    direct = dissect(generators.load("planted", None), segmenters.load("planted", None), **SIZES)
    published = bundles.latest(client.layout, spec.run_id)
    same_counts(published, direct, but=["images"])  # a picture that is made again may differ by a grey level
    assert not Path(folder).exists()


def test_without_a_cluster_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install ganatomy[ray]")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(GanatomyError, match="ray start --head"):
        ray_spans.connected()
