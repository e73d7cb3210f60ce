"""A store that Ganatomy 0.1.0 wrote, with a run of every kind, opens and shows the right things."""

from collections.abc import Callable

import pytest
from full_store import left

from db import store, workspace
from db.layout import Layout
from db.queries import artifacts, causes, compare, context, runs
from db.schema.naming_rule import NamingRule
from jobs.queue.client import Client

DISSECTION, SCENES = "planted-1839cfec24", "planted-scenes-b103786cbd"
KINDS = {
    DISSECTION: "dissection",
    SCENES: "dissection",
    "planted-scenes-59938705c0": "causes",
    "planted-scenes-71b1b2cf9a": "context",
    "planted-ca3edf35cd": "artifacts",
    "render-c5dd29ef68": "render",
}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return left(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def snapshot(old: Layout) -> store.Snapshot:
    return store.open(old)


def test_every_run_is_there_under_its_kind(snapshot: store.Snapshot) -> None:
    found = runs.runs(snapshot)
    assert dict(zip(found.run_id, found.kind, strict=True)) == KINDS


def test_it_can_be_rebuilt(old: Layout, snapshot: store.Snapshot) -> None:
    store.rebuild(old)
    assert set(runs.runs(store.open(old)).run_id) == set(KINDS)


def test_every_study_answers_the_questions_of_its_page(snapshot: store.Snapshot) -> None:
    assert not runs.units(snapshot, DISSECTION, "layer1", NamingRule()).empty
    assert not compare.dissections(snapshot).empty
    (run,) = causes.causes(snapshot).run_id
    assert not causes.rankings(snapshot, run).empty
    assert causes.summary(snapshot, run).concept.tolist() == ["door"]
    (run,) = context.insertions(snapshot).run_id.unique()
    assert not context.contexts(snapshot, run).empty
    (run,) = artifacts.searches(snapshot).run_id.unique()
    assert artifacts.rankings(snapshot, run) == ["images", "ablation"]


def test_pictures_and_counts_are_still_in_the_bundles(snapshot: store.Snapshot) -> None:
    bundle = snapshot.bundle(DISSECTION)
    bundle.verify()
    assert bundle.array("counts-layer1")["joint"].sum() > 0


def test_what_people_wrote_is_there(old: Layout) -> None:
    space = workspace.open(old)
    assert space.rows("note").text.tolist() == ["a disc"]
    assert space.rows("tag").tag.tolist() == ["first"]
    assert space.rows("saved_query").name.tolist() == ["best"]


def test_jobs_and_schedules_of_its_queue_are_listed(old: Layout) -> None:
    client = Client(old)
    jobs = {job.run_id: job for job in client.jobs()}
    assert {jobs[run].state for run in KINDS if run in jobs} == {"done"}
    (waiting,) = [job for job in jobs.values() if job.state == "queued"]
    assert waiting.title == "Dissect planted (layer1, layer2, 128 images)"
    assert waiting.command == (
        "ganatomy dissect planted --segmenter planted --seed 1 --layers layer1,layer2 "
        "--images 128 --calibration 500"
    )
    assert [schedule.name for schedule in client.schedules()] == ["nightly"]


def test_columns_hold_what_their_descriptions_say(
    old: Layout, column_faults: Callable[[Layout], list[str]]
) -> None:
    assert column_faults(old) == []
