"""A job that fails says why; one that can go on does."""

import pytest
from children import until
from harness import Arena

from jobs.kinds import requests
from jobs.queue import database


def test_a_job_runs_to_its_end(running: Arena) -> None:
    asked = running.ask(shards=5)
    job = running.ended(asked)
    assert (job.state, job.done, job.total) == ("done", 5, 5)
    assert job.device == "cpu-0"
    assert running.sum(asked) == 10
    assert "start" in running.client.log(job.id)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(
            "cuda",
            "The GPU failed (RuntimeError: CUDA error: an illegal memory access",
            marks=pytest.mark.slow,
        ),
        pytest.param("stuck", "It made no progress for 5 s", marks=pytest.mark.slow),
        pytest.param("memory", "Out of memory (MemoryError: no room)", marks=pytest.mark.slow),
        ("memory-eats", "It took more than 1.0 GiB of memory"),
        ("bug", "An error in the program stopped it (ValueError: a bug)"),
        ("person", "There is no such layer; choose another."),
        ("kill", "Its process was killed (signal 9)"),
    ],
)
def test_a_fault_is_the_reason(running: Arena, fault: str, reason: str) -> None:
    job = running.ended(running.ask(fault=fault))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.startswith(reason)
    assert job.done == 2  # what was counted is kept


@pytest.mark.parametrize("fault", ["cuda-once", pytest.param("stuck-once", marks=pytest.mark.slow)])
def test_a_passing_fault_costs_nothing_that_was_counted(running: Arena, fault: str) -> None:
    asked = running.ask(fault=fault)
    assert running.ended(asked).state == "done"
    assert running.counted(asked) == [0, 1, 2, 3, 4]


def test_a_failed_job_goes_on_when_it_is_retried(running: Arena) -> None:
    asked = running.ask(fault="once", number=1)
    assert running.ended(asked).state == "failed"
    again = running.client.retry(str(asked.job_id))
    assert again.job_id == asked.job_id
    assert running.ended(again).state == "done"
    assert running.counted(asked) == [0, 1, 2, 3, 4]


def test_a_request_of_another_version_fails_with_a_sentence(running: Arena) -> None:
    kind = requests.KINDS["fault"].request
    values = {**kind(shards=2, number=60).model_dump(mode="json"), "removed_field": 1}
    running.client.queue.enqueue(
        {"workflow_name": database.RUN_JOB, "queue_name": database.JOBS, "workflow_id": "old"},
        "fault",
        values,
        "run-old",
    )
    until(lambda: running.client.job("old").ended, what="its end")
    assert str(running.client.job("old").error).startswith(
        "Another version of Ganatomy queued it, and this one cannot run it. "
        "The request is not valid: removed_field"
    )


def test_the_same_request_twice_is_one_job(running: Arena) -> None:
    first = running.ask(shards=20, number=2)
    second = running.ask(shards=20, number=2, owner="somebody else")
    assert (second.job_id, second.already) == (first.job_id, True)
    running.ended(first)


def test_cancel_stops_it_and_retry_goes_on(running: Arena) -> None:
    asked = running.ask(shards=60, number=3)
    pid = running.counting(asked, 5)
    running.client.cancel(str(asked.job_id))
    until(lambda: not running.job_processes(), 5, "the end of the job process")
    job = running.client.job(str(asked.job_id))
    assert (job.state, pid > 0) == ("cancelled", True)
    running.client.retry(str(asked.job_id))
    assert running.ended(asked).state == "done"
    assert sorted(running.counted(asked)) == list(range(60))
