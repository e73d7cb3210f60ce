"""No job stays "running" without a worker at it, and none blocks the next."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from children import until
from harness import Arena

from jobs.services import doctor

TRIGGERS = {
    "outcome": "BEFORE UPDATE ON workflow_status WHEN NEW.status IN ('SUCCESS', 'ERROR')",
    "step": "BEFORE INSERT ON operation_outputs",
}


def sql(arena: Arena, statements: list[str]) -> None:
    with closing(sqlite3.connect(arena.client.layout.queue, timeout=10)) as queue, queue:
        for statement in statements:
            queue.execute(statement)


def test_a_job_whose_outcome_cannot_be_written_is_queued_again(arena: Arena) -> None:
    arena.start()
    refusal = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    sql(arena, [f"CREATE TRIGGER {name} {when} {refusal}" for name, when in TRIGGERS.items()])
    first = arena.ask(shards=2, number=1)
    until(lambda: arena.sum(first) is not None, what="the work")
    following = arena.ask(shards=2, number=2)
    log = arena.client.layout.logs / "worker.log"
    until(lambda: "had lost its workflow" in log.read_text(), 12, "the orphan's return to the queue")
    sql(arena, [f"DROP TRIGGER {name}" for name in TRIGGERS])
    assert arena.ended(first, 20).state == "done"
    assert arena.ended(following, 20).state == "done"
    assert arena.counted(first) == [0, 1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB; skipped where nothing can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_does_not_leave_a_job_running(small_disk: Path) -> None:
    arena = Arena(small_disk / "store")
    try:
        arena.start()
        first, following = arena.ask(shards=200, number=1), arena.ask(shards=2, number=2)
        arena.counting(first, 5)
        filler = small_disk / "filler"
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(free))
        until(lambda: not arena.job_processes(), 60, "the end of the job process")
        filler.unlink()
        ends = ("failed", "queued", "done")
        state = lambda: arena.client.job(str(first.job_id)).state  # noqa: E731
        until(lambda: state() in ends or arena.pid(str(first.job_id)), 10, "a true state")
        assert arena.ended(first).state in ("failed", "done")
        assert arena.ended(following).state == "done"
    finally:
        arena.close()


def test_a_stop_hands_jobs_back_and_a_worker_of_another_host_takes_them(arena: Arena) -> None:
    worker = arena.start(GANATOMY_HOST="3f2a9c1b7d10")
    submission = arena.ask(shards=60)
    arena.counting(submission, 3)
    worker.terminate()
    assert worker.wait(8) == 0
    job = arena.client.job(str(submission.job_id))
    assert (job.state, job.stage) == ("queued", "")
    arena.start(GANATOMY_HOST="b01dface0001")
    assert arena.ended(submission).state == "done"
    assert arena.counted(submission) == list(range(60))


@pytest.mark.slow
def test_a_worker_of_another_host_takes_over_from_a_killed_one(arena: Arena) -> None:
    worker = arena.start(GANATOMY_HOST="3f2a9c1b7d10")
    submission, following = arena.ask(shards=60), arena.ask(shards=2, number=1)
    arena.counting(submission, 3)
    worker.kill()
    worker.wait()
    left = arena.client.job(str(submission.job_id))
    assert (left.state, "interrupted" in left.stage) == ("queued", True)
    stranded = {check.what: check for check in doctor.check_queue(arena.client.layout)}["stranded jobs"]
    assert "under whatever host name" in stranded.remedy
    arena.start(GANATOMY_HOST="b01dface0001")
    assert [arena.ended(each, 30).state for each in (submission, following)] == ["done", "done"]
    assert arena.counted(submission) == list(range(60))
