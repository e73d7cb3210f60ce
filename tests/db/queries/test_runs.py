"""The named questions, on a small real store (see `small_tables` in conftest)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
    assert list(runs["detectors"]) == [6, 2]
    assert list(runs["detected_concepts"]) == [1, 1]
    assert runs["twin_detectors"].isna().all()


def test_every_kind_of_run_is_found_by_the_models_that_it_names(layout: Layout, write_run: WriteRun) -> None:
    write_run("dissected", started_at="2026-01-01", generator="g", segmenter="s")
    settings = '{"second_segmenter": "t"}'
    write_run(
        "caused", started_at="2026-01-02", kind="causes", generator="g", segmenter="s", settings=settings
    )
    store.publish(layout)
    found = queries.naming_models(store.open(layout))
    named = {(row.role, row.name, row.run_id, row.kind) for row in found.itertuples()}
    assert named == {
        ("generator", "g", "dissected", "dissection"),
        ("segmenter", "s", "dissected", "dissection"),
        ("generator", "g", "caused", "causes"),
        ("segmenter", "s", "caused", "causes"),
        ("segmenter", "t", "caused", "causes"),
    }
    assert found.run_id.iloc[0] == "caused"


def test_an_empty_store_has_no_runs(layout: Layout) -> None:
    store.publish(layout)
    assert queries.runs(store.open(layout)).empty


def test_units_come_best_first_and_pass_or_not(snapshot: Snapshot) -> None:
    units = queries.units(snapshot, "new", "layer1", NamingRule("paper", cut=0.35))
    assert list(units["unit"][:4]) == [7, 6, 5, 4]
    assert list(units.loc[units["passes"], "unit"]) == [7, 6, 5, 4]
    assert pd.isna(units.set_index("unit")["concept"][0])


def test_a_unit_passes_by_lift_where_it_detects_its_name(snapshot: Snapshot) -> None:
    units = queries.units(snapshot, "new", "layer1")
    assert list(units["unit"][:3]) == [7, 6, 5]
    assert sorted(units.loc[units["passes"], "unit"]) == [2, 3, 4, 5, 6, 7]
    assert units.set_index("unit").loc[1, ["concept", "passes"]].tolist() == ["tree", False]


def publish_with(layout: Layout, path: Path, **columns: Any) -> Snapshot:
    """The run's next revision with some columns of unit_concept filled in."""
    bundle = bundles.read(path)
    names = [name for name in bundle.names("tables") if name != "run"]
    tables = {name: bundle.table(name).drop(columns="run_id") for name in names}
    tables["unit_concept"] = tables["unit_concept"].assign(**columns)
    bundles.write(layout, {**bundle.run, "revision": bundle.revision + 1}, tables)
    store.publish(layout)
    return store.open(layout)


NAMES = ["tree", "door", "sky", "wall"]


def polysemic(seed: int, units: int = 30) -> pd.DataFrame:
    """A layer of random scores with four concepts; some units have no name, some detect several."""
    random = np.random.default_rng(seed)
    size = units * len(NAMES)
    rows = pd.DataFrame({"layer": "layer1", "unit": np.repeat(np.arange(units), len(NAMES))})
    rows["concept"], rows["category"] = np.tile(NAMES, units), "object"
    rows["iou"], rows["always_on"] = 0.3 * random.random(size), 0.02
    rows["lift"], rows["lift_q_value"] = random.random(size) - 0.5, 0.08 * random.random(size)
    rows["side"] = np.where(random.random(size) < 0.3, "low", "high")
    rows["calibration_iou"], rows["calibration_lift"] = random.random(size), random.random(size) - 0.7
    rows["detector"] = (rows["lift"] > 0) & (rows["lift_q_value"] <= 0.05)
    for flag, value in (("label", "calibration_lift"), ("largest_iou", "calibration_iou")):
        place = rows.groupby("unit")[value].rank(ascending=False)
        rows[flag] = (place == 1) & (rows[value] > 0)
    return rows


def publish_layer(layout: Layout, rows: pd.DataFrame, run_id: str = "run", **run: Any) -> Snapshot:
    """A run of one layer with these rows of unit_concept, published."""
    named = rows[rows["label"]].set_index("unit")["concept"]
    number = rows["unit"].unique()
    unit = pd.DataFrame({"layer": "layer1", "unit": number, "concept": [named.get(u) for u in number]})
    unit["detected"] = rows.groupby("unit")["detector"].sum().to_numpy()
    facts = {"layer": ["layer1"], "position": [1], "units": [len(number)], "height": [4], "width": [4]}
    tables = {"unit_concept": rows, "unit": unit, "layer": pd.DataFrame(facts)}
    kinds = {"run_id": run_id, "kind": "dissection", "state": "final", "generator": "g", "segmenter": "s"}
    bundles.write(layout, {**kinds, **run}, tables)
    store.publish(layout)
    return store.open(layout)


@pytest.mark.parametrize(
    "rule",
    [NamingRule(), NamingRule("paper"), NamingRule("paper", cut=0.2)],
    ids=lambda r: f"{r.name}{r.cut}",
)
def test_units_and_what_else_they_detect_are_those_of_a_loop(layout: Layout, rule: NamingRule) -> None:
    rows = polysemic(3)
    found = queries.units(publish_layer(layout, rows), "run", "layer1", rule)
    assert len(found) == 30
    several = unnamed = 0
    for unit in found.to_dict("records"):
        mine = [r for r in rows.to_dict("records") if r["unit"] == unit["unit"]]
        name = next((r for r in mine if r[rule.flag]), None)
        others = [r for r in mine if r["detector"] and r is not name]
        others.sort(key=lambda r: -r["lift"])
        assert (None if pd.isna(unit["concept"]) else unit["concept"]) == (name and name["concept"])
        assert (None if pd.isna(unit["also"]) else unit["also"]) == (
            ", ".join(r["concept"] for r in others) or None
        )
        told = [f"{r['concept']}{' (low)' if r['side'] == 'low' else ''} {r['lift']:.3f}" for r in others]
        assert (None if pd.isna(unit["also_shown"]) else unit["also_shown"]) == (", ".join(told) or None)
        passes = name is not None and (name["detector"] if rule.name == "lift" else name["iou"] > rule.cut)
        assert unit["passes"] == passes
        assert unit["detected"] == sum(r["detector"] for r in mine)
        several, unnamed = several + (len(others) > 1), unnamed + (name is None)
    assert several > 1
    assert (unnamed > 1) == (rule.name == "lift")  # every unit has some largest IoU
    lifts = found["lift"].dropna()
    assert list(lifts) == sorted(lifts, reverse=True)


def test_layers_count_under_each_rule_as_a_loop_does(layout: Layout) -> None:
    rows = polysemic(4)
    snapshot = publish_layer(layout, rows)
    for rule in (NamingRule(), NamingRule("paper", cut=0.2)):
        named = rows[rows[rule.flag] & (rows["detector"] if rule.name == "lift" else rows["iou"] > rule.cut)]
        counts = queries.layer_counts(snapshot, "run", rule).iloc[0]
        assert (counts.units, counts.named) == (30, len(named))
        assert counts.distinct_concepts == named["concept"].nunique()
        assert counts.detectors == (rows["label"] & rows["detector"]).sum()
        sure = rows[rows["label"] & rows["detector"]]["unit"]
        many = rows.groupby("unit")["detector"].sum()
        assert counts.multiple == (many.loc[sure] > 1).sum()
        assert counts.scored == len(NAMES)
        assert pd.isna(counts.twin_detectors)
        each = queries.concept_counts(snapshot, "run", rule).set_index("concept")
        assert each["units"].to_dict() == named["concept"].value_counts().to_dict()
        by = "lift" if rule.name == "lift" else "iou"
        best = named.loc[named.groupby("concept")[by].idxmax()].set_index("concept")
        assert each["best_unit"].to_dict() == best["unit"].to_dict()


def twins(**settings: Any) -> dict[str, Any]:
    return {"settings": {"generator": "g", **settings}}


def test_counts_stand_beside_the_newest_twin_with_random_weights(layout: Layout) -> None:
    trained, random, older = polysemic(5), polysemic(6, units=10), polysemic(7, units=50)
    publish_layer(layout, trained, "trained", **twins(control="none"), images=90, started_at="2026-01-02")
    snapshot = publish_layer(
        layout, older, "old-twin", **twins(control="random-weights"), images=100, started_at="2026-01-01"
    )
    assert queries.twin(snapshot, "trained") == "old-twin"
    snapshot = publish_layer(
        layout, random, "twin", **twins(control="random-weights"), images=100, started_at="2026-01-03"
    )
    detectors = {
        name: int((rows["label"] & rows["detector"]).sum())
        for name, rows in {"trained": trained, "twin": random, "old-twin": older}.items()
    }
    assert len(set(detectors.values())) == 3
    assert queries.twin(snapshot, "trained") == "twin"
    assert queries.twin(snapshot, "twin") is None
    runs = queries.runs(snapshot).set_index("run_id")
    assert runs["detectors"].to_dict() == detectors
    assert runs["control"].to_dict() == {
        "trained": "none",
        "twin": "random-weights",
        "old-twin": "random-weights",
    }
    assert runs["twin_detectors"].dropna().to_dict() == {"trained": detectors["twin"]}
    counts = queries.layer_counts(snapshot, "trained", NamingRule()).iloc[0]
    assert (counts.detectors, counts.twin_detectors) == (detectors["trained"], detectors["twin"])
    own = queries.layer_counts(snapshot, "twin", NamingRule()).iloc[0]
    assert pd.isna(own.twin_detectors)
    small = twins(control="random-weights") | {"images": 20, "started_at": "2026-01-04"}
    assert queries.twin(publish_layer(layout, older, "small", **small), "trained") == "twin"


@pytest.mark.parametrize(
    "other",
    [
        {**twins(control="random-weights"), "segmenter": "another"},
        {"settings": {"generator": "h", "control": "random-weights"}},
        twins(control="rotation"),
        twins(control="none"),
        twins(),
        {**twins(control="random-weights"), "kind": "causes"},
        {**twins(control="random-weights"), "state": "provisional"},
        twins(control="random-weights", sides="both"),
        {**twins(control="random-weights"), "threshold_rule": "0.01"},
    ],
    ids=[
        "segmenter",
        "generator",
        "rotation",
        "trained",
        "no control",
        "kind",
        "provisional",
        "sides",
        "threshold",
    ],
)
def test_another_run_is_no_twin(layout: Layout, other: dict[str, Any]) -> None:
    publish_layer(layout, polysemic(5), "trained", **twins(control="none"))
    snapshot = publish_layer(layout, polysemic(6), "other", **other)
    assert queries.twin(snapshot, "trained") is None
    assert queries.runs(snapshot)["twin_detectors"].isna().all()
    assert queries.layer_counts(snapshot, "trained", NamingRule())["twin_detectors"].isna().all()


def test_a_run_that_says_nothing_of_its_control_has_a_twin(layout: Layout) -> None:
    publish_layer(layout, polysemic(5), "trained", **twins())
    snapshot = publish_layer(layout, polysemic(6), "twin", **twins(control="random-weights"))
    assert queries.twin(snapshot, "trained") == "twin"


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
        6,
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
    assert queries.showpieces(snapshot, "old")["unit"].tolist() == [3]


def test_showpieces_are_the_detectors_of_the_largest_lift(layout: Layout) -> None:
    rows = polysemic(8)
    best = queries.showpieces(publish_layer(layout, rows), "run", most=3)
    named = rows[rows["label"] & rows["detector"]]
    tops = named.loc[named.groupby("concept")["lift"].idxmax()].sort_values("lift", ascending=False)
    assert len(tops) > 3 - 1
    assert (
        best[["concept", "unit"]].to_numpy().tolist() == tops[["concept", "unit"]].head(3).to_numpy().tolist()
    )


def test_questions_about_a_run_that_is_not_there_are_empty(snapshot: Snapshot) -> None:
    assert queries.layers(snapshot, "nothing").empty
    assert queries.units(snapshot, "nothing", "layer1").empty
    assert queries.concepts(snapshot, "'; DROP TABLE run; --").empty
