"""Fifty random kills: none lost, none counted twice, the same counts as undisturbed."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from counts_alike import same_counts
from harness import Arena

from analysis import dissect
from analysis.models import generators, segmenters
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest

# On a busy machine a process may be killed many times before it has loaded; that is not this test's question.
PATIENT = "60"


def kill_at_random(arena: Arena, count: int, seed: int, going: Callable[[], bool]) -> dict[str, int]:
    """SIGKILL of a job process, the worker or its whole group, again and again while jobs are going."""
    chance = random.Random(seed)
    worker, kills = arena.start(GANATOMY_RESTARTS=PATIENT), {"process": 0, "worker": 0, "group": 0}
    while sum(kills.values()) < count and going():
        time.sleep(chance.uniform(0.1, 2.0))
        what = chance.choice(["process", "process", "worker", "group"])
        if what == "process":
            found = arena.job_processes()
            if not found:
                continue
            chance.choice(found).kill()
        elif what == "worker":
            worker.kill()
        else:
            os.killpg(worker.pid, signal.SIGKILL)
        kills[what] += 1
        if worker.poll() is not None or what != "process":
            worker.wait()
            worker = arena.start(GANATOMY_RESTARTS=PATIENT)
    print(f"killed: {kills}")
    return kills


@pytest.mark.slow
@pytest.mark.timeout(2200)
def test_fifty_random_kills(arena: Arena) -> None:
    asked = [arena.ask(shards=250, number=number, seconds=0.1) for number in range(3)]
    kills = kill_at_random(arena, 50, 5, lambda: True)
    assert sum(kills.values()) == 50
    assert [arena.ended(one, 600).state for one in asked] == ["done"] * 3
    assert [arena.sum(one) for one in asked] == [sum(range(250))] * 3
    for one in asked:
        counted = arena.counted(one)
        assert len(counted) == len(set(counted))  # what has its shard is not counted again


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_dissection_under_random_kills_has_the_counts_of_an_undisturbed_one(arena: Arena) -> None:
    request = DissectionRequest(generator="planted", images=2000, calibration=640, seed=21)
    asked = arena.client.submit(request)
    kills = kill_at_random(arena, 12, 6, lambda: not arena.client.job(str(asked.job_id)).ended)
    assert sum(kills.values()) >= 5
    ended = arena.ended(asked, 600)
    assert (ended.state, ended.error) == ("done", None)
    sizes = {"images": 2000, "calibration": 640, "seed": 21}
    direct = dissect(generators.load("planted", None), segmenters.load("planted", None), **sizes)
    published = bundles.latest(arena.client.layout, str(asked.run_id))
    same_counts(published, direct, but=["images"])
