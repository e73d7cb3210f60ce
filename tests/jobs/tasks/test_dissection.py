"""A dissection as a job: what it publishes is what `analysis.dissect` gives, also after a kill."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from children import until, worker

from analysis import dissect
from analysis.counting.counts import Counts
from analysis.dissection.pictures import Pictures
from analysis.models import generators, segmenters
from analysis.models.controls import random_twin
from db import store
from db.queries import runs
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.queue.records import Job
from jobs.system import live
from jobs.tasks import dissection, process, saved_counts, task
from jobs.tasks.progress import Progress

NOW = "2026-01-01T00:00:00"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A store with a worker."""
    client = Client.at(tmp_path_factory.mktemp("dissecting") / "store")
    with worker(client.layout.root):
        yield client


def ended(client: Client, job_id: str | None, seconds: float = 200) -> Job:
    until(lambda: client.job(str(job_id)).ended, seconds, f"the end of {job_id}")
    return client.job(str(job_id))


def planted(**values: object) -> DissectionRequest:
    return DissectionRequest.model_validate(
        {"generator": "planted", "images": 150, "calibration": 100, **values}
    )


@pytest.mark.parametrize("control", ["rotation", pytest.param("random-weights", marks=pytest.mark.slow)])
def test_a_control_is_a_run_of_its_own_under_its_own_name(client: Client, control: str) -> None:
    submission = client.submit(planted(seed=7, images=64, calibration=64, control=control))
    assert ended(client, submission.job_id).state == "done"
    run = bundles.latest(client.layout, submission.run_id)
    generator, segmenter = generators.load("planted", None), segmenters.load("planted", None)
    used = random_twin(generator) if control == "random-weights" else generator
    plain = dissect(used, segmenter, images=64, calibration=64, seed=7).frame()
    assert run.run["generator"] != "planted"
    same = np.array_equal(run.table("unit_concept").iou, plain.iou, equal_nan=True)
    assert same == (control == "random-weights")


def test_a_job_publishes_what_dissect_gives(client: Client) -> None:
    submission = client.submit(planted(seed=7, owner="ada", project="tests"))
    job = ended(client, submission.job_id)
    assert (job.state, job.error, job.done, job.total, job.published) == ("done", None, 250, 250, 2)
    direct = dissect(
        generators.load("planted", None),
        segmenters.load("planted", None),
        images=150,
        calibration=100,
        seed=7,
    ).frame()
    snapshot = store.open(client.layout)
    row = runs.runs(snapshot).iloc[0]
    assert (row.run_id, row.state, row.revision) == (submission.run_id, "final", 2)
    assert (row.images, row.calibration, row.seed, row.owner, row.project) == (150, 100, 7, "ada", "tests")
    assert json.loads(row.settings)["generator"] == "planted"
    assert json.loads(row.versions)["torch"]
    assert row.duration_s > 0
    assert len(row.generator_sha256) == len(row.segmenter_sha256) == 64
    published = bundles.latest(client.layout, submission.run_id).table("unit_concept")
    keys = ["layer", "unit", "concept"]
    both = published.merge(direct, on=keys, suffixes=("", "_direct"))
    assert len(both) == len(direct)
    assert np.array_equal(both.iou, both.iou_direct, equal_nan=True)
    assert not (client.layout.work / submission.run_id).exists()


def test_what_is_there_is_not_done_again(client: Client) -> None:
    first = client.submit(planted(images=64, calibration=64, seed=8))
    assert ended(client, first.job_id).state == "done"
    again = client.submit(planted(images=64, calibration=64, seed=8, owner="bob"))
    assert (again.job_id, again.run_id, again.already) == (None, first.run_id, True)


@pytest.mark.slow
def test_another_layer_needs_no_segmenting(client: Client) -> None:
    first = client.submit(planted(images=64, calibration=64, seed=9, layers=["layer1"]))
    ended(client, first.job_id)
    kept = {file: file.stat().st_mtime_ns for file in client.layout.labels.rglob("*.npz")}
    second = client.submit(planted(images=64, calibration=64, seed=9, layers=["layer2"]))
    assert second.run_id != first.run_id
    assert ended(client, second.job_id).state == "done"
    assert {file: file.stat().st_mtime_ns for file in client.layout.labels.rglob("*.npz")} == kept


@pytest.mark.slow
def test_a_killed_dissection_ends_with_the_same_numbers(client: Client) -> None:
    asked = planted(images=1500, calibration=640, seed=10)
    submission = client.submit(asked)
    watch = live.path(client.layout, str(submission.job_id), "watch")
    for part in ("calibration", "evaluation"):
        # Its second save: the first evaluation is the first look's.
        while len(list((client.layout.work / submission.run_id).glob(f"{part}-*.npz"))) < 2:
            assert not client.job(str(submission.job_id)).ended
            time.sleep(0.01)
        os.kill(live.read(watch)["pid"], 9)
    assert ended(client, submission.job_id).state == "done"
    direct = dissect(
        generators.load("planted", None),
        segmenters.load("planted", None),
        images=1500,
        calibration=640,
        seed=10,
    )
    counted = bundles.latest(client.layout, submission.run_id).array("counts-layer2")
    for name, array in direct.arrays()["counts-layer2"].items():
        assert np.array_equal(counted[name], array, equal_nan=array.dtype.kind == "f"), name


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_files_of_an_earlier_attempt_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """The last save of each part, the edges, label maps and the stop watch are damaged after a kill."""
    layout = Client.at(tmp_path / "store").layout
    request = planted(images=448, calibration=256, seed=12, segmenter="planted", layers=["layer1"])
    values = request.model_dump(mode="json")
    root = str(layout.root)
    spec = process.Spec(root, "job", "planted-1", "dissect", values, "cpu", "cpu-0", 1, NOW)
    publish = dissection.DissectionTask.publish

    def dies(work: dissection.DissectionTask, counts: Counts, state: str) -> None:
        if state == "final":
            raise KilledError

    monkeypatch.setattr(dissection.DissectionTask, "publish", dies)
    monkeypatch.setattr(saved_counts, "CHEAP", 0)
    monkeypatch.setattr(saved_counts, "DEAR", 0)  # every block is saved
    with pytest.raises(KilledError):
        task.work(dissection.DissectionTask, spec, Progress(layout, "job"))
    folder = layout.work / "planted-1"
    saves = {file: file.name.rsplit("-", 2)[0] for file in sorted(folder.glob("*-*-*-*.npz"))}
    last = {part: file for file, part in saves.items()}
    assert sorted(file.name[-13:-4] for file in saves) == sorted(
        f"{stop:09d}"
        for stop in (192, 256, 320, 640, 704)  # the first look has thresholds of its own
    )
    maps = sorted(layout.labels.rglob("*.npz"))
    for file in [*last.values(), *maps[::3], folder / "edges.npz", folder / "time.json"]:
        content = file.read_bytes()
        half = len(content) // 2
        flipped = content[:half] + bytes([content[half] ^ 16]) + content[half + 1 :]
        file.write_bytes({"cut": content[:half], "flip": flipped, "empty": b""}[damage])
    monkeypatch.setattr(dissection.DissectionTask, "publish", publish)
    task.work(dissection.DissectionTask, spec, Progress(layout, "job"))
    run = bundles.latest(layout, "planted-1")
    models = generators.load("planted", None), segmenters.load("planted", None)
    direct = dissect(*models, layers=["layer1"], images=448, calibration=256, seed=12)
    counts = run.array("counts-layer1")
    for name, array in direct.arrays()["counts-layer1"].items():
        assert np.array_equal(counts[name], array, equal_nan=array.dtype.kind == "f"), name
    found, expected = run.table("unit_concept").iou, direct.frame().iou
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("published", [True, False])
def test_saved_counts_are_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: bool) -> None:
    layout = Client.at(tmp_path / "store").layout
    request = planted(images=448, calibration=256, seed=11, segmenter="planted", layers=["layer1"])
    spec = process.Spec(
        str(layout.root),
        "job",
        "planted-1",
        "dissect",
        request.model_dump(mode="json"),
        "cpu",
        "cpu-0",
        1,
        NOW,
    )
    monkeypatch.setattr(dissection, "PAUSE", 0.0)
    monkeypatch.setattr(saved_counts, "CHEAP", 0)
    monkeypatch.setattr(saved_counts, "DEAR", 0)  # every block is saved
    publish = dissection.DissectionTask.publish

    def dies(work: dissection.DissectionTask, counts: Counts, state: str) -> None:
        if counts.images > 256:
            raise KilledError
        if published:
            publish(work, counts, state)
        else:
            work.published = (0.0, counts.images)

    monkeypatch.setattr(dissection.DissectionTask, "publish", dies)
    with pytest.raises(KilledError):
        task.work(dissection.DissectionTask, spec, Progress(layout, "job"))
    monkeypatch.setattr(dissection.DissectionTask, "publish", publish)
    counted_now = []
    count_blocks = dissection.count_blocks

    def noted(*arguments: object) -> Iterator[tuple[tuple[int, int], Counts]]:
        for block, counts in count_blocks(*arguments):  # type: ignore[arg-type]
            counted_now.append(block)
            yield block, counts

    monkeypatch.setattr(dissection, "count_blocks", noted)
    task.work(dissection.DissectionTask, spec, Progress(layout, "job"))
    assert set(counted_now) <= {(256, 320), (576, 640), (640, 704)}  # what was saved is not counted again
    run = bundles.latest(layout, "planted-1")
    pictures = Pictures(run.array("images"))
    assert set(pictures) == set(run.table("unit_image").latent)
    direct = dissect(
        generators.load("planted", None),
        segmenters.load("planted", None),
        layers=["layer1"],
        images=448,
        calibration=256,
        seed=11,
    )
    counted = run.array("counts-layer1")
    for name, array in direct.arrays()["counts-layer1"].items():
        assert np.array_equal(counted[name], array, equal_nan=array.dtype.kind == "f"), name
