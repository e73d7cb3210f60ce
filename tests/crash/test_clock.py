"""What the clock and watched folders queue, and what waits for another job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from children import until
from faults import FaultRequest
from harness import Arena

from analysis.models.checkpoints import save_state
from jobs.kinds.requests import When
from jobs.worker import folders


def test_a_schedule_queues_its_request_and_says_what_came_of_it(running: Arena) -> None:
    running.client.schedule("nightly", FaultRequest(number=70, shards=2), "0 2 * * *")
    running.client.trigger("nightly")
    until(lambda: any(job.schedule == "nightly" for job in running.client.jobs()), what="a job")
    job = next(job for job in running.client.jobs() if job.schedule == "nightly")
    until(lambda: running.client.job(job.id).state == "done", what="its end")
    until(lambda: running.client.schedules()[0].last, what="what came of it")
    assert running.client.schedules()[0].last == f"Queued as job {job.id}."


@pytest.mark.slow
def test_a_schedule_that_fails_says_so_and_stays(running: Arena) -> None:
    from jobs.kinds.dissection import DissectionRequest

    running.client.schedule("broken", DissectionRequest(generator="nobody"), "0 2 * * *")
    running.client.trigger("broken")
    until(lambda: {s.name: s.last for s in running.client.schedules()}["broken"], what="an answer")
    assert "nobody" in str({s.name: s.last for s in running.client.schedules()}["broken"])


def test_a_job_for_later_runs_when_its_time_has_come(running: Arena) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    job = running.ended(running.ask(When(at=soon), number=71, shards=1))
    assert job.state == "done"
    assert job.started_at is not None
    assert job.started_at >= soon.replace(tzinfo=None) - timedelta(seconds=1)  # started_at has whole seconds


def test_stages_run_one_after_the_other(running: Arena) -> None:
    requests = [FaultRequest(number=number, shards=2) for number in (72, 73, 74)]
    jobs = [running.ended(stage) for stage in running.client.pipeline(requests)]
    assert [job.state for job in jobs] == ["done"] * 3
    assert jobs[0].finished_at is not None
    assert jobs[1].started_at is not None
    assert jobs[0].finished_at <= jobs[1].started_at


@pytest.mark.slow
def test_a_stage_whose_predecessor_fails_is_cancelled_and_says_why(running: Arena) -> None:
    requests = [FaultRequest(number=75, fault="person"), FaultRequest(number=76), FaultRequest(number=77)]
    jobs = [running.ended(stage) for stage in running.client.pipeline(requests)]
    assert [job.state for job in jobs] == ["failed", "cancelled", "cancelled"]
    assert jobs[1].error == f"Job {jobs[0].id}, which it waited for, failed."


@pytest.mark.slow
def test_a_new_checkpoint_in_a_watched_folder_is_dissected(arena: Arena, tmp_path: Path) -> None:
    from analysis.models.families import planted_shapes

    folder = tmp_path / "training"
    folder.mkdir()
    request = {"segmenter": "planted", "images": 64, "calibration": 64}
    folders.add(arena.client.layout, folders.FolderWatch("run1", str(folder), "planted", None, request))
    # The first dissection on a machine compiles its loops, which is longer than this folder calls stuck.
    arena.start(GANATOMY_STUCK_SECONDS="120")
    save_state(folder / "step-100.safetensors", planted_shapes.weights(3))
    (folder / "step-200.pt").write_bytes(b"not a checkpoint")
    until(lambda: arena.client.jobs(), 120, "a job")
    job = arena.client.jobs()[0]
    assert job.request["generator"].startswith("run1-step-100-")
    until(lambda: arena.client.job(job.id).ended, 180, "its end")
    assert arena.client.job(job.id).state == "done"
    assert [one.id for one in arena.client.jobs()] == [job.id]
