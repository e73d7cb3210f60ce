"""Insertions and artifact units as jobs: what is refused, where units come from, what a kill leaves."""

import contextlib
import json
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from children import until, worker

from analysis.context.context import insertion_context
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from analysis.shared.number_lists import numbers
from db import store
from db.layout import Layout
from db.queries import artifacts as artifact_rows
from db.queries import context as context_rows
from db.store import bundles
from jobs.kinds.artifacts import ArtifactsRequest
from jobs.kinds.context import ContextRequest
from jobs.kinds.requests import parse
from jobs.queue.client import Client
from jobs.system import live

PLANTED = {"generator": "planted", "segmenter": "planted", "seed": 1, "state": "final", "images": 64}
SMALL = {"images": 64, "measuring": 32, "traced": 8, "strengths": ["k"]}


def context(**values: object) -> ContextRequest:
    return ContextRequest.model_validate(
        {"generator": "planted", "layer": "layer1", "concept": "disc", **values}
    )


def artifacts(**values: object) -> ArtifactsRequest:
    return ArtifactsRequest.model_validate({"generator": "planted", "layer": "layer1", **values})


@pytest.fixture
def dissected(layout: Layout) -> Layout:
    """A store with a dissection of `planted`, its numbers left out."""
    tables = {
        "layer": pd.DataFrame({"layer": ["layer1"], "units": [36], "height": [8], "width": [8]}),
        "concept": pd.DataFrame({"concept": ["disc", "bar"], "label": [1, 2]}),
    }
    row = {**PLANTED, "run_id": "parent", "kind": "dissection", "started_at": "2026-01-01"}
    bundles.write(layout, row, tables)
    store.publish(layout)
    return layout


def learned(layout: Layout, run_id: str, started: str, kind: str = "mean") -> None:
    """Publish a causes run that ranks units 7, 3, 9 for disc, with a set of two."""
    about = {"layer": "layer1", "concept": "disc"}
    tables = {
        "ace_unit": pd.DataFrame(
            {**about, "unit": [3, 7, 9], "rank": [2, 1, 3], "insert_value": [3.0, 7.5, 9.0]}
        ),
        "ace_summary": pd.DataFrame([{**about, "segmenter": "planted", "top_units": 2, "insert_kind": kind}]),
    }
    row = {**PLANTED, "run_id": run_id, "kind": "causes", "started_at": started, "parent_run_id": "parent"}
    bundles.write(layout, row, tables)
    store.publish(layout)


@pytest.mark.parametrize(
    ("kind", "values", "word"),
    [
        ("context", {"units": "4;rm"}, "units"),
        ("context", {"units": "4,-7"}, "units"),
        ("context", {"strengths": "k,3k"}, "strengths"),
        ("context", {"patch": 2}, "patch"),
        ("context", {"images": 1}, "images"),
        ("artifacts", {"reference": "folder:../../etc"}, "reference"),
        ("artifacts", {"reference": "folder:/etc"}, "reference"),
        ("artifacts", {"reference": "https://x"}, "reference"),
        ("artifacts", {"marked": "all"}, "marked"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(kind: str, values: dict[str, object], word: str) -> None:
    needed = {"generator": "planted", "layer": "layer1"} | ({"concept": "disc"} if kind == "context" else {})
    with pytest.raises(GanatomyError, match=word) as caught:
        parse(kind, {**needed, **values})
    assert "\n" not in str(caught.value)


def test_units_are_listed_once_in_the_order_in_which_they_are_named() -> None:
    assert numbers(str(context(units=" 9, 4 ,17 - 19,4 ").units)) == [9, 4, 17, 18, 19]
    assert context(units=[4, 5]).units == "4,5"


@pytest.mark.parametrize(
    "request_",
    [
        context(seed=3, units="4,17", strengths=["k", "q99"], patch=1, every=2),
        artifacts(marked="1-3", reference="folder:mine", images=400),
    ],
)
def test_the_command_of_a_request_asks_for_the_same(request_: ContextRequest | ArtifactsRequest) -> None:
    words = shlex.split(request_.command())
    given = dict(zip(words[3::2], words[4::2], strict=True))
    values = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    plain = {name: int(value) if value.isdigit() else value for name, value in values.items()}
    assert parse(request_.kind.command, {"generator": words[2], **plain}) == request_


def test_units_come_from_the_newest_causes_run_that_fits(dissected: Layout) -> None:
    filled, without = context().resolve(dissected)
    assert (filled.parent, filled.causes) == ("parent", None)
    learned(dissected, "older", "2026-01-02")
    learned(dissected, "newer", "2026-01-03")
    filled, run = context().resolve(dissected)
    assert filled.causes == "newer"
    assert run != without  # other units: another run
    assert context(causes="older").resolve(dissected)[0].causes == "older"
    assert context(units="5").resolve(dissected)[0].causes is None
    with pytest.raises(GanatomyError, match="not both"):
        context(units="5", causes="older").resolve(dissected)
    with pytest.raises(GanatomyError, match="no finished causes of bar"):
        context(causes="older", concept="bar").resolve(dissected)
    rows = context_rows.causal_set(store.open(dissected), "newer")
    assert list(zip(rows["unit"], rows["insert_value"], strict=True)) == [(7, 7.5), (3, 3.0)]


def test_units_that_a_layer_has_not_are_refused(dissected: Layout) -> None:
    for request in (context(units="3,36"), artifacts(marked="36", reference="generator:planted")):
        with pytest.raises(GanatomyError, match=r"units 0 to 35; there is no unit 36"):
            request.resolve(dissected)


def test_a_reference_folder_is_one_of_the_store_and_its_pictures_decide_the_run(dissected: Layout) -> None:
    asked = artifacts(reference="folder:mine")
    with pytest.raises(GanatomyError, match="references/mine"):
        asked.resolve(dissected)
    folder = dissected.references / "mine"
    folder.mkdir(parents=True)
    for number in range(asked.settings.images - 1):
        (folder / f"{number}.png").write_bytes(b"12")
    with pytest.raises(GanatomyError, match=f"holds {asked.settings.images - 1} pictures"):
        asked.resolve(dissected)
    (folder / "a.png").write_bytes(b"12")
    first = asked.resolve(dissected)[1]
    assert asked.resolve(dissected)[1] == first
    (folder / "b.png").write_bytes(b"34")
    assert asked.resolve(dissected)[1] != first


@pytest.fixture
def worked(dissected: Layout) -> Iterator[Client]:
    """A store with a worker."""
    with worker(dissected.root):
        yield Client(dissected)


def killed(client: Client, job: str, kept: Path, pattern: str) -> dict[str, set[int]]:
    """Kill the heavy process once it has kept such a stage; when each such stage was written."""
    asked = time.monotonic()
    while not any(kept.glob(pattern)):  # what follows the stage may take a moment only
        if time.monotonic() - asked > 2:
            assert not client.job(job).ended, client.log(job)
            asked = time.monotonic()
        time.sleep(0.002)
    os.kill(int(live.read(live.path(client.layout, job, "watch"))["pid"]), signal.SIGKILL)
    return {file.name: {file.stat().st_mtime_ns} for file in kept.glob(pattern)}


def seen_to_the_end(client: Client, job: str, kept: Path, pattern: str) -> dict[str, set[int]]:
    """When each such stage was written, each time that it was, watched until the job has ended."""
    seen: dict[str, set[int]] = {}

    def ended() -> bool:
        for file in kept.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # a finished job takes its folder away
                seen.setdefault(file.name, set()).add(file.stat().st_mtime_ns)
        return client.job(job).ended

    until(ended, 900)
    return seen


@pytest.mark.slow
def test_an_insertion_that_was_killed_publishes_what_the_library_gives(worked: Client) -> None:
    learned(worked.layout, "newer", "2026-01-03")
    asked = context(**SMALL, owner="ada")
    submission = worked.submit(asked)
    job, work = str(submission.job_id), worked.layout.work / str(submission.run_id)
    before = killed(worked, job, work / "kept", "effects-0.npz")
    assert before == seen_to_the_end(worked, job, work / "kept", "effects-0.npz")  # once, before the kill
    assert worked.job(job).state == "done", worked.log(job)
    assert worked.submit(asked).already
    bundle = bundles.latest(worked.layout, str(submission.run_id))
    facts = bundle.run
    assert (facts["kind"], facts["parent_run_id"]) == ("context", "parent")
    assert json.loads(facts["settings"])["causes"] == "newer"
    models = generators.load("planted", None), segmenters.load("planted", None)
    plain = insertion_context(  # the causal set of the causes run, at its constants
        *models,
        layer="layer1",
        concept="disc",
        units=[7, 3],
        values=[7.5, 3.0],
        strengths=("k",),
        images=64,
        measuring=32,
        traced=8,
    )
    for name, table in plain.tables().items():
        there = bundle.table(name)[list(table.columns)]
        pd.testing.assert_frame_equal(there, table.reset_index(drop=True), check_dtype=False, rtol=1e-5)
    cells = bundle.array("cells")
    assert np.allclose(cells["effect"], plain.arrays()["cells"]["effect"], equal_nan=True)
    assert not work.exists()
    (row,) = context_rows.insertions(store.open(worked.layout)).to_dict("records")
    assert (row["run_id"], row["layer"], row["concept"], row["units"]) == (
        submission.run_id,
        "layer1",
        "disc",
        2,
    )


@pytest.mark.slow
def test_a_search_for_artifacts_that_was_killed_goes_on_from_its_stages(worked: Client) -> None:
    submission = worked.submit(
        artifacts(images=260, sets=2, reference="generator:planted", marked="4,5", features="segmenter")
    )
    job, work = str(submission.job_id), worked.layout.work / str(submission.run_id)
    before = killed(worked, job, work / "kept", "unit-falls-*.npz")
    seen = seen_to_the_end(worked, job, work / "kept", "unit-falls-*.npz")
    assert before
    assert {name: seen[name] for name in before} == before  # what was kept is not made again
    assert worked.job(job).state == "done", worked.log(job)
    snapshot = store.open(worked.layout)
    assert artifact_rows.rankings(snapshot, str(submission.run_id)) == ["images", "ablation", "hand"]
    assert list(artifact_rows.ranked(snapshot, str(submission.run_id), "hand")["unit"]) == [4, 5]
    (row,) = artifact_rows.searches(snapshot).to_dict("records")
    assert (row["reference"], row["scoring_images"], row["parent_run_id"]) == (
        "generator:planted",
        260,
        "parent",
    )
    effects = artifact_rows.effects(snapshot, str(submission.run_id))
    assert set(effects["metric"]) == {"FID_inf", "KID", "FID"}
    assert (effects[effects["ranking"] == "random"]["sets"] == 2).all()
