"""The Compare page's questions on a small store, against counts made row by row in pandas."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from db import store
from db.layout import Layout
from db.queries import compare
from db.queries.compare import Arm, Question
from db.schema.naming_rule import NamingRule
from db.sql import console
from db.store import Snapshot, bundles

WriteRun = Callable[..., Path]
CONCEPTS = [("tree", "object"), ("sky", "object"), ("door", "part"), ("brick", "material")]
EXTRA = ("moon", "object")  # only run b knows it
LAYERS = ("layer1", "layer2")


def random_tables(seed: int, concepts: list[tuple[str, str]], units: int = 40) -> dict[str, pd.DataFrame]:
    """Two layers with random scores; a quarter of the scores is missing, intervals of a third are."""
    random = np.random.default_rng(seed)
    names, kinds = zip(*concepts, strict=True)
    many = len(names)
    rows = pd.DataFrame(
        {
            "layer": np.repeat(LAYERS, units * many),
            "unit": np.tile(np.repeat(np.arange(units), many), 2),
            "concept": np.tile(names, 2 * units),
            "category": np.tile(kinds, 2 * units),
        }
    )
    size = len(rows)
    rows["iou"] = np.where(random.random(size) < 0.25, np.nan, random.random(size) * 0.2)
    half = np.where(random.random(size) < 0.33, np.nan, random.random(size) * 0.04)
    rows["iou_low"], rows["iou_high"] = rows["iou"] - half, rows["iou"] + half
    rows["calibration_iou"] = np.where(rows["iou"].isna(), np.nan, random.random(size))
    for control in ("mask_iou", "always_on", "null_iou"):
        rows[control] = random.random(size) * 0.1
    rows["ceiling_iou"] = np.where(random.random(size) < 0.1, 0.0, 0.2 + 0.8 * random.random(size))
    control = rows[["mask_iou", "always_on", "null_iou"]].max(axis=1)
    rows["lift"] = (rows["iou"] - control) / (1 - control)
    rows["calibration_lift"] = np.where(rows["iou"].isna(), np.nan, random.random(size) - 0.4)
    rows["lift_q_value"] = np.where(rows["iou"].isna(), np.nan, random.random(size) * 0.08)
    rows["detector"] = (rows["lift"] > 0) & (rows["lift_q_value"] <= 0.05)
    for name, value in (("largest_iou", "calibration_iou"), ("label", "calibration_lift")):
        place = rows.groupby(["layer", "unit"])[value].rank(ascending=False, method="first")
        rows[name] = (place == 1) & (rows[value] > 0)
    named = rows[rows["label"]].set_index(["layer", "unit"])["concept"]
    unit = rows[["layer", "unit"]].drop_duplicates()
    unit = unit.assign(concept=[named.get((r.layer, r.unit)) for r in unit.itertuples()])
    layer = pd.DataFrame({"layer": LAYERS, "position": [1, 2], "units": units, "height": 4, "width": 4})
    concept = pd.DataFrame({"concept": names, "category": kinds, "label": range(1, many + 1), "images": 30})
    return {"unit_concept": rows, "unit": unit, "layer": layer, "concept": concept}


@pytest.fixture
def tables(layout: Layout, write_run: WriteRun) -> dict[str, dict[str, pd.DataFrame]]:
    """Runs a, and b with one more concept, published."""
    made = {"a": random_tables(1, CONCEPTS), "b": random_tables(2, [*CONCEPTS, EXTRA])}
    for run_id, tables in made.items():
        run = bundles.read(write_run(run_id, started_at=f"2026-01-0{1 + (run_id == 'b')}")).run
        bundles.write(layout, {**run, "revision": 2}, tables)
    store.publish(layout)
    return made


@pytest.fixture
def snapshot(layout: Layout, tables: object) -> Snapshot:
    return store.open(layout)


ARMS = (Arm("a", "layer1"), Arm("a", "layer2"), Arm("b", "layer2"))
RULES = [
    Question(ARMS, NamingRule("paper")),
    Question(ARMS, NamingRule("paper", cut=0.1)),
    Question(ARMS, NamingRule("paper", cut=0.1), over_ceiling=True),
    Question(ARMS, NamingRule("lift")),
    Question(ARMS, NamingRule("lift"), over_ceiling=True),
    Question(ARMS, NamingRule("paper"), detectors=True),
    Question(ARMS, NamingRule("lift"), detectors=True),
]


def by_hand(tables: dict[str, dict[str, pd.DataFrame]], question: Question) -> dict[tuple, list[int]]:
    """run, layer, concept -> units, surely, perhaps, detectors; one row after the other."""
    found: dict[tuple, list[int]] = {}
    paper, cut = question.rule.name == "paper", question.rule.cut
    for arm in question.arms:
        for row in tables[arm.run_id]["unit_concept"].to_dict("records"):
            chosen = row["largest_iou"] if paper else row["label"]
            if row["layer"] != arm.layer or not chosen or pd.isna(row["iou"]):
                continue
            whole = (row["ceiling_iou"] or np.nan) if question.over_ceiling else 1.0
            detects = row["lift"] > 0 and row["lift_q_value"] <= 0.05
            passes = row["iou"] / whole > cut if paper else detects
            known = not pd.isna(row["iou_low"] / whole)
            sure = known and row["iou_low"] / whole > cut
            perhaps = row["iou_high"] / whole > cut if known else passes
            if question.detectors and not detects:
                continue
            counts = found.setdefault((arm.run_id, arm.layer, row["concept"]), [0, 0, 0, 0])
            for place, so in enumerate((passes, sure, perhaps, passes and detects)):
                counts[place] += bool(so)
    return found


@pytest.mark.parametrize("question", RULES)
def test_units_are_counted_as_by_hand(
    snapshot: Snapshot, tables: dict[str, dict[str, pd.DataFrame]], question: Question
) -> None:
    expected = {key: counts for key, counts in by_hand(tables, question).items() if key[2] != "moon"}
    found = compare.named(snapshot, question)
    assert sum(counts[0] for counts in expected.values()) > 10
    for row in found.to_dict("records"):
        units, surely, perhaps, detectors = expected.pop((row["run_id"], row["layer"], row["concept"]))
        assert (row["units"], row["detectors"]) == (units, detectors)
        if question.rule.name == "paper":
            assert (row["surely"], row["perhaps"]) == (surely, perhaps)
            assert surely <= perhaps
        else:
            assert pd.isna(row["surely"])
            assert pd.isna(row["perhaps"])
    assert expected == {}


@pytest.mark.parametrize("question", RULES)
def test_units_with_a_name_that_not_all_know_are_counted_apart(
    snapshot: Snapshot, tables: dict[str, dict[str, pd.DataFrame]], question: Question
) -> None:
    found = compare.outside(snapshot, question).to_dict("records")
    units = by_hand(tables, question)["b", "layer2", "moon"][0]
    assert units > 0
    assert found == [{"run_id": "b", "layer": "layer2", "units": units}]


def test_the_two_rules_name_units_differently(snapshot: Snapshot) -> None:
    paper, lift = (compare.named(snapshot, RULES[place])["units"].sum() for place in (0, 3))
    assert paper != lift


@pytest.mark.parametrize(
    ("question", "first", "flag"),
    [(RULES[0], "calibration_iou", "largest_iou"), (RULES[3], "calibration_lift", "label")],
)
def test_the_best_unit_is_chosen_on_calibration_images(
    snapshot: Snapshot,
    tables: dict[str, dict[str, pd.DataFrame]],
    question: Question,
    first: str,
    flag: str,
) -> None:
    found = compare.best(snapshot, question)
    assert len(found) == len(ARMS) * len(CONCEPTS)
    for row in found.to_dict("records"):
        every = tables[row["run_id"]]["unit_concept"]
        mine = every[(every["layer"] == row["layer"]) & (every["concept"] == row["concept"])]
        top = mine.loc[mine[first].idxmax()]
        assert (row["unit"], row["iou"]) == (top["unit"], top["iou"])
        passes = top["iou"] > 0.05 if first == "calibration_iou" else top["detector"]
        assert row["named"] == bool(top[flag] and passes)
    assert found["named"].any()
    assert not found["named"].all()


def test_only_what_every_run_names_is_shared(snapshot: Snapshot) -> None:
    assert set(snapshot.read(compare.shared(["a", "b"]))["concept"]) == {name for name, _ in CONCEPTS}
    assert "moon" in set(snapshot.read(compare.shared(["b"]))["concept"])
    known = compare.vocabularies(snapshot, ["a", "b"])
    assert known.groupby("run_id").size().to_dict() == {"a": 4, "b": 5}
    assert list(known.loc[~known["shared"], "concept"]) == ["moon"]
    assert compare.vocabularies(snapshot, ["b"])["shared"].all()


def test_dissections_come_newest_first_with_their_layers(snapshot: Snapshot) -> None:
    assert list(compare.dissections(snapshot)["run_id"]) == ["b", "a"]
    assert list(compare.layers(snapshot, ["a"])["layer"]) == list(LAYERS)


def test_nothing_is_found_for_runs_that_are_not_there(snapshot: Snapshot) -> None:
    question = Question((Arm("nobody", "layer1"), Arm("'; DROP TABLE run; --", "layer1")), NamingRule())
    for ask in (compare.named, compare.outside, compare.best):
        assert ask(snapshot, question).empty


@pytest.mark.parametrize("question", RULES)
def test_the_statement_behind_the_page_gives_its_counts(
    layout: Layout, snapshot: Snapshot, question: Question
) -> None:
    named = compare.named(snapshot, question)
    frame = console.run(layout, compare.statement(question), snapshot=snapshot).frame
    sums = named.groupby(["run_id", "layer", "category"])["units"].agg(["sum", lambda n: (n > 0).sum()])
    assert [tuple(key) for key in frame[["run_id", "layer", "category"]].to_numpy()] == list(sums.index)
    assert frame[["named", "concepts"]].to_numpy().tolist() == sums.to_numpy().tolist()


def test_a_statement_quotes_what_comes_from_the_address(layout: Layout, snapshot: Snapshot) -> None:
    statement = compare.statement(Question((Arm("it's", "'; DROP TABLE run; --"),), NamingRule()))
    assert console.run(layout, statement, snapshot=snapshot).frame.empty
