"""Metrics, health and log lines of a real worker that runs a real job."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import free_port

from jobs.kinds.requests import parse
from jobs.queue.client import Client


def ask(address: str) -> tuple[int, str]:
    """Status and body, also of an answer that is an error."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def address(client: Client) -> Iterator[str]:
    """Where a worker of the client's store answers."""
    port = free_port()
    place = {"GANATOMY_METRICS_PORT": str(port), "GANATOMY_METRICS_ADDRESS": "127.0.0.3"}
    environment = {**os.environ, **place, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "jobs.worker", "--store", str(client.layout.root)]
    process = subprocess.Popen(command, env=environment)
    yield f"http://127.0.0.3:{port}"
    process.terminate()
    process.wait(30)


def wait_for_end(client: Client, job: str) -> None:
    until = time.monotonic() + 120
    while not client.job(job).ended:
        assert time.monotonic() < until
        time.sleep(0.3)


def values(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_a_worker_tells_how_it_and_its_store_are(client: Client, address: str, tmp_path: Path) -> None:
    asked = parse("dissect", {"generator": "planted", "images": 64, "calibration": 64})
    job = str(client.submit(asked).job_id)
    wait_for_end(client, job)
    assert client.job(job).state == "done"

    found = values(ask(f"{address}/metrics")[1])
    assert found['ganatomy_jobs{state="done"}'] == 1
    assert found["ganatomy_workers"] == 1
    assert found["ganatomy_oldest_queued_seconds"] == 0
    assert found["ganatomy_published_bytes"] == client.layout.current.stat().st_size
    assert found["ganatomy_last_commit_bytes"] == found["ganatomy_published_bytes"]
    assert 0 < found["ganatomy_last_commit_seconds"] < 60
    assert found["ganatomy_versions"] == len(list(client.layout.versions.glob("v*.duckdb")))

    status, body = ask(f"{address}/healthz")
    assert (status, json.loads(body)) == (200, {"worker": "ok", "queue": "ok", "store": "ok"})
    client.layout.versions.rename(tmp_path / "away")
    status, body = ask(f"{address}/healthz")
    (tmp_path / "away").rename(client.layout.versions)
    assert status == 503
    assert "cannot be read" in json.loads(body)["store"]

    lines = [json.loads(line) for line in (client.layout.logs / "worker.log").read_text().splitlines()]
    about = [line["event"] for line in lines if line.get("job") == job]
    assert about[0] == "job starts"
    assert "job ends" in about
