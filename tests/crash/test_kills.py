"""SIGKILL of a job process, a worker, or everything: the job still ends, and no work is done twice."""

import os
import signal
import sqlite3
from contextlib import closing

import psutil
import pytest
from children import until
from harness import Arena

from jobs.queue.workers import host


def test_a_killed_job_process_is_started_again(arena: Arena) -> None:
    arena.start()
    asked = arena.ask(shards=20)
    os.kill(arena.counting(asked, 3), signal.SIGKILL)
    assert arena.ended(asked).state == "done"
    assert arena.counted(asked) == list(range(20))


def test_a_killed_worker_takes_its_processes_along_and_the_next_goes_on(arena: Arena) -> None:
    worker = arena.start()
    asked = arena.ask(shards=60)
    arena.counting(asked, 3)
    worker.kill()
    worker.wait()
    until(lambda: not arena.job_processes(), 5, "the end of the job process")
    before = arena.counted(asked)
    left = arena.client.job(str(asked.job_id))
    assert (left.state, left.worker) == ("queued", None)
    assert left.stage == "interrupted: its worker is gone; it goes on when one starts"
    arena.start()
    assert arena.ended(asked).state == "done"
    assert arena.counted(asked) == list(range(60))
    assert len(before) >= 3


@pytest.mark.slow
def test_everything_is_killed_and_started_as_after_a_reboot(arena: Arena) -> None:
    worker = arena.start()
    asked, waiting = arena.ask(shards=40), arena.ask(shards=3, number=1)
    arena.counting(asked, 3)
    family = [worker, *psutil.Process(worker.pid).children(recursive=True)]
    for process in reversed(family):
        process.kill()
    worker.wait()
    arena.start()
    assert arena.ended(asked).state == "done"
    assert arena.ended(waiting).state == "done"
    assert arena.counted(asked) == list(range(40))


@pytest.mark.slow
def test_two_workers_share_a_store_and_one_takes_over_from_the_other(arena: Arena) -> None:
    first = arena.start(GANATOMY_CPU_SLOTS="2")
    arena.start(GANATOMY_CPU_SLOTS="2")
    asked = [arena.ask(shards=40, number=number) for number in range(3)]
    until(lambda: sum(job.state == "running" for job in arena.client.jobs()) == 2, what="two at once")
    slots = {arena.client.job(str(one.job_id)).device for one in asked} - {None}
    assert slots <= {"cpu-0", "cpu-1"}
    arena.counting(asked[0], 2)
    first.kill()
    first.wait()
    assert [arena.ended(one).state for one in asked] == ["done"] * 3
    assert [sorted(arena.counted(one)) for one in asked] == [list(range(40))] * 3


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_stops_at_once_and_loses_nothing(arena: Arena) -> None:
    worker = arena.start()
    asked = arena.ask(shards=60)
    arena.counting(asked, 3)
    worker.terminate()
    assert worker.wait(8) == 0
    assert not arena.job_processes()
    arena.start()
    assert arena.ended(asked).state == "done"
    assert arena.counted(asked) == list(range(60))


@pytest.mark.slow
def test_a_job_of_an_older_version_is_put_back_not_left_behind(arena: Arena) -> None:
    asked = [arena.ask(shards=2, number=number) for number in range(2)]
    with closing(sqlite3.connect(arena.client.layout.queue)) as queue, queue:
        queue.execute("UPDATE workflow_status SET application_version = '0'")
        pending = "UPDATE workflow_status SET status = 'PENDING', executor_id = ? WHERE workflow_uuid = ?"
        queue.execute(pending, (f"{host()}/0", asked[0].job_id))
    arena.start()
    assert [arena.ended(one).state for one in asked] == ["done", "done"]
