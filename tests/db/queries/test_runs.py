"""The named questions, on a small real store (see `small_tables` in conftest)."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from db import store
from db.layout import Layout
from db.queries import runs as queries
from db.schema.naming_rule import NamingRule
from db.store import Snapshot, bundles

WriteRun = Callable[..., Path]


@pytest.fixture
def snapshot(layout: Layout, write_run: WriteRun) -> Snapshot:
    write_run("old", units=4, started_at="2026-01-01")
    write_run("new", units=8, started_at="2026-01-02")
    store.publish(layout)
    return store.open(layout)


def test_runs_come_newest_first_with_their_counts(snapshot: Snapshot) -> None:
    runs = queries.runs(snapshot)
    assert list(runs["run_id"]) == ["new", "old"]
    assert list(runs["units"]) == [8, 4]
    assert list(runs["named"]) == [7, 3]
    assert list(runs["distinct_concepts"]) == [1, 1]


def test_an_empty_store_has_no_runs(layout: Layout) -> None:
    store.publish(layout)
    assert queries.runs(store.open(layout)).empty


def test_units_come_best_first_and_pass_or_not(snapshot: Snapshot) -> None:
    units = queries.units(snapshot, "new", "layer1", NamingRule("paper", cut=0.35))
    assert list(units["unit"][:4]) == [7, 6, 5, 4]
    assert list(units.loc[units["passes"], "unit"]) == [7, 6, 5, 4]
    assert pd.isna(units.set_index("unit")["concept"][0])


def test_the_calibrated_rule_names_nothing_without_evidence(snapshot: Snapshot) -> None:
    assert not queries.units(snapshot, "new", "layer1", NamingRule("calibrated"))["passes"].any()


def publish_with(layout: Layout, path: Path, **columns: list[float]) -> Snapshot:
    """The run's next revision with some columns of unit_concept filled in."""
    bundle = bundles.read(path)
    names = [name for name in bundle.names("tables") if name != "run"]
    tables = {name: bundle.table(name).drop(columns="run_id") for name in names}
    tables["unit_concept"] = tables["unit_concept"].assign(**columns)
    bundles.write(layout, {**bundle.run, "revision": bundle.revision + 1}, tables)
    store.publish(layout)
    return store.open(layout)


def test_the_calibrated_rule_wants_q_and_more_than_the_null(layout: Layout, write_run: WriteRun) -> None:
    evidence = {"q_value": [0.01] * 6 + [0.2, 0.2], "calibrated": [0.1] * 2 + [-0.1] * 2 + [0.1] * 4}
    snapshot = publish_with(layout, write_run("run", units=4), **evidence)
    units = queries.units(snapshot, "run", "layer1", NamingRule("calibrated"))
    # unit 0 has no name, unit 1 does not beat the null, unit 3's q is too large
    assert list(units.loc[units["passes"], "unit"]) == [2]


def test_best_units_are_ranked_on_calibration_images(layout: Layout, write_run: WriteRun) -> None:
    calibration = [0.1, 0.0, 0.4, 0.0, 0.3, 0.0, float("nan"), 0.0]
    snapshot = publish_with(layout, write_run("run", units=4), calibration_iou=calibration)
    assert list(queries.best_units(snapshot, "run", "layer1", "tree")["unit"]) == [1, 2, 0]
    assert list(queries.best_units(snapshot, "run", "layer1", "tree", 2)["unit"]) == [1, 2]


def test_layers_count_units_and_distinct_concepts(snapshot: Snapshot) -> None:
    counts = queries.layer_counts(snapshot, "new", NamingRule("paper", cut=0.35))
    assert counts.loc[0, ["layer", "units", "named", "distinct_concepts", "detectors"]].tolist() == [
        "layer1",
        8,
        4,
        1,
        4,
    ]
    concepts = queries.concept_counts(snapshot, "new", NamingRule("paper", cut=0.35))
    assert concepts.loc[0, ["concept", "units", "best_unit"]].tolist() == ["tree", 4, 7]


def test_one_unit_beside_every_concept(snapshot: Snapshot) -> None:
    scores = queries.unit_concepts(snapshot, "new", "layer1", 3)
    assert list(scores["concept"]) == ["tree", "door"]
    assert list(scores["label"]) == [True, False]


def test_showpieces_are_one_unit_a_concept(snapshot: Snapshot) -> None:
    best = queries.showpieces(snapshot, "new")
    assert list(best["unit"]) == [7]


def test_questions_about_a_run_that_is_not_there_are_empty(snapshot: Snapshot) -> None:
    assert queries.layers(snapshot, "nothing").empty
    assert queries.units(snapshot, "nothing", "layer1").empty
    assert queries.concepts(snapshot, "'; DROP TABLE run; --").empty
