"""Runs of bundle format 1 are named again by lift when they are read, against a plain loop."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from db import store
from db.layout import Layout
from db.schema import views
from db.schema.dissection import unit, unit_concept
from db.schema.views import unit_label, unit_largest_iou
from db.store import bundles, old_names

Row = dict[str, Any]
NAMES = ["tree", "sky", "door", "brick", "dome"]
UNITS = 60
ARCHIVE = Path(__file__).parents[2] / "data" / "store-0.1.tar.xz"
OLD, LAYERS = "planted-scenes-b103786cbd", ("layer1", "layer2")


def planted(seed: int) -> pd.DataFrame:
    """Rows of unit_concept of format 1: controls by concept, and scores that may be missing, by pair.

    For `sky` the unit that is always on is the strongest control, for `door` the null, else the mask.
    """
    random = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "layer": np.repeat(LAYERS, UNITS * len(NAMES)),
            "unit": np.tile(np.repeat(np.arange(UNITS), len(NAMES)), 2),
            "concept": np.tile(NAMES, 2 * UNITS),
            "category": "object",
        }
    )
    size = len(rows)
    place = np.tile(np.arange(len(NAMES)), 2 * UNITS)
    rows["mask_iou"] = np.array([0.2, 0.3, 0.05, 0.1, 0.02])[place]
    rows["always_on"] = np.array([0.1, 0.4, 0.03, 0.02, 0.01])[place]
    rows["null_iou"] = np.where(rows["concept"] == "door", 0.15, 0.01) * random.random(size)
    rows["calibration_iou"] = np.where(random.random(size) < 0.4, np.nan, 0.6 * random.random(size))
    rows["iou"] = (rows["calibration_iou"] + 0.05 * random.standard_normal(size)).clip(0, 1)
    half = np.where(random.random(size) < 0.2, np.nan, 0.1 * random.random(size))
    rows["iou_low"], rows["iou_high"] = rows["iou"] - half, rows["iou"] + half
    rows["q_value"] = np.where(rows["iou"].isna(), np.nan, 0.1 * random.random(size))
    rows["label"] = rows.groupby(["layer", "unit"])["calibration_iou"].rank(ascending=False) == 1
    rows["detector"] = rows["label"] & (rows["iou"] > rows["mask_iou"])
    return rows


def missing(value: object) -> bool:
    return bool(pd.isna(value))  # type: ignore[call-overload]


def control_of(row: Row) -> float:
    return max(v for v in (row["mask_iou"], row["always_on"], row["null_iou"]) if not missing(v))


def lift_of(row: Row) -> float:
    control = control_of(row)
    return (row["iou"] - control) / (1 - control)


def by_loop(rows: pd.DataFrame) -> tuple[dict[tuple[str, int], str], set[tuple[str, int, str]]]:
    """The name of each unit that has one, and the pairs of which the unit detects the concept."""
    names: dict[tuple[str, int], str] = {}
    best: dict[tuple[str, int], float] = {}
    detected = set()
    for row in rows.to_dict("records"):
        key = (row["layer"], row["unit"])
        constant = max(row["mask_iou"], row["always_on"])
        above = (row["calibration_iou"] - constant) / (1 - constant)
        if not missing(above) and above > best.get(key, 0.0):
            best[key], names[key] = above, row["concept"]
        if missing(row["iou_low"]) or missing(row["q_value"]) or row["q_value"] > 0.05:
            continue
        if row["iou_low"] > control_of(row):
            detected.add((*key, row["concept"]))
    return names, detected


@pytest.mark.parametrize("seed", range(3))
def test_names_and_detectors_are_those_of_a_loop(seed: int) -> None:
    old = planted(seed)
    new = old_names.pairs(old)
    names, detected = by_loop(old)
    found = new[new["label"]]
    assert {(r.layer, r.unit): r.concept for r in found.itertuples()} == names
    assert {(r.layer, r.unit, r.concept) for r in new[new["detector"]].itertuples()} == detected
    for was, now in zip(old.to_dict("records"), new.to_dict("records"), strict=True):
        assert now["largest_iou"] == was["label"]
        assert now["lift"] == pytest.approx(lift_of(was), nan_ok=True)
        assert missing(now["side"]) if missing(was["iou"]) else now["side"] == "high"
    assert new[["lift_low", "lift_high"]].isna().all(axis=None)
    # the planted frame has what the rules must tell apart
    paper = old[old["label"]].set_index(["layer", "unit"])["concept"].to_dict()
    assert sum(names.get(key) != concept for key, concept in paper.items()) > 10
    assert 0 < len(names) < 2 * UNITS
    several = pd.Series([key[:2] for key in detected]).value_counts()
    assert (several > 1).any()
    assert any(names.get(key[:2]) == key[2] for key in detected)


def test_units_get_the_names_and_the_number_of_concepts() -> None:
    old = planted(4)
    names, detected = by_loop(old)
    rows = pd.DataFrame({"layer": np.repeat(LAYERS, UNITS), "unit": np.tile(np.arange(UNITS), 2)})
    rows = rows.assign(concept="old name").sample(frac=1, random_state=1)  # in no order
    tables = {"unit": pa.Table.from_pandas(rows), "unit_concept": pa.Table.from_pandas(old)}
    found = old_names.renamed("unit", tables.__getitem__).to_pandas()
    for row in found.to_dict("records"):
        key = (row["layer"], row["unit"])
        assert (None if missing(row["concept"]) else row["concept"]) == names.get(key)
        assert row["detected"] == sum(pair[:2] == key for pair in detected)
    other = pa.table({"x": [1]})
    assert old_names.renamed("layer", {"layer": other}.__getitem__) is other


def test_intervals_over_the_mask_are_kept_where_the_mask_is_the_control() -> None:
    old = planted(5)
    random = np.random.default_rng(0)
    half = np.where(random.random(len(old)) < 0.2, np.nan, 0.1 * random.random(len(old)))
    above = old["iou"] - old["mask_iou"]
    new = old_names.pairs(old.assign(over_mask_low=above - half, over_mask_high=above + half))
    assert not {"over_mask_low", "over_mask_high"} & set(new)
    kept = beside = 0
    for was, now, around in zip(old.to_dict("records"), new.to_dict("records"), half, strict=True):
        if missing(was["iou"]):
            continue
        by_mask = was["mask_iou"] == control_of(was)
        if by_mask and not missing(around):
            room = 1 - was["mask_iou"]
            assert now["lift_low"] == pytest.approx(now["lift"] - around / room)
            assert now["lift_high"] == pytest.approx(now["lift"] + around / room)
            kept += 1
        else:
            assert missing(now["lift_low"])
            assert missing(now["lift_high"])
        above_control = now["lift_low"] > 0 if by_mask else was["iou_low"] > control_of(was)
        assert now["detector"] == bool(above_control and now["lift"] > 0 and was["q_value"] <= 0.05)
        beside += now["detector"] and not by_mask
    assert kept > 50
    assert beside > 0
    assert new["detector"].sum() > beside


def test_a_run_without_scores_on_calibration_images_keeps_its_names() -> None:
    old = planted(6).assign(calibration_iou=np.nan)
    new = old_names.pairs(old)
    assert new["label"].tolist() == old["label"].tolist() == new["largest_iou"].tolist()
    assert new["detector"].tolist() == old["detector"].tolist()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The store that 0.1.0 wrote."""
    folder = tmp_path_factory.mktemp("old-names")
    shutil.unpack_archive(ARCHIVE, folder, filter="data")
    return Layout.create(folder)


def test_a_store_of_an_earlier_version_is_named_by_lift(old: Layout) -> None:
    snapshot = store.open(old)
    bundle = snapshot.bundle(OLD)
    assert bundle.manifest["format_version"] == 1
    read = pd.read_parquet(bundle.path / "tables" / "unit_concept.parquet")
    names, detected = by_loop(read)
    c = unit_label.c
    labels = snapshot.read(unit_label.select().where(c.run_id == OLD))
    told = labels.dropna(subset=["concept"])
    assert {(r.layer, r.unit): r.concept for r in told.itertuples()} == names
    assert len(told) < len(labels)
    units = snapshot.read(unit.select().where(unit.c.run_id == OLD)).dropna(subset=["concept"])
    assert {(r.layer, r.unit): r.concept for r in units.itertuples()} == names
    pairs = snapshot.read(unit_concept.select().where(unit_concept.c.run_id == OLD))
    assert {(r.layer, r.unit, r.concept) for r in pairs[pairs["detector"]].itertuples()} == detected
    assert detected
    assert pairs[["lift_low", "lift_high", "lift_q_value"]].isna().all(axis=None)
    assert pairs["lift"].notna().sum() == read["iou"].notna().sum() > 0
    paper = snapshot.read(unit_largest_iou.select().where(unit_largest_iou.c.run_id == OLD))
    was = read[read["label"]].set_index(["layer", "unit"])["concept"].to_dict()
    now = paper.dropna(subset=["concept"]).set_index(["layer", "unit"])["concept"].to_dict()
    assert now == was
    assert names != was


def test_rows_of_an_earlier_version_are_named_so_where_their_bundle_is_missing(
    old: Layout, tmp_path: Path
) -> None:
    shutil.unpack_archive(ARCHIVE, tmp_path / "lost", filter="data")
    lost = Layout.create(tmp_path / "lost")
    published_by_an_earlier_version(lost, OLD)
    shutil.rmtree(lost.bundles / OLD)
    for table in (unit_concept, unit):
        asked = table.select().where(table.c.run_id == OLD)
        expected, found = (
            store.open(s).read(asked).sort_values(["layer", "unit", "concept"], ignore_index=True)
            for s in (old, lost)
        )
        assert len(found) > 0
        pd.testing.assert_frame_equal(found, expected)


def published_by_an_earlier_version(layout: Layout, run_id: str) -> None:
    """Publish, and then give the file the tables of one run as its bundle of format 1 has them."""
    version = store.publish(layout)
    tables = bundles.latest(layout, run_id).path / "tables"
    version.chmod(0o644)
    with duckdb.connect(str(version)) as file:
        for view in reversed(views.definitions):
            file.execute(f"DROP {'TABLE' if view in views.kept else 'VIEW'} {view}")
        for name in ("unit", "unit_concept"):
            file.execute(f"DROP TABLE {name}")
            file.execute(f"CREATE TABLE {name} AS FROM read_parquet('{tables / name}.parquet')")
        file.execute("UPDATE store_info SET fingerprint = 'of an earlier version'")
