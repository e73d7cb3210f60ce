"""Jobs that wait for others, fail, and are put back."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.requests import When
from jobs.queue.client import Client
from jobs.queue.workers import FileLeases
from jobs.system import live
from jobs.worker.maintenance import Maintenance


def planted(**values: object) -> DissectionRequest:
    return DissectionRequest.model_validate(
        {"generator": "planted", "images": 64, "calibration": 64, **values}
    )


def test_a_queued_job_is_cancelled_and_retried(client: Client) -> None:
    job_id = str(client.submit(planted()).job_id)
    assert client.cancel(job_id).state == "cancelled"
    with pytest.raises(GanatomyError, match="nothing to cancel"):
        client.cancel(job_id)
    live.write(live.path(client.layout, job_id, "progress"), {"stage": "pilot", "done": 3, "total": 9})
    assert client.retry(job_id).job_id == job_id
    assert (client.job(job_id).state, client.job(job_id).done) == ("queued", 0)  # of the attempt to come
    with pytest.raises(GanatomyError, match="can be retried"):
        client.retry(job_id)


def test_the_stages_of_a_pipeline_wait_for_each_other(client: Client) -> None:
    stages = client.pipeline([planted(seed=1), planted(seed=2), planted(seed=3)])
    jobs = [client.job(str(stage.job_id)) for stage in stages]
    assert [job.state for job in jobs] == ["queued", "waiting", "waiting"]
    assert jobs[1].stage == f"after {jobs[0].id}"
    assert jobs[2].stage == f"after {jobs[1].id}"
    assert jobs[1].not_before is None


def test_a_retried_stage_brings_its_later_stages_back_in_order(client: Client) -> None:
    first, second, third = client.pipeline([planted(seed=1), planted(seed=2), planted(seed=3)])
    by_hand = client.submit(planted(seed=4), When(after=first.job_id))
    client.cancel(str(by_hand.job_id))
    client.cancel(str(first.job_id))
    maintain(client)
    maintain(client)
    assert client.job(str(second.job_id)).error == f"Job {first.job_id}, which it waited for, was cancelled."
    assert client.job(str(third.job_id)).state == "cancelled"
    again = client.retry(str(first.job_id))
    assert again.message == f"Queued again as job {first.job_id}. 2 later stages wait behind it again."
    jobs = {job.request["seed"]: job for job in client.jobs()}
    assert [(seed, jobs[seed].state) for seed in sorted(jobs)] == [
        (1, "queued"),
        (2, "waiting"),
        (3, "waiting"),
        (4, "cancelled"),  # by a person, so it stays so
    ]
    assert jobs[2].stage == f"after {first.job_id}"
    assert jobs[3].stage == f"after {jobs[2].id}"


def test_a_stage_that_was_not_dropped_yet_comes_back_too(client: Client) -> None:
    first, second, third = client.pipeline([planted(seed=1), planted(seed=2), planted(seed=3)])
    client.cancel(str(first.job_id))
    maintain(client)  # drops the second only
    assert [client.job(str(one.job_id)).state for one in (second, third)] == ["cancelled", "waiting"]
    client.retry(str(first.job_id))
    maintain(client)
    jobs = {job.request["seed"]: job for job in client.jobs()}
    assert [jobs[seed].state for seed in (1, 2, 3)] == ["queued", "waiting", "waiting"]
    assert jobs[3].stage == f"after {jobs[2].id}"


def test_a_job_behind_another_keeps_its_time(client: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    first = client.submit(planted(seed=1))
    second = client.submit(planted(seed=2), When(after=first.job_id, at=later))
    finish(client, str(first.job_id))
    maintain(client)
    job = client.job(str(second.job_id))
    assert job.state == "waiting"
    assert job.not_before is not None
    assert abs((job.not_before - later.replace(tzinfo=None)).total_seconds()) < 2


def finish(client: Client, job_id: str) -> None:
    """Mark a job as done, as a worker would."""
    with closing(sqlite3.connect(client.layout.queue)) as queue, queue:
        queue.execute("UPDATE workflow_status SET status = 'SUCCESS' WHERE workflow_uuid = ?", [job_id])


def maintain(client: Client) -> None:
    """What a worker does now and then."""
    Maintenance(client, "nobody/0", FileLeases(client.layout)).release()


def test_a_job_whose_run_is_there_by_now_is_not_run_again(
    client: Client, write_run: Callable[..., Path]
) -> None:
    asked = client.submit(planted())
    client.cancel(str(asked.job_id))
    write_run(str(asked.run_id), into=client.layout)
    again = client.retry(str(asked.job_id))
    assert (again.job_id, again.run_id, again.already) == (None, asked.run_id, True)
    assert client.job(str(asked.job_id)).state == "cancelled"


def test_a_job_to_wait_for_must_be_there_and_may_not_have_failed(client: Client) -> None:
    asked = client.submit(planted())
    for request in (planted(), planted(seed=2)):  # recognised or not
        with pytest.raises(GanatomyError, match="no job nobody"):
            client.submit(request, When(after="nobody"))
    client.cancel(str(asked.job_id))
    with pytest.raises(GanatomyError, match=r"was cancelled.*retry it first"):
        client.submit(planted(seed=2), When(after=asked.job_id))
