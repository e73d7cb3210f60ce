"""The client without a worker: what is queued, recognised, scheduled, refused."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from analysis.shared.errors import GanatomyError
from db import workspace
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.requests import When, parse
from jobs.queue import database, reports, workers
from jobs.queue.client import Client
from jobs.system import live, slots
from jobs.worker import metrics
from jobs.worker.maintenance import Maintenance


def planted(**values: object) -> DissectionRequest:
    return DissectionRequest.model_validate(
        {"generator": "planted", "images": 64, "calibration": 64, **values}
    )


def test_a_job_is_queued_with_its_defaults_filled_in(client: Client) -> None:
    submission = client.submit(planted(owner="ada"))
    job = client.job(str(submission.job_id))
    assert (job.state, job.kind, job.owner, job.run_id) == ("queued", "dissect", "ada", submission.run_id)
    assert job.request["segmenter"] == "planted"
    assert job.request["layers"] == ["layer1", "layer2"]
    assert job.command.startswith("ganatomy dissect planted")
    assert [one.id for one in client.jobs()] == [job.id]


def test_the_same_request_is_recognised(client: Client) -> None:
    first = client.submit(planted())
    second = client.submit(planted(owner="bob", segmenter="planted", layers=["units2.1", "layer1"]))
    assert (second.already, second.job_id, second.run_id) == (True, first.job_id, first.run_id)
    assert client.submit(planted(seed=2)).already is False


def test_the_queue_is_its_owners(client: Client) -> None:
    client.submit(planted())
    assert stat.S_IMODE(client.layout.queue.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"generator": "nobody"}, "nobody"),
        ({"layers": ["layer9"]}, "layer9"),
        ({"segmenter": "nobody"}, "nobody"),
        ({"generator": "faces"}, "fetch"),
    ],
)
def test_what_cannot_run_is_not_queued(client: Client, values: dict[str, object], word: str) -> None:
    with pytest.raises(GanatomyError, match=word):
        client.submit(planted(**values))
    assert client.jobs() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "nobody", "a/b", ""])
def test_a_job_that_is_not_there_is_refused(client: Client, name: str) -> None:
    for ask in (client.job, client.cancel, client.retry):
        with pytest.raises(GanatomyError):
            ask(name)


def test_a_job_for_later_waits(client: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    job = client.job(str(client.submit(planted(), When(at=later)).job_id))
    assert job.state == "waiting"
    assert job.not_before is not None
    assert abs((job.not_before - later.replace(tzinfo=None)).total_seconds()) < 2


@pytest.mark.parametrize("damage", ['{"args": [1]}', '{"positionalArgs": ["dissect", {"see'])
def test_one_damaged_row_hides_no_other_and_can_be_cancelled(client: Client, damage: str) -> None:
    bad, good = (str(client.submit(planted(seed=seed)).job_id) for seed in (1, 2))
    with closing(sqlite3.connect(client.layout.queue)) as queue, queue:
        queue.execute("UPDATE workflow_input SET inputs = ? WHERE workflow_uuid = ?", [damage, bad])
    assert {job.id for job in client.jobs()} == {bad, good}
    assert "damaged" in client.job(bad).title
    client.submit(planted(seed=3))
    assert client.cancel(bad).state == "cancelled"


def test_a_log_is_followed_in_whole_lines(client: Client) -> None:
    file = client.layout.logs / "some-job.log"
    assert client.log_from("some-job", 0) == ("", 0)
    file.write_bytes("one\ntwö".encode())
    text, place = client.log_from("some-job", 0)
    assert (text, place) == ("one\n", 4)
    with file.open("ab") as log:
        log.write(b"\nthree\n")
    assert client.log_from("some-job", place)[0] == "twö\nthree\n"


def test_results_are_found_by_what_is_published(client: Client, write_run: Callable[..., Path]) -> None:
    asked, full = (
        client.submit(planted()),
        client.submit(
            parse("full", planted().model_dump(exclude={"control", "second_segmenter", "reference"}))
        ),
    )
    assert client.results(client.job(str(asked.job_id))) is None
    write_run(str(asked.run_id), into=client.layout)
    for one in (asked, full):  # a full dissection leads to its dissection
        assert client.results(client.job(str(one.job_id))) == ("dissect", asked.run_id)


def test_a_gpu_that_is_not_there_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "driver", lambda: False)
    for ask in (client.submit, lambda request: client.schedule("nightly", request, "0 2 * * *")):
        with pytest.raises(GanatomyError, match="asks for a GPU, and this machine shows none"):
            ask(planted(device="cuda"))
    workers.FileLeases(client.layout).announce(f"{workers.host()}/0", ("cpu-0",))
    with pytest.raises(GanatomyError, match="the workers here have cpu-0 only"):
        client.submit(planted(device="cuda"))
    workers.FileLeases(client.layout).announce(f"{workers.host()}/1", ("cuda-0",))
    assert client.submit(planted(device="cuda")).job_id


def test_what_ended_long_ago_is_swept(client: Client) -> None:
    kept, ended = (str(client.submit(planted(seed=seed)).job_id) for seed in (1, 2))
    client.cancel(ended)
    for job in (kept, ended):
        live.write(live.path(client.layout, job, "progress"), {"done": 1})
    live.write(client.layout.live / "worker-a.b-0.json", {"pid": 0, "born": 0})
    live.write(client.layout.live / "watch-run1.json", {"refused": 1})
    for file in client.layout.live.glob("*.json"):
        os.utime(file, (0, 0))
    Maintenance(client, "nobody/0", workers.FileLeases(client.layout)).clean_up()
    left = {file.name for file in client.layout.live.glob("*.json")}
    assert left == {f"{kept}.progress.json", "watch-run1.json"}


def test_owners_take_turns_and_priorities_are_kept(client: Client) -> None:
    for seed in range(4):
        client.submit(planted(seed=seed, owner="ada"))
    bob = client.submit(planted(seed=9, owner="bob")).job_id
    urgent = client.submit(planted(seed=10, owner="ada"), When(priority=1)).job_id
    ids = [job.id for job in client.active()]
    assert ids.index(str(urgent)) == 0
    assert ids.index(str(bob)) == 2


def test_a_submission_parses_no_other_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand queued jobs, parsing them made a submission a tenth of a second longer."""
    first = client.submit(planted(seed=1, owner="ada"))
    monkeypatch.setattr(client.queue, "list_workflows", lambda **_: pytest.fail("requests were read"))
    assert client.submit(planted(seed=1, owner="bob")).job_id == first.job_id
    client.submit(planted(seed=2, owner="ada"))
    assert [(job.owner, job.running) for job in client.active()] == [("ada", False)] * 2


def test_models_are_plain_values(client: Client) -> None:
    found = {model["name"]: model for model in client.models()}
    assert found["faces"]["fetched"] is False
    assert [layer["name"] for layer in found["faces"]["layers"]] == ["layer1", "layer2", "layer3", "layer4"]
    assert {model["role"] for model in client.models("segmenter")} == {"segmenter"}


def test_the_client_needs_no_torch(tmp_path: Path) -> None:
    program = "import sys, jobs.queue.client, jobs.cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", program], check=False).returncode == 0


def test_a_log_is_cut_at_its_tail(client: Client) -> None:
    job_id = str(client.submit(planted()).job_id)
    assert client.log(job_id) == ""
    (client.layout.logs / f"{job_id}.log").write_text("a" * 100 + "end")
    assert client.log(job_id, tail=3) == "end"
    with pytest.raises(GanatomyError):
        client.log("../workspace")


def test_a_store_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    from db.errors import StoreError

    with pytest.raises(StoreError, match="cannot be made"):
        Client.at(tmp_path / "file" / "store")


def test_a_locked_queue_says_so_within_three_seconds(client: Client) -> None:
    client.submit(planted())
    began = time.monotonic()
    with closing(sqlite3.connect(client.layout.queue, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GanatomyError, match="Another program has been writing to the queue"):
            client.submit(planted(seed=2))
        assert time.monotonic() - began < 3.5
        other.execute("ROLLBACK")
    assert client.submit(planted(seed=2)).already is False


def test_a_large_log_is_read_in_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "LOG_PART", 10)
    (client.layout.logs / "job.log").write_text("one\ntwo\n" + "x" * 25 + "\nhalf")
    position, parts = 0, []
    while (found := client.log_from("job", position))[0]:
        parts.append(found[0])
        position = found[1]
    assert "".join(parts) == "one\ntwo\n" + "x" * 25 + "\n"
    assert max(map(len, parts)) == 10


@pytest.mark.parametrize(
    "name", ["a?b", "a?mode=ro", "a%41b", "100%", "a#b", "a b", "ü 空", "a&uri=false", "a'b\"c", "a:b@c"]
)
def test_a_store_may_have_any_name(tmp_path: Path, name: str) -> None:
    client = Client.at(tmp_path / name)
    workspace.open(client.layout).add("note", "ada", run_id="r", text="hair")
    job = client.submit(planted()).job_id
    assert [each.id for each in Client.at(tmp_path / name).jobs()] == [job]
    assert database.ready(client.layout.queue)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert stat.S_IMODE(client.layout.queue.stat().st_mode) == 0o600
    assert client.layout.workspace.exists()
    other = Client.at(tmp_path / f"{name}2")  # shares nothing with the first
    assert other.jobs() == []
    assert workspace.open(other.layout).rows("note").empty


def test_a_job_that_runs_is_listed_and_counted_behind_newer_ones(client: Client) -> None:
    first = str(client.submit(planted()).job_id)
    executor = f"{workers.host()}/0"
    workers.FileLeases(client.layout).announce(executor, ("cpu-0",))
    with closing(sqlite3.connect(client.layout.queue)) as queue, queue:
        names = [row[1] for row in queue.execute("PRAGMA table_info(workflow_status)")]
        values = [
            {
                "workflow_uuid": "'newer-' || n",
                "deduplication_id": "'run-' || n",
                "created_at": "created_at + n",
            }.get(name, name)
            for name in names
        ]
        queue.execute(
            "WITH numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 250) "
            f"INSERT INTO workflow_status ({', '.join(names)}) "
            f"SELECT {', '.join(values)} FROM workflow_status, numbers"
        )
        queue.execute(
            "UPDATE workflow_status SET status = 'PENDING', executor_id = ? WHERE workflow_uuid = ?",
            [executor, first],
        )
    listed = client.jobs()
    assert len(listed) == 201
    assert (listed[-1].id, listed[-1].state) == (first, "running")
    assert [job.id for job in client.running()] == [first]
    assert (client.counts()["running"], client.counts()["queued"]) == (1, 250)
    found = {metric.name: metric for metric in metrics.JobCollector(client).collect()}
    states, speed = found["ganatomy_jobs"], found["ganatomy_images_per_second"]
    memory = found["ganatomy_memory_bytes"]
    assert {sample.labels["state"]: sample.value for sample in states.samples}["queued"] == 250
    assert [sample.labels["job"] for family in (speed, memory) for sample in family.samples] == [first] * 2
    workers.FileLeases(client.layout).file(executor).unlink()
    assert (client.counts()["running"], client.counts()["queued"]) == (0, 251)


def test_a_full_disk_of_the_queue_is_a_sentence(client: Client) -> None:
    job = client.submit(planted(seed=1)).job_id
    with closing(sqlite3.connect(client.layout.queue)) as queue:
        pages = queue.execute("PRAGMA page_count").fetchone()[0]

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite then says what it says of a full disk

    sa.event.listen(client.queue._sys_db.engine, "checkout", limit)
    with pytest.raises(GanatomyError, match="The disk is full, so the queue"):  # noqa: PT012
        for seed in range(2, 200):
            client.submit(planted(seed=seed))
    assert client.job(str(job)).state == "queued"
