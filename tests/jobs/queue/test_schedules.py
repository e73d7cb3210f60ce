"""Schedules: created, paused, replaced, removed; and what came of their last firing."""

import json
import sqlite3
from contextlib import closing

import pytest

from analysis.shared.errors import GanatomyError
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.queue.records import Firing
from jobs.system.settings import Settings
from jobs.system.slots import Devices
from jobs.worker import workflows
from jobs.worker.supervision import JobRunner

REQUEST = DissectionRequest(generator="planted", images=64, calibration=64)


def fire(client: Client, output: object) -> None:
    """Trigger the schedule `nightly`, and store `output` as a worker would."""
    client.trigger("nightly")
    with closing(sqlite3.connect(client.layout.queue)) as queue, queue:
        [row] = client.queue.list_workflows(schedule_name="nightly", limit=1, sort_desc=True)
        change = "UPDATE workflow_status SET status = 'SUCCESS' WHERE workflow_uuid = ?"
        queue.execute(change, [row.workflow_id])
        add = "INSERT INTO workflow_output (workflow_uuid, output) VALUES (?, ?)"
        queue.execute(add, [row.workflow_id, json.dumps(output)])


@pytest.fixture
def worker(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflows of this process, with a job runner that runs nothing."""
    monkeypatch.setattr(workflows, "_runner", JobRunner(client, Settings(), Devices((), (), 1, 1)))


def test_schedules_are_kept_paused_and_forgotten(client: Client) -> None:
    view = client.schedule("nightly", REQUEST, "0 2 * * *")
    assert view.next_at is not None
    assert (view.next_at.hour, view.next_at.minute, view.paused) == (2, 0, False)
    client.pause("nightly")
    assert client.schedules()[0].paused
    assert client.schedules()[0].next_at is None
    client.resume("nightly")
    client.pause("nightly")
    view = client.schedule("nightly", REQUEST.model_copy(update={"seed": 3}), "30 3 * * *")
    assert (view.paused, view.next_at is None) == (False, False)  # a replaced schedule is on
    assert [schedule.cron for schedule in client.schedules()] == ["30 3 * * *"]
    client.unschedule("nightly")
    assert client.schedules() == []


def test_unusable_schedules_are_refused(client: Client) -> None:
    with pytest.raises(GanatomyError, match="no schedule"):
        client.pause("nightly")
    with pytest.raises(GanatomyError, match="cron"):
        client.schedule("nightly", REQUEST, "every night")
    with pytest.raises(GanatomyError, match="never comes"):
        client.schedule("nightly", REQUEST, "0 2 31 2 *")
    with pytest.raises(GanatomyError, match="name"):
        client.schedule("../x", REQUEST, "0 2 * * *")


@pytest.mark.usefixtures("worker")
def test_the_last_job_is_found_whatever_the_sentence_says(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.schedule("nightly", REQUEST, "0 2 * * *")
    assert (client.schedules()[0].last, client.schedules()[0].last_job) == (None, None)
    submit = client.submit

    def reworded(*arguments: object, **options: object) -> object:
        made = submit(*arguments, **options)  # type: ignore[arg-type]
        return type(made)(made.job_id, made.run_id, made.already, "It waits for its turn")

    monkeypatch.setattr(client, "submit", reworded)
    context = {"name": "nightly", "kind": "dissect", "request": REQUEST.model_dump(mode="json")}
    fire(client, workflows.submit(context))
    [job] = client.jobs()
    [schedule] = client.schedules()
    assert (schedule.last, schedule.last_job) == ("It waits for its turn", job.id)
    assert schedule.last_fired_at is not None


@pytest.mark.usefixtures("worker")
def test_a_refused_firing_has_no_job(client: Client) -> None:
    client.schedule("nightly", REQUEST, "0 2 * * *")
    broken = {"name": "nightly", "kind": "dissect", "request": {"generator": "nobody"}}
    fire(client, workflows.submit(broken))
    [schedule] = client.schedules()
    assert "nobody" in str(schedule.last)
    assert schedule.last_job is None


@pytest.mark.parametrize(
    ("output", "job"),
    [
        ("Queued as job 20260101-020000-abc123.", "20260101-020000-abc123"),
        ("Already asked for: job 20260101-020000-abc123.", "20260101-020000-abc123"),
        ("Already there: run dissect-0123456789.", None),
    ],
)
def test_sentences_of_an_older_version_are_read(client: Client, output: str, job: str | None) -> None:
    client.schedule("nightly", REQUEST, "0 2 * * *")
    fire(client, output)
    [schedule] = client.schedules()
    assert (schedule.last, schedule.last_job) == (output, job)


def test_a_firing_survives_json() -> None:
    firing = Firing("Queued.", "20260101-020000-abc123", "dissect-0123456789")
    assert Firing.parse(json.loads(json.dumps(firing.plain()))) == firing
    assert Firing.parse(None) is None
    assert Firing.parse({"unknown": 1}) is None


def test_workflows_without_a_job_runner_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "_runner", None)
    with pytest.raises(RuntimeError, match=r"workflows\.register\(\) before DBOS\.launch\(\)"):
        workflows.runner()
