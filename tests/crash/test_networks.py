"""Two hosts with a network of their own (namespaces of one machine), and a cable that is pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from children import until
from harness import Arena
from postgres import Postgres

from jobs.queue.records import LEASE_S

pytestmark = pytest.mark.slow
BRIDGE, NET = "ganatomy0", "10.213.77"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Arena, Arena]]:
    """Ada and bob, each with an address; the queue's server is a third host."""
    if os.getuid() != 0 or shutil.which("ip") is None or shutil.which("initdb") is None:
        pytest.skip("network namespaces need root, iproute2 and postgresql")
    names = ("ada", "bob")
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(names, start=2):
            ip("netns", "add", f"ganatomy-{name}")
            ip(
                "link",
                "add",
                f"g-{name}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                f"ganatomy-{name}",
            )
            ip("link", "set", f"g-{name}", "master", BRIDGE, "up")
            inside = ("-n", f"ganatomy-{name}")
            ip(*inside, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
            ip(*inside, "link", "set", "lo", "up")
        server = Postgres(f"{NET}.1")
        monkeypatch.setenv("GANATOMY_QUEUE", server.address())
        made = [Arena(tmp_path / name, ("ip", "netns", "exec", f"ganatomy-{name}")) for name in names]
        yield made[0], made[1]
        for arena in made:
            arena.close()
        server.close()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", f"ganatomy-{name}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)


def test_a_host_that_is_cut_off_is_replaced_and_may_not_publish(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    ada.start(GANATOMY_HOST="ada")
    asked = ada.ask(shards=60, seconds=0.5)
    process = ada.counting(asked, 2)
    ip("link", "set", "g-ada", "down")  # its worker and its job process go on, and reach nobody
    bob.start(GANATOMY_HOST="bob")
    on_bob = lambda: str(bob.client.job(str(asked.job_id)).worker).startswith("bob/")  # noqa: E731
    until(on_bob, 4 * LEASE_S, "the job on bob")
    counted = ada.root / "work" / str(asked.run_id) / "counted.log"
    until(lambda: len(counted.read_text().split()) == 60, 90, "the last number on ada, which nobody sees")
    ip("link", "set", "g-ada", "up")
    assert bob.ended(asked, 120).state == "done"
    until(lambda: not psutil.pid_exists(process), 90, "the end of ada's attempt")
    assert [arena.sum(asked) for arena in hosts] == [None, sum(range(60))]
    again = [ada.ask(shards=20, seconds=0.1, number=number) for number in (1, 2)]
    assert [ada.ended(one, 120).state for one in again] == ["done", "done"]
    assert {worker.host for worker in ada.client.workers()} == {"ada", "bob"}
