"""Fifty random kills: none lost, none counted twice, the same counts as undisturbed."""

import os
import random
import signal
import time

import pytest
from harness import Arena

# On a busy machine a process may be killed many times before it has loaded; that is not this test's question.
PATIENT = "60"


@pytest.mark.slow
@pytest.mark.timeout(2200)
def test_fifty_random_kills(arena: Arena) -> None:
    chance = random.Random(5)
    asked = [arena.ask(shards=250, number=number, seconds=0.1) for number in range(3)]
    worker, kills = arena.start(GANATOMY_RESTARTS=PATIENT), {"heavy": 0, "worker": 0, "group": 0}
    while sum(kills.values()) < 50:
        time.sleep(chance.uniform(0.1, 2.0))
        what = chance.choice(["heavy", "heavy", "worker", "group"])
        if what == "heavy":
            found = arena.heavies()
            if not found:
                continue
            chance.choice(found).kill()
        elif what == "worker":
            worker.kill()
        else:
            os.killpg(worker.pid, signal.SIGKILL)
        kills[what] += 1
        if worker.poll() is not None or what != "heavy":
            worker.wait()
            worker = arena.start(GANATOMY_RESTARTS=PATIENT)
    print(f"killed: {kills}")
    assert [arena.ended(one, 600).state for one in asked] == ["done"] * 3
    assert [arena.sum(one) for one in asked] == [sum(range(250))] * 3
    assert [sorted(set(arena.counted(one))) for one in asked] == [list(range(250))] * 3
