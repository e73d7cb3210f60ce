"""Kept views: tables that say what their select says of the other tables, whatever was published before."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from db import store
from db.layout import Layout
from db.schema import views
from db.store import Snapshot, bundles, removal

WriteRun = Callable[..., Path]
KEYS = ["run_id", "layer", "unit", "concept"]


def scores(seed: int, units: int = 30, concepts: int = 5) -> pd.DataFrame:
    """Random scores of one layer with ties, and with gaps of every kind."""
    dice = np.random.default_rng(seed)
    size = units * concepts
    rows = pd.DataFrame({"layer": "layer1", "unit": np.arange(units).repeat(concepts)})
    rows["concept"] = np.tile([f"c{n}" for n in range(concepts)], units)
    rows["category"] = np.tile([("object", "part")[n % 2] for n in range(concepts)], units)
    for name in ("iou", "calibration_iou", "calibration_lift", "lift"):
        rows[name] = np.where(dice.random(size) < 0.3, np.nan, dice.integers(-3, 4, size) / 10)
    rows["iou"] = rows["iou"].abs()
    rows.loc[rows["concept"] == "c4", "iou"] = np.nan  # too rare to be scored
    rows["detector"] = dice.random(size) < 0.2
    named = rows.groupby("unit")["calibration_lift"].transform("max")
    rows["label"] = (rows["calibration_lift"] == named) & ~rows.assign(top=named).duplicated(["unit", "top"])
    return rows.assign(largest_iou=rows["concept"] == "c0")


def write(layout: Layout, run_id: str, seed: int, revision: int = 1) -> None:
    rows = scores(seed)
    unit = pd.DataFrame({"layer": "layer1", "unit": range(30)})
    facts = {"run_id": run_id, "kind": "dissection", "state": "final", "revision": revision}
    bundles.write(layout, facts, {"unit_concept": rows, "unit": unit})


def both(snapshot: Snapshot, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the file holds, and the answer of its select, in one order."""
    kept, asked = views.metadata.tables[name].select(), views.definitions[name]
    order = [column for column in KEYS if column in views.metadata.tables[name].c]
    found = (snapshot.read(statement).sort_values(order, ignore_index=True) for statement in (kept, asked))
    first, second = found
    return first, second


def test_they_follow_runs_that_come_change_and_go(layout: Layout) -> None:
    def must_agree(*runs: str) -> None:
        snapshot = store.open(layout)
        for name in views.kept:
            held, answer = both(snapshot, name)
            assert set(held["run_id"]) == set(runs)
            pd.testing.assert_frame_equal(held, answer)

    write(layout, "a", 1)
    store.publish(layout)
    must_agree("a")
    write(layout, "b", 2)
    write(layout, "a", 3, revision=2)
    store.publish(layout)
    must_agree("a", "b")
    removal.delete(layout, "a")
    store.publish(layout)
    must_agree("b")
    store.rebuild(layout)
    must_agree("b")


@pytest.mark.parametrize("seed", range(4))
def test_the_best_units_are_those_of_a_sorted_table(layout: Layout, seed: int) -> None:
    write(layout, "a", seed)
    store.publish(layout)
    held = store.open(layout).read(sa.select(views.layer_concept).order_by(views.layer_concept.c.concept))
    rows = scores(seed).dropna(subset=["iou"])
    assert held["concept"].tolist() == sorted(rows["concept"].unique())
    for row in held.itertuples():
        mine = rows[rows["concept"] == row.concept]
        for first, found in (
            ("calibration_lift", row.unit_by_lift),
            ("calibration_iou", row.unit_by_iou),
        ):
            order = list(dict.fromkeys((first, "calibration_iou", "iou")))
            ordered = mine.sort_values([*order, "unit"], ascending=[False] * len(order) + [True])
            assert found == ordered["unit"].iloc[0]
        assert row.detecting == mine["detector"].sum()
        np.testing.assert_equal(row.best_iou, mine["iou"].max())
        np.testing.assert_equal(row.best_lift, mine["lift"].max())
