"""The wall clock is set back one hour while a job runs: the worker watches the job as before."""

from pathlib import Path

import pytest
from children import until
from harness import Arena


@pytest.fixture
def clock(arena: Arena, tmp_path: Path) -> Path:
    """The file that sets a worker's clock back; the worker runs."""
    file = tmp_path / "an hour ago"
    arena.start(FAULT_CLOCK=str(file))
    return file


def test_a_cancel_is_obeyed_and_the_next_job_runs(arena: Arena, clock: Path) -> None:
    submission, following = arena.ask(shards=600), arena.ask(shards=2, number=1)
    arena.counting(submission, 3)
    clock.write_text("-3600")
    arena.client.cancel(str(submission.job_id))
    until(lambda: not arena.pid(str(submission.job_id)), 5, "the end of the job process")
    assert arena.ended(following, 30).state == "done"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("memory-eats", "It took more than 1.0 GiB of memory"),
        pytest.param("stuck", "It made no progress for 5 s", marks=pytest.mark.slow),
    ],
)
def test_limits_are_kept(arena: Arena, clock: Path, fault: str, reason: str) -> None:
    submission = arena.ask(fault=fault, seconds=0.5)
    arena.counting(submission)
    clock.write_text("-3600")
    job = arena.ended(submission, 60)
    assert job.state == "failed"
    assert str(job.error).startswith(reason)
