"""Whose jobs and schedules somebody may change, what the audit keeps of it, and quotas of projects."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from analysis.shared.errors import GanatomyError
from db import permissions, workspace
from db.errors import NotAllowedError
from db.permissions import Person
from jobs.kinds.comparison import ComparisonRequest
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.requests import When
from jobs.queue import quotas
from jobs.queue.client import Client
from jobs.queue.workers import FileLeases
from jobs.render.client import RenderResult
from jobs.worker.maintenance import Maintenance

ADA, BOB, EVE, ROOT = (
    Person(f"{name}@example.org", role, "login")
    for name, role in (("ada", "member"), ("bob", "member"), ("eve", "viewer"), ("root", "admin"))
)


def planted(**values: object) -> DissectionRequest:
    return DissectionRequest.model_validate(
        {"generator": "planted", "images": 64, "calibration": 64, **values}
    )


def audited(client: Client) -> list[tuple[str, str, str, bool]]:
    found = workspace.open(client.layout).audit()
    return [*zip(found["who"], found["action"], found["kind"], found["refused"], strict=True)][::-1]


def test_a_member_cancels_and_retries_the_own_jobs_only(client: Client) -> None:
    job_id = str(client.acting_as(ADA).submit(planted(owner=ADA.name)).job_id)
    said = f"This job belongs to {ADA.name}; only its owner or an admin can cancel it."
    with pytest.raises(NotAllowedError, match=said):
        client.acting_as(BOB).cancel(job_id)
    with pytest.raises(NotAllowedError, match="A viewer cannot cancel a job"):
        client.acting_as(EVE).cancel(job_id)
    assert client.job(job_id).state == "queued"
    client.acting_as(ADA).cancel(job_id)
    with pytest.raises(NotAllowedError, match="can retry it"):
        client.acting_as(BOB).retry(job_id)
    client.acting_as(ADA).retry(job_id)
    client.acting_as(ROOT).cancel(job_id)
    client.retry(job_id)  # the command line is the operator's
    assert audited(client) == [
        (ADA.name, "submit", "job", False),
        (BOB.name, "cancel", "job", True),
        (EVE.name, "cancel", "job", True),
        (ADA.name, "cancel", "job", False),
        (BOB.name, "retry", "job", True),
        (ADA.name, "retry", "job", False),
        (ROOT.name, "cancel", "job", False),
        (permissions.operator().name, "retry", "job", False),
    ]
    found = workspace.open(client.layout).audit()
    assert set(found["owner"]) == {ADA.name}
    assert set(found["thing"]) == {job_id}
    assert "Dissect planted" in found["detail"].iloc[0]


def test_nobody_queues_in_another_name(client: Client) -> None:
    for owner in (ADA.name, "anyone"):
        with pytest.raises(NotAllowedError, match="can submit it"):
            client.acting_as(BOB).submit(planted(owner=owner))
    with pytest.raises(NotAllowedError, match="A viewer cannot submit a job"):
        client.acting_as(EVE).submit(planted(owner=EVE.name))
    with pytest.raises(NotAllowedError, match="can add it"):
        client.acting_as(BOB).schedule("nightly", planted(owner=ADA.name), "0 2 * * *")
    assert client.jobs() == []
    assert client.schedules() == []


@pytest.mark.parametrize(
    "change", [Client.pause, Client.resume, Client.trigger, Client.unschedule], ids=lambda each: each.__name__
)
def test_a_member_changes_the_own_schedules_only(
    client: Client, change: Callable[[Client, str], None]
) -> None:
    client.acting_as(ADA).schedule("nightly", planted(owner=ADA.name), "0 2 * * *")
    with pytest.raises(NotAllowedError, match=f"This schedule belongs to {ADA.name}"):
        change(client.acting_as(BOB), "nightly")
    with pytest.raises(NotAllowedError, match="can replace it"):
        client.acting_as(BOB).schedule("nightly", planted(owner=BOB.name), "0 3 * * *")
    assert [each.cron for each in client.schedules()] == ["0 2 * * *"]
    change(client.acting_as(ADA), "nightly")
    client.schedule("nightly", planted(owner=ADA.name), "0 4 * * *")
    assert [row[0] for row in audited(client)] == [
        *(ADA.name, BOB.name, BOB.name, ADA.name),
        permissions.operator().name,
    ]


def test_a_retry_brings_back_the_jobs_of_others_that_waited(client: Client) -> None:
    first = str(client.acting_as(ADA).submit(planted(owner=ADA.name)).job_id)
    client.acting_as(BOB).submit(planted(owner=BOB.name, seed=2), When(after=first))
    client.acting_as(ADA).cancel(first)
    Maintenance(client, "nobody/0", FileLeases(client.layout)).release()
    again = client.acting_as(ADA).retry(first)
    assert "1 later stage waits behind it again" in again.message
    assert {job.owner: job.state for job in client.jobs()} == {ADA.name: "queued", BOB.name: "waiting"}


def test_a_member_pins_in_the_own_name(client: Client) -> None:
    picture = client.layout.renders / "one.png"
    Image.new("RGB", (4, 4)).save(picture)
    files = ((str(picture),),) * 3
    made = RenderResult("planted", "ablate layer1 3", 1, (4,), *files, "render-0123456789", 1.0, False)
    with pytest.raises(NotAllowedError, match="can pin it"):
        client.acting_as(BOB).pin(made, ADA.name)
    client.acting_as(ADA).pin(made, ADA.name)
    with pytest.raises(NotAllowedError, match=f"belongs to {ADA.name}"):
        client.acting_as(BOB).pin(made, BOB.name)


def test_what_cannot_be_kept_in_the_audit_is_done_all_the_same(client: Client) -> None:
    client.layout.workspace.write_bytes(b"no database at all" * 100)
    job_id = str(client.submit(planted()).job_id)
    assert client.cancel(job_id).state == "cancelled"


@pytest.fixture
def two_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANATOMY_PROJECT_JOBS", '{"*": 2, "large": 3}')


@pytest.mark.usefixtures("two_jobs")
def test_a_project_has_so_many_unfinished_jobs(client: Client) -> None:
    client.submit(planted(project="thesis"))
    last = str(client.submit(planted(project="thesis", seed=2)).job_id)
    assert client.submit(planted(project="thesis")).already  # no new job
    full = r"Project thesis has 2 unfinished jobs of at most 2 \(GANATOMY_PROJECT_JOBS\)"
    with pytest.raises(GanatomyError, match=full):
        client.submit(planted(project="thesis", seed=3))
    client.submit(planted(project="other", seed=3))
    client.cancel(last)
    client.submit(planted(project="thesis", seed=4))
    with pytest.raises(GanatomyError, match=full):
        client.retry(last)


@pytest.mark.usefixtures("two_jobs")
def test_a_job_and_those_that_it_needs_are_counted_together(client: Client) -> None:
    asked = {"generators": ["planted", "planted-scenes"], "segmenter": "planted", "project": "thesis"}
    request = ComparisonRequest.model_validate(asked)
    more = len(request.before()) + 1
    with pytest.raises(GanatomyError, match=f"has 0 unfinished jobs of at most 2 .* would add {more}"):
        client.submit(request)
    assert client.jobs() == []


def test_a_quota_by_name_goes_before_that_of_others() -> None:
    limits = {"*": 0, "large": 5}
    assert quotas.refusal(limits, "large", 4) == ""
    assert "has 5 unfinished jobs of at most 5" in quotas.refusal(limits, "large", 5)
    assert "has 0 unfinished jobs of at most 0" in quotas.refusal(limits, "small", 0)


def test_a_store_without_changes_has_an_empty_audit(tmp_path: Path) -> None:
    assert audited(Client.at(tmp_path / "store")) == []
