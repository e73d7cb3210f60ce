"""What a request costs, and how many images its intervals need, from the runs that are there."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from analysis.dissection.dissection import Dissection, dissect
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue import workers
from jobs.queue.client import Client

BEGAN = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def pilot() -> Dissection:
    folder = Path("unused")
    generator, segmenter = generators.load("planted", folder), segmenters.load("planted", folder)
    return dissect(generator, segmenter, images=150, calibration=100, seed=1)


def keep(layout: Layout, run_id: str, result: Dissection, **facts: object) -> None:
    """Publish a dissection as a run that is not final yet."""
    run = {
        "run_id": run_id,
        "kind": "dissection",
        "state": "provisional",
        "generator": "planted",
        "segmenter": "planted",
        "images": result.evaluation_counts.images,
        "images_per_s": 10.0,
        "started_at": BEGAN,
        **facts,
    }
    bundles.write(layout, run, result.tables(), {})
    store.publish(layout)


def planted(**values: object) -> DissectionRequest:
    return DissectionRequest.model_validate(
        {"generator": "planted", "images": 64, "calibration": 64, **values}
    )


def test_an_empty_store_has_nothing_to_go_by(layout: Layout) -> None:
    client = Client(layout)
    assert client.images_for(planted(), 0.05) is None
    assert client.estimate(planted()).seconds is None


@pytest.mark.parametrize("width", [0.02, 0.05, 0.1])
def test_images_for_a_width_are_those_of_the_dissection(
    layout: Layout, pilot: Dissection, width: float
) -> None:
    keep(layout, "pilot", pilot)
    needed = Client(layout).images_for(planted(), width)
    assert needed is not None
    assert needed.images == pilot.images_for(width)
    assert (needed.run_id, needed.run_images, needed.width) == ("pilot", 150, width)
    assert needed.intervals > 10
    assert Client(layout).estimate(planted()).seconds == pytest.approx(12.8)


def test_only_the_wanted_layers_count(layout: Layout, pilot: Dissection) -> None:
    keep(layout, "pilot", pilot)
    client = Client(layout)
    both, one = client.images_for(planted(), 0.05), client.images_for(planted(layers=["units2.1"]), 0.05)
    assert both is not None
    assert one is not None
    assert one.intervals < both.intervals


def test_the_newest_run_of_the_same_models_counts(layout: Layout, pilot: Dissection) -> None:
    keep(layout, "older", pilot)
    keep(layout, "newer", pilot, started_at=BEGAN + timedelta(days=1))
    keep(layout, "other", pilot, started_at=BEGAN + timedelta(days=2), generator="another")
    keep(layout, "seen-by-another", pilot, started_at=BEGAN + timedelta(days=3), segmenter="another")
    needed = Client(layout).images_for(planted(), 0.05)
    assert needed is not None
    assert needed.run_id == "newer"


@pytest.mark.parametrize(
    ("values", "width", "word"),
    [({}, 0.0, "width"), ({}, 2.0, "width"), ({"layers": ["layer9"]}, 0.05, "layer9")],
)
def test_what_cannot_be_estimated_is_a_sentence(
    layout: Layout, values: dict[str, object], width: float, word: str
) -> None:
    with pytest.raises(GanatomyError, match=word):
        Client(layout).images_for(planted(**values), width)


def test_a_first_run_of_a_kind_goes_by_what_the_generator_did_elsewhere(
    layout: Layout, pilot: Dissection
) -> None:
    keep(layout, "elsewhere", pilot, kind="context", images_per_s=4.0)
    found = Client(layout).estimate(planted())
    assert found.seconds == 32.0
    assert (found.disk_bytes, found.basis) == (
        None,
        "roughly, from 1 earlier run of this generator, of another kind",
    )
    keep(layout, "same", pilot)
    assert Client(layout).estimate(planted()).seconds == 12.8


def test_a_run_of_another_machine_says_nothing_about_this_one(layout: Layout, pilot: Dissection) -> None:
    keep(layout, "imported", pilot, host="elsewhere", images_per_s=1000.0)
    assert Client(layout).estimate(planted()).seconds == pytest.approx(128 / 1000)
    keep(layout, "own", pilot, host=workers.host(), images_per_s=8.0)
    assert Client(layout).estimate(planted()).seconds == pytest.approx(128 / 8)
