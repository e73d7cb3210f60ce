"""Notices and metrics: sent to a real listener, and never in the way of a job."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from children import free_port

from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.system.settings import Settings
from jobs.worker import metrics, notices

got: list[dict[str, Any]] = []


class Listener(BaseHTTPRequestHandler):
    """Keeps what it is told."""

    def do_POST(self) -> None:
        got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_a_notice_arrives(listener: int) -> None:
    got.clear()
    assert notices.send([f"json://127.0.0.1:{listener}/"], "Dissect faces: done", "job 1") == "sent"
    assert (got[0]["title"], got[0]["message"]) == ("Dissect faces: done", "job 1")


def test_a_notice_that_cannot_be_sent_stops_nothing() -> None:
    assert notices.send(["json://127.0.0.1:9/"], "x", "y") == "not sent"
    assert notices.send(["nonsense"], "x", "y") == "not sent"
    assert notices.send([], "x", "y") == "no address"


def test_metrics_count_jobs(tmp_path: Path) -> None:
    client = Client.at(tmp_path / "store")
    client.submit(DissectionRequest(generator="planted"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics.serve(client, port)
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert 'ganatomy_jobs{state="queued"} 1.0' in text


def test_metrics_are_served_at_one_address_only(tmp_path: Path) -> None:
    client = Client.at(tmp_path / "store")
    port = free_port()
    metrics.serve(client, port)
    with pytest.raises(URLError):
        urllib.request.urlopen(f"http://127.0.0.2:{port}/metrics", timeout=10)
    metrics.serve(client, port, "127.0.0.2")
    for address in ("127.0.0.1", "127.0.0.2"):
        assert urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=10).status == 200
    assert Settings().metrics_address == "127.0.0.1"
