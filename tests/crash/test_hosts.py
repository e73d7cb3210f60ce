"""Workers on hosts that share a queue on a Postgres server, and nothing else: each has a store of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server
import sqlalchemy as sa
import torch
from children import until
from counts_alike import same_counts
from example_checkpoints import EXAMPLES
from harness import Arena
from postgres import Postgres

from analysis import dissect
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, removal
from jobs.kinds.dissection import DissectionRequest
from jobs.kinds.requests import parse
from jobs.queue import attempts, database, reports, results, server, workers
from jobs.queue.records import LEASE_S, Submission

pytestmark = pytest.mark.slow
LITTLE = {  # causes of the planted disc, on few images
    "generator": "planted",
    "layer": "layer1",
    "concept": "disc",
    **{"seeds": 2, "steps": 4, "images": 4, "random_sets": 1},
    **{"training": 48, "choosing": 8, "single_images": 3, "random_images": 2},
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if shutil.which("initdb") is None and "CI" not in os.environ:
        pytest.skip("Debian's package postgresql is not installed")
    made = Postgres()
    yield made
    made.close()


@pytest.fixture
def hosts(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Arena, Arena]]:
    """Two hosts, ada and bob, with nothing running on them."""
    monkeypatch.setenv("GANATOMY_QUEUE", postgres.address())
    ada, bob = (Arena(tmp_path / name) for name in ("ada", "bob"))
    yield ada, bob
    for host in (ada, bob):
        for worker in host.started:
            worker.send_signal(signal.SIGCONT)
        host.close()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that all hosts have mounted, for their results."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv("GANATOMY_RESULTS", str(folder))
    return folder


def sums(hosts: tuple[Arena, Arena], asked: Submission) -> list[int | None]:
    """The sums that this host and that have of a job."""
    return [host.sum(asked) for host in hosts]


def runs_on(hosts: tuple[Arena, Arena], asked: Submission, name: str, done: int = 2) -> None:
    def counting() -> bool:
        job = hosts[0].client.job(str(asked.job_id))
        return (job.worker or "").startswith(f"{name}/") and job.done >= done

    until(counting, 90, f"the job on {name}")


def test_two_hosts_share_the_jobs_and_everybody_sees_both(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    for host, name in ((ada, "ada"), (bob, "bob")):
        host.start(GANATOMY_HOST=name)
    asked = [ada.ask(shards=60, seconds=0.1, number=number) for number in range(2)]
    both = lambda: {str(job.worker).partition("/")[0] for job in bob.client.running() if job.done}  # noqa: E731
    until(lambda: both() == {"ada", "bob"}, 60, "one job on each host")
    assert {worker.host for worker in ada.client.workers()} == {"ada", "bob"}
    assert [ada.ended(one).state for one in asked] == ["done", "done"]
    for one in asked:
        assert sorted(sums(hosts, one), key=str) == [sum(range(60)), None]
        assert "done" in ada.client.log(str(one.job_id)) == bob.client.log(str(one.job_id))
        text, position = bob.client.log_from(str(one.job_id), 0)
        assert "start" in text
        assert bob.client.log_from(str(one.job_id), position) == ("", position)
        assert bob.client.job(str(one.job_id)).done == 60


def test_the_job_of_a_killed_host_goes_on_elsewhere(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    killed = ada.start(GANATOMY_HOST="ada")
    asked = ada.ask(shards=60, seconds=0.1)
    runs_on(hosts, asked, "ada")
    killed.kill()
    bob.start(GANATOMY_HOST="bob")
    runs_on(hosts, asked, "bob")
    assert bob.ended(asked).state == "done"
    assert sums(hosts, asked) == [None, sum(range(60))]


def test_a_dissection_of_a_killed_host_has_the_counts_of_one_process(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    killed = ada.start(GANATOMY_HOST="ada")
    request = DissectionRequest(generator="planted", images=3000, calibration=640, seed=21)
    asked = ada.client.submit(request)
    runs_on(hosts, asked, "ada", done=64)
    killed.kill()
    bob.start(GANATOMY_HOST="bob")
    assert bob.ended(asked, 200).state == "done"
    published = bundles.latest(bob.client.layout, str(asked.run_id))
    token = json.loads(published.file("attempt.json"))
    assert (token["job"], token["attempt"], token["worker"][:4]) == (asked.job_id, 2, "bob/")
    models = (generators.load("planted", None), segmenters.load("planted", None))
    direct = dissect(*models, images=3000, calibration=640, seed=21)
    same_counts(published, direct, but=["images"])


def test_a_stopped_host_is_replaced_and_may_not_publish(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    stopped = ada.start(GANATOMY_HOST="ada")
    asked = ada.ask(shards=70, seconds=0.4)
    process = None

    def counting() -> bool:
        nonlocal process
        process = ada.pid(str(asked.job_id))
        return bool(process) and ada.client.job(str(asked.job_id)).done >= 2

    until(counting, 90, "counting")
    for pid in (stopped.pid, process):
        os.kill(int(pid or 0), signal.SIGSTOP)
    bob.start(GANATOMY_HOST="bob")
    runs_on(hosts, asked, "bob", done=1)
    # Its worker sleeps on, so only the number of its attempt keeps it from publishing.
    os.kill(int(process or 0), signal.SIGCONT)
    assert bob.ended(asked, 120).state == "done"
    time.sleep(3)
    assert sums(hosts, asked) == [None, sum(range(70))]
    assert "taken job" in (ada.root / "logs" / f"{asked.job_id}.log").read_text()
    stopped.send_signal(signal.SIGCONT)
    again = [ada.ask(shards=20, seconds=0.1, number=number) for number in (1, 2)]
    assert [ada.ended(one).state for one in again] == ["done", "done"]  # and it works on
    assert ada.client.job(str(asked.job_id)).state == "done"
    with pytest.raises(attempts.SupersededError, match="Another worker has taken job"):
        attempts.begin(str(asked.job_id), "ada/none")


def test_a_host_that_comes_back_under_another_name_blocks_nothing(hosts: tuple[Arena, Arena]) -> None:
    ada, _bob = hosts
    asked = ada.ask(shards=40, seconds=0.1)
    worker = ada.start(GANATOMY_HOST="3f2a9c1b7d10")
    runs_on(hosts, asked, "3f2a9c1b7d10")
    worker.terminate()
    assert worker.wait(10) == 0
    began = time.monotonic()
    ada.start(GANATOMY_HOST="77aa01b2c3d4")
    assert ada.ended(asked).state == "done"
    assert time.monotonic() - began < LEASE_S  # it was handed back, so nobody waited for a lease
    assert ada.counted(asked) == list(range(40))


def test_the_server_may_be_restarted_while_jobs_run(hosts: tuple[Arena, Arena], postgres: Postgres) -> None:
    ada, bob = hosts
    ada.start(GANATOMY_HOST="ada")
    bob.start(GANATOMY_HOST="bob")
    asked = [ada.ask(shards=80, seconds=0.1, number=number) for number in range(3)]
    until(lambda: any(job.done >= 2 for job in ada.client.running()), 60, "counting")
    postgres.stop()
    with pytest.raises(GanatomyError, match=r"The queue's server 127\.0\.0\.1:\d+/test\d+ cannot be used"):
        workers.alive(ada.client.layout)
    time.sleep(LEASE_S + 5)  # every lease is old by then, and yet nobody is dead
    postgres.start()
    assert [(ada.ended(one, 150).state, ada.ended(one).error) for one in asked] == [("done", None)] * 3
    for one in asked:
        assert sorted(sums(hosts, one), key=str) == [sum(range(80)), None]
        [counted] = [host.counted(one) for host in hosts if host.sum(one) is not None]
        assert counted == list(range(80))
    with server.transaction() as connection:
        numbers = connection.execute(sa.select(server.attempt.c.number)).scalars().all()
    assert numbers == [1, 1, 1]  # none was begun anew


def test_a_cancelled_job_ends_on_the_other_host_and_a_retry_may_go_to_any(hosts: tuple[Arena, Arena]) -> None:
    ada, bob = hosts
    bob.start(GANATOMY_HOST="bob")
    asked = ada.ask(shards=300, seconds=0.1)
    runs_on(hosts, asked, "bob")
    process = bob.pid(str(asked.job_id))
    ada.client.cancel(str(asked.job_id))
    until(lambda: not bob.job_processes(), 10, f"the end of process {process}")
    assert ada.client.job(str(asked.job_id)).state == "cancelled"
    ada.client.retry(str(asked.job_id))
    runs_on(hosts, asked, "bob", done=1)
    ada.client.cancel(str(asked.job_id))


def test_what_a_store_without_a_server_says(
    hosts: tuple[Arena, Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _bob = hosts
    ada.ask(shards=1)
    with server.transaction() as connection:
        assert connection.execute(server.sa.select(server.worker)).all() == []
    assert database.queue_name("cuda") == database.GPU_JOBS
    assert ada.client.schedules() == []
    assert ada.client.oldest_queued() is not None
    assert [job.run_id for job in ada.client.active()] == [ada.client.jobs()[0].run_id]
    reports.clean_up()
    monkeypatch.setenv("GANATOMY_QUEUE", "postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(GanatomyError, match=r"127\.0\.0\.1:1/none cannot be used") as refused:
        workers.alive(ada.client.layout)
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("GANATOMY_QUEUE", "mysql://host/name")
    with pytest.raises(GanatomyError, match="not the address of a Postgres database"):
        database.exists(ada.client.layout)
    monkeypatch.delenv("GANATOMY_QUEUE")
    assert database.queue_name("cuda") == database.JOBS


def test_results_of_one_host_are_on_the_other(
    hosts: tuple[Arena, Arena], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("s3fs", reason="pip install -e '.[dev]' brings s3fs and moto")
    ada, bob = hosts
    with s3_server.running():
        s3_server.files().mkdir("team")
        monkeypatch.setenv("GANATOMY_RESULTS", "s3://team/results")
        first = ada.start(GANATOMY_HOST="ada")
        request = DissectionRequest(generator="planted", images=128, calibration=64)
        asked = ada.client.submit(request)
        run = str(asked.run_id)
        assert ada.ended(asked, 120).state == "done"
        first.terminate()
        assert first.wait(10) == 0
        assert bob.client.submit(request).message == f"Already there: run {run}."
        assert list(store.open(bob.client.layout).read(sa.text("SELECT state FROM run")).state) == ["final"]
        # A study of the run goes to another host, which has its parent by then.
        bob.start(GANATOMY_HOST="bob", GANATOMY_SLOT_MEMORY_GB="4")
        study = ada.client.submit(parse("ace", LITTLE | {"parent": run}))
        ended = ada.ended(study, 200)
        assert (ended.state, ended.error) == ("done", None)
        assert results.collect(ada.client.layout) == [study.run_id]
        assert results.collect(ada.client.layout) == []
        # A provisional bundle never takes the place of a final one, whatever its number.
        for _ in range(3):
            late = dict(bundles.latest(ada.client.layout, run).run, state="provisional", revision=None)
            bundles.write(ada.client.layout, late, {}, {})
        results.count(ada.client.layout, run, results.upload(ada.client.layout, run), final=False)
        assert results.collect(bob.client.layout) == []
        # Only the bundle that counts stays in the object store.
        assert len(s3_server.files().glob(f"team/results/{run}/*/manifest.json")) == 1
        # What was removed here stays away; a damaged object is named, and costs the others nothing.
        removal.delete(bob.client.layout, run)
        assert results.collect(bob.client.layout) == []
        fresh = Layout.create(tmp_path / "fresh")
        for parquet in s3_server.files().glob(f"team/results/{run}/*/tables/unit.parquet"):
            s3_server.files().pipe(parquet, b"")
        with pytest.raises(StoreError, match=run):
            results.collect(fresh)
        assert bundles.run_ids(fresh) == [study.run_id]


def test_a_model_that_was_added_on_one_host_is_dissected_on_another(
    hosts: tuple[Arena, Arena], shared: Path, tmp_path: Path
) -> None:
    ada, bob = hosts
    file = tmp_path / "tiny.pt"
    torch.save(state := EXAMPLES["dcgan/tutorial"](), file)
    generators.add("mine", None, file, ada.client.layout.models, default_segmenter="scene-colours")
    bob.start(GANATOMY_HOST="bob", GANATOMY_SLOT_MEMORY_GB="4")
    asked = ada.client.submit(DissectionRequest(generator="mine", images=32, calibration=32))
    ended = ada.ended(asked, 150)
    assert (ended.state, ended.error) == ("done", None)
    assert "mine" in generators.names(bob.client.layout.models)
    assert results.collect(ada.client.layout) == [asked.run_id]
    # Another checkpoint of that name on the other host: it must not make this run.
    generators.remove("mine", ada.client.layout.models)
    changed = {name: value * 1.5 if value.is_floating_point() else value for name, value in state.items()}
    torch.save(changed, file)
    generators.add("mine", None, file, ada.client.layout.models, default_segmenter="scene-colours")
    other = ada.client.submit(DissectionRequest(generator="mine", images=32, calibration=32))
    assert other.run_id != asked.run_id
    assert "other weights than where it was queued" in str(ada.ended(other, 150).error)


def test_a_job_that_moves_goes_on_from_what_was_saved(hosts: tuple[Arena, Arena], shared: Path) -> None:
    ada, bob = hosts
    killed = ada.start(GANATOMY_HOST="ada", GANATOMY_COPY_SECONDS="0.2")
    asked = ada.ask(shards=60, seconds=0.2)
    copies = shared / "saves" / str(asked.run_id)
    until(lambda: len([*copies.glob("1/*.json")]) > 10, 90, "copies of ada's shards")
    killed.kill()
    killed.wait()
    (copies / "1" / "counted.log").write_text("1000\n")  # what bob counts himself comes after it
    bob.start(GANATOMY_HOST="bob", GANATOMY_COPY_SECONDS="0.2")
    assert bob.ended(asked, 150).state == "done"
    assert sums(hosts, asked) == [None, sum(range(60))]
    counted = bob.counted(asked)
    assert counted[0] == 1000
    assert 0 not in counted  # else bob would have begun anew
    log = (bob.root / "logs" / "worker.log").read_text()
    assert "goes on from the saves of another host" in log
    assert not [*copies.glob("*/*")]  # done, so nobody needs them
