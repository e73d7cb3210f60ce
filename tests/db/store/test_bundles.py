"""Bundles: written whole or not at all, read as written, refused when damaged or newer."""

import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema.views import unit_label, unit_largest_iou
from db.store import bundles, formats

WriteRun = Callable[..., Path]


def test_round_trip(layout: Layout, write_run: WriteRun) -> None:
    write_run(started_at=datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC))
    bundle = bundles.latest(layout, "run-1")
    assert bundle.run["settings"] == {"threshold": "iqr"}
    assert bundle.table("run").started_at[0] == pd.Timestamp(2026, 1, 2, 3)
    assert bundle.table("unit").activation_peak.tolist() == [0.0, 1.5, 3.0, 4.5]
    assert bundle.table("unit").concept.isna().tolist() == [True, False, False, False]
    np.testing.assert_array_equal(bundle.array("counts-layer1")["N"], np.arange(24).reshape(4, 2, 3))
    assert dict(bundle.array("counts-layer1")).keys() == {"N"}
    assert bundle.file("note.txt") == b"hello"
    assert bundle.names("arrays") == ["counts-layer1"]


@pytest.mark.parametrize(
    "ask", [lambda b: b.array("x"), lambda b: b.file("x"), lambda b: b.array("counts-layer1")["x"]]
)
def test_what_is_not_there_is_a_key_error(layout: Layout, write_run: WriteRun, ask) -> None:  # type: ignore[no-untyped-def]
    write_run()
    with pytest.raises(KeyError):
        ask(bundles.latest(layout, "run-1"))


def test_revisions_count_up_and_a_repeated_one_is_left_alone(layout: Layout, write_run: WriteRun) -> None:
    first = write_run()
    assert write_run().name == "2"
    before = (first / "manifest.json").stat().st_mtime_ns
    assert write_run(revision=1, seed=99) == first
    assert (first / "manifest.json").stat().st_mtime_ns == before
    assert bundles.revisions(layout, "run-1") == [1, 2]


def test_a_damaged_revision_is_written_again(layout: Layout, write_run: WriteRun) -> None:
    path = write_run()
    (path / "tables" / "unit.parquet").write_bytes(b"")
    assert write_run(revision=1) == path
    bundles.read(path).verify()


def test_a_table_or_column_that_the_schema_lacks(layout: Layout) -> None:
    with pytest.raises(StoreError, match="no table 'nix'"):
        bundles.write(layout, {"run_id": "a"}, {"nix": pd.DataFrame({"x": [1]})})
    with pytest.raises(StoreError, match="no column 'nix'"):
        bundles.write(layout, {"run_id": "a"}, {"unit": pd.DataFrame({"nix": [1]})})
    with pytest.raises(StoreError, match=r"unit\.unit does not fit"):
        bundles.write(layout, {"run_id": "a"}, {"unit": pd.DataFrame({"unit": ["x"]})})
    assert bundles.run_ids(layout) == []
    assert list((layout.bundles / "a").iterdir()) == []


@pytest.mark.parametrize("name", ["../x", ".x", "", "a/b", "a\0b", "x" * 300])
def test_a_run_id_that_is_no_file_name(layout: Layout, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a file name"):
        bundles.write(layout, {"run_id": name}, {})


@pytest.mark.parametrize("victim", ["manifest.json", "run.json", "tables/unit.parquet"])
@pytest.mark.parametrize("harm", ["truncate", "flip", "remove"])
def test_a_damaged_bundle_is_one_sentence_and_not_published(
    layout: Layout, write_run: WriteRun, victim: str, harm: str
) -> None:
    write_run("sound")
    path = write_run("hurt") / victim
    content = bytearray(path.read_bytes())
    if harm == "remove":
        path.unlink()
    else:
        content[len(content) // 2] ^= 0x5A
        path.write_bytes(content[: len(content) // 2] if harm == "truncate" else content)
    if (victim, harm) == ("manifest.json", "remove"):
        with pytest.raises(StoreError, match="no run 'hurt'"):
            bundles.latest(layout, "hurt")
    else:
        with pytest.raises(StoreError, match=r"is damaged.*backup"):
            store.publish(layout, ["hurt"])
    store.publish(layout)
    assert store.open(layout).read(bundles.metadata.tables["run"].select()).run_id.tolist() == ["sound"]


def test_a_damaged_array_is_one_sentence(layout: Layout, write_run: WriteRun) -> None:
    path = write_run() / "arrays" / "counts-layer1.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StoreError, match=r"counts-layer1\.npz is damaged or missing"):
        bundles.latest(layout, "run-1").array("counts-layer1")["N"]


def test_a_newer_format_is_a_clear_sentence(layout: Layout, write_run: WriteRun) -> None:
    path = write_run() / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 7}))
    with pytest.raises(StoreError, match="format 7, and this program reads up to 2; update Ganatomy"):
        store.publish(layout, ["run-1"])


def test_an_older_format_is_lifted_step_by_step(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(old: str, new: str) -> formats.Lift:
        def step(name: str, read: formats.Read) -> pa.Table:
            return read(name).rename_columns([new if c == old else c for c in read(name).column_names])

        return step

    write_run()
    first = formats.FORMAT
    monkeypatch.setattr(formats, "FORMAT", first + 2)
    monkeypatch.setattr(
        formats, "LIFTS", {first: rename("iou", "overlap"), first + 1: rename("overlap", "score")}
    )
    rows: pa.Table = bundles.latest(layout, "run-1").arrow("unit_concept")
    assert rows["iou"].null_count == len(rows)
    monkeypatch.setitem(formats.LIFTS, first + 1, rename("overlap", "iou"))
    rows = bundles.latest(layout, "run-1").arrow("unit_concept")
    assert rows["iou"].to_pylist()[:3] == [0.0, 0.01, 0.1]


def test_a_lift_reads_other_tables_as_its_own_format_has_them(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps: the first doubles the scores, and the second copies the best score into table unit."""

    def double(name: str, read: formats.Read) -> pa.Table:
        rows = read(name).to_pandas()
        return pa.Table.from_pandas(rows.assign(iou=rows.iou * 2) if name == "unit_concept" else rows)

    def copy(name: str, read: formats.Read) -> pa.Table:
        rows = read(name).to_pandas()
        best = read("unit_concept").to_pandas().groupby("unit").iou.max()
        return pa.Table.from_pandas(
            rows.assign(activation_peak=rows.unit.map(best)) if name == "unit" else rows
        )

    write_run()
    first = formats.FORMAT
    monkeypatch.setattr(formats, "FORMAT", first + 2)
    monkeypatch.setattr(formats, "LIFTS", {first: double, first + 1: copy})
    units = bundles.latest(layout, "run-1").table("unit")
    assert units.activation_peak.tolist() == pytest.approx([0.02, 0.2, 0.4, 0.6])


@pytest.mark.parametrize("number", range(1, formats.FORMAT + 1))
def test_a_real_bundle_of_each_format_so_far(layout: Layout, number: int) -> None:
    kept = Path(__file__).parents[2] / "data" / f"bundle-format-{number}"
    shutil.copytree(kept, layout.bundles / "kept" / "1")
    store.publish(layout, ["kept"])
    units = store.open(layout).read(bundles.metadata.tables["unit"].select())
    assert units.activation_peak.tolist() == [0.0, 1.5, 3.0, 4.5]
    for view in (unit_label, unit_largest_iou):  # the first format's has no scores of calibration images
        named = store.open(layout).read(view.select().order_by(view.c.unit))
        assert named.concept.fillna("").tolist() == ["", "tree", "tree", "tree"]
        assert named.detector.tolist()[1:] == [False, True, True]
    assert store.open(layout).bundle("kept").array("counts-layer1")["N"].sum() == 276


def test_a_bundle_that_is_being_written_stays_when_the_clock_jumps(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of another process, whose clock is days ahead, sweeps while the files are written."""
    fill = bundles._fill

    def swept(folder: Path, *arguments: Any) -> None:
        with monkeypatch.context() as clock:
            clock.setattr(bundles.time, "time", lambda: folder.stat().st_mtime + 10 * 86400)
            bundles.sweep(layout)
        fill(folder, *arguments)

    monkeypatch.setattr(bundles, "_fill", swept)
    write_run("a")
    assert bundles.revisions(layout, "a") == [1]
    left = layout.bundles / "a" / ".writing-killed"
    left.mkdir()
    os.utime(left, (0, 0))
    bundles.sweep(layout)
    assert not left.exists()


def test_mapped_arrays_are_the_arrays(layout: Layout) -> None:
    dice = np.random.default_rng(1)
    given = {
        "numbers": dice.integers(0, 9, (5, 4, 3)),
        "columns": np.asfortranarray(dice.random((4, 6), np.float32)),
        "one": np.array(2.5),
        "none": np.zeros((0, 3), np.int16),
        "words": np.array(["a", "bcd"]),
    }
    path = bundles.write(layout, {"run_id": "m", "kind": "dissection"}, {}, {"given": given})
    held = bundles.read(path).array("given")
    found = held.mapped()
    assert sorted(found) == sorted(given)
    for name, value in given.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == held[name].dtype == value.dtype
    assert isinstance(found["numbers"], np.memmap)
    assert not found["numbers"].flags.writeable
    np.savez_compressed(held.path, **given)  # by another program
    np.testing.assert_array_equal(held.mapped()["numbers"], given["numbers"])
