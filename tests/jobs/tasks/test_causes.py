"""Requests that stand on a dissection, and causes as a job: what is refused, queued, chosen, published."""

import json
import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from children import until, worker

from analysis.causes.causes import ace
from analysis.causes.settings import CausesSettings
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from db.queries import causes
from db.store import bundles
from jobs.kinds.causes import CausesRequest
from jobs.kinds.full import FullRequest
from jobs.kinds.requests import parse
from jobs.queue.client import Client
from jobs.system import live
from jobs.tasks import full
from jobs.tasks.progress import Progress, Stages, StopWatch

TINY = {"seeds": 2, "steps": 4, "images": 4, "random_sets": 1}
FEW = {"training": 48, "choosing": 8, "single_images": 3, "random_images": 2}


def asked(**values: object) -> CausesRequest:
    return CausesRequest.model_validate(
        {"generator": "planted", "layer": "layer1", "concept": "disc", **values}
    )


def dissected(layout: Layout, run_id: str = "parent", **facts: object) -> None:
    """Publish a dissection of `planted` whose numbers are made up: unit u has IoU u / 100 with disc.

    All of them are high on it, but for unit 35, which is low and the best.
    """
    number = np.arange(36)
    pairs = {"unit": number.repeat(2), "concept": ["disc", "bar"] * 36, "mask_iou": 0.05}
    pairs["calibration_iou"] = np.stack([number / 100, np.full(36, 0.01)], 1).ravel()
    pairs["calibration_lift"] = (pairs["calibration_iou"] - 0.05) / 0.95
    pairs["side"] = np.where(number.repeat(2) == 35, "low", "high")
    tables = {
        "layer": pd.DataFrame({"layer": ["layer1"], "units": [36], "height": [8], "width": [8]}),
        "concept": pd.DataFrame({"concept": ["disc", "bar"], "label": [1, 2]}),
        "unit_concept": pd.DataFrame({"layer": "layer1", **pairs}),
    }
    run = {"run_id": run_id, "kind": "dissection", "state": "final", "generator": "planted"}
    run |= {"segmenter": "planted", "seed": 1, "images": 64, "started_at": "2026-01-01", **facts}
    bundles.write(layout, run, tables)
    store.publish(layout)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "generator"),
        ({"generator": "planted", "layer": "layer1"}, "concept"),
        ({"generator": "planted", "layer": "layer1", "concept": "a; rm -rf"}, "concept"),
        ({"generator": "planted", "layer": "layer1", "concept": "disc", "penalty": "cubed"}, "penalty"),
        ({"generator": "planted", "layer": "layer1", "concept": "disc", "parent": "../x"}, "parent"),
        ({"generator": "planted", "layer": "layer1", "concept": "disc", "seeds": 1}, "seeds"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(values: dict[str, object], word: str) -> None:
    with pytest.raises(GanatomyError, match=word) as caught:
        parse("ace", values)
    assert "\n" not in str(caught.value)


def test_the_command_of_a_request_asks_for_the_same() -> None:
    request = asked(concept="l brow", seed=3, top=5, insert="q99", penalty_weight=0.5, marked="4,1-2")
    words = shlex.split(request.command())
    given = dict(zip(words[3::2], words[4::2], strict=True))
    values = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    assert parse("ace", {"generator": words[2], **values}) == request


def test_the_newest_finished_dissection_of_the_same_models_and_layer_is_the_parent(layout: Layout) -> None:
    with pytest.raises(GanatomyError, match="run `ganatomy dissect planted --segmenter planted` first"):
        asked().resolve(layout)
    dissected(layout, "older")
    dissected(layout, "newer", started_at="2026-01-02")
    dissected(layout, "unfinished", started_at="2026-01-03", state="provisional")
    dissected(layout, "other", started_at="2026-01-04", generator="planted-rotated")
    filled, run = asked(layer="units1.1").resolve(layout)
    assert (filled.parent, filled.layer, filled.segmenter) == ("newer", "layer1", "planted")
    assert asked(parent="newer", owner="ada").resolve(layout)[1] == run
    assert asked(parent="older").resolve(layout)[1] != run
    with pytest.raises(GanatomyError, match="no finished dissection"):
        asked(parent="other").resolve(layout)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"layer": "layer9"}, "layer1 .*layer2"),
        ({"concept": "dsc"}, "disc, bar|bar, disc"),
        ({"marked": "4,36"}, "units 0 to 35; there is no unit 36"),
        (
            {"second_segmenter": "church-parts"},
            "church-parts knows no concept 'disc'; its concepts are .*tree",
        ),
    ],
)
def test_what_is_not_known_is_said_with_what_there_is(
    layout: Layout, values: dict[str, object], said: str
) -> None:
    dissected(layout)
    with pytest.raises(GanatomyError, match=said):
        asked(**values).resolve(layout)


def test_a_full_dissection_waits_for_the_dissection_and_is_recognised(layout: Layout) -> None:
    client = Client(layout)
    request = FullRequest(generator="planted", images=64, calibration=64, best=1)
    submission = client.submit(request)
    later, first = client.jobs()
    assert (first.kind, later.kind, later.id) == ("dissect", "full", submission.job_id)
    assert (first.state, later.state, later.stage) == ("queued", "waiting", f"after {first.id}")
    assert first.run_id == request.dissection().resolve(layout)[1]
    assert client.submit(request).job_id == submission.job_id
    assert len(client.jobs()) == 2


def test_what_follows_is_chosen_from_the_dissection(layout: Layout) -> None:
    dissected(layout)
    request = FullRequest(generator="planted", segmenter="planted", best=1, owner="ada")
    (one,) = full.causes_requests(request, "parent", layout)
    assert (one.layer, one.concept, one.parent, one.owner) == ("layer1", "disc", "parent", "ada")
    assert len(full.causes_requests(request.replace(best=9), "parent", layout)) == 2


def test_a_slow_segmenter_can_be_asked_for_little() -> None:
    little = asked(
        training=16, choosing=4, single_images=2, random_images=1, random_sets=5, images=8, steps=20
    )
    assert little.settings.training == 16
    assert little.size() < asked().size() / 3
    for name in FEW:
        assert getattr(asked().settings, name) == getattr(CausesSettings(), name)


def test_iou_comes_from_the_parent(layout: Layout) -> None:
    dissected(layout)
    found = causes.calibration_iou(store.open(layout), "parent", "layer1", "disc")
    assert np.allclose(found[:35], np.arange(35) / 100)
    assert found[35] == 0  # an insertion sets a unit high, and this one is low on the concept
    best = causes.best_pairs(store.open(layout), "parent", 9)
    assert best[["concept", "unit"]].to_numpy().tolist()[0] == ["disc", 34]
    assert best["above"][0] == pytest.approx(0.29 / 0.95)


def test_progress_never_falls_when_a_process_goes_on(layout: Layout, tmp_path: Path) -> None:
    file, watch = tmp_path / "stages.json", StopWatch(tmp_path / "time.json")
    first = Progress(layout, "one")
    stages = Stages(first, file, watch)
    for stage, done in (("a", 5), ("a", 10), ("b", 3), ("c", 1)):
        stages(stage, done, 10)
    assert first.done == 14
    again = Progress(layout, "one")
    stages = Stages(again, file, watch)
    assert again.done == 13  # what c came to was not kept yet
    stages("a", 10, 10)
    assert again.done == 13
    stages("c", 4, 10)
    assert (again.done, again.total) == (17, 23)


@pytest.fixture
def worked(layout: Layout) -> Iterator[Client]:
    """A store with a worker."""
    with worker(layout.root):
        yield Client(layout)


@pytest.mark.slow
def test_a_job_that_was_killed_publishes_what_ace_gives(layout: Layout, worked: Client) -> None:
    dissected(layout)
    request = asked(**TINY, **FEW, marked="5,3")
    submission = worked.submit(request.replace(project="tests"))
    job, kept = str(submission.job_id), layout.work / str(submission.run_id) / "kept"
    until(lambda: (kept / "alpha.npz").exists(), 200)
    before = (kept / "alpha.npz").stat().st_mtime_ns
    os.kill(int(live.read(live.path(layout, job, "watch"))["pid"]), signal.SIGKILL)
    until(lambda: (kept / "curves.npz").exists() or worked.job(job).ended, 200)
    assert not kept.exists() or (kept / "alpha.npz").stat().st_mtime_ns == before
    until(lambda: worked.job(job).ended, 200)
    assert worked.job(job).state == "done", worked.log(job)
    assert worked.submit(request).already
    bundle = bundles.latest(layout, str(submission.run_id))
    facts = bundle.run
    assert (facts["kind"], facts["parent_run_id"], facts["project"]) == ("causes", "parent", "tests")
    assert json.loads(facts["settings"])["steps"] == TINY["steps"]
    models = generators.load("planted", None), segmenters.load("planted", None)
    iou = np.where(np.arange(36) == 35, 0, np.arange(36) / 100)  # nothing is inserted by a low activation
    given = {"iou": iou, "by_hand": [5, 3], "amounts": FEW, **TINY}
    plain = ace(*models, layer="layer1", concept="disc", **given)  # type: ignore[arg-type]
    for name, table in plain.tables().items():
        there = bundle.table(name)[list(table.columns)]
        drop = ["seconds", "generator_passes", "tail_passes", "segmenter_passes"]
        left, right = (t.drop(columns=drop, errors="ignore") for t in (there, table))
        pd.testing.assert_frame_equal(
            left, right.reset_index(drop=True), check_dtype=False, rtol=1e-4, atol=1e-5
        )
    assert not (layout.work / str(submission.run_id)).exists()
