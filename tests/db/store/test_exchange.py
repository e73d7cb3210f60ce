"""Out and in: exports, backups and addresses give the same numbers on the other side."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from db import open_store, workspace
from db import store as results
from db.errors import StoreError
from db.layout import Layout
from db.store import backup, bundles, exchange, remote

WriteRun = Callable[..., Path]


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "other")


def read_json(path: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads(path.read_text()))  # pandas' own reader rounds the last digit


def same(one: Layout, two: Layout) -> None:
    for table in ("run", "unit", "unit_concept", "unit_label", "layer_summary"):
        frames = [open_store(x.root).frame(table) for x in (one, two)]
        frames = [f.sort_values(list(f.columns), ignore_index=True) for f in frames]
        pd.testing.assert_frame_equal(*frames)
    for run_id in bundles.run_ids(one):
        arrays = [bundles.latest(x, run_id).array("counts-layer1")["N"].tolist() for x in (one, two)]
        assert arrays[0] == arrays[1]


@pytest.mark.parametrize("format", exchange.FORMATS)
def test_an_export_is_readable_and_imports_equal(
    layout: Layout, other: Layout, write_run: WriteRun, tmp_path: Path, format: str
) -> None:
    write_run()
    results.publish(layout)
    folder = exchange.export_run(layout, "run-1", tmp_path / "out", format)
    path = folder / f"unit_concept.{format}"
    read = {"csv": pd.read_csv, "json": read_json, "parquet": pd.read_parquet}[format]
    assert read(path).iou.tolist() == bundles.latest(layout, "run-1").table("unit_concept").iou.tolist()
    described = {(row["table"], row["column"]) for row in csv.DictReader((folder / "dictionary.csv").open())}
    assert ("unit_concept", "iou") in described
    assert exchange.import_run(other, folder) == ["run-1"]
    assert exchange.import_run(other, folder) == []
    same(layout, other)


def test_an_export_that_was_changed_is_refused(
    layout: Layout, other: Layout, write_run: WriteRun, tmp_path: Path
) -> None:
    write_run()
    folder = exchange.export_run(layout, "run-1", tmp_path / "out")
    manifest = folder / "bundle" / "run-1" / "1" / "run.json"
    manifest.write_text(json.dumps({"run_id": "run-1", "seed": 2}))
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        exchange.import_run(other, folder)
    assert bundles.run_ids(other) == []


def test_exports_that_cannot_be(layout: Layout, write_run: WriteRun, tmp_path: Path) -> None:
    write_run()
    with pytest.raises(StoreError, match="no format 'xml'"):
        exchange.export_run(layout, "run-1", tmp_path / "out", "xml")
    with pytest.raises(StoreError, match="is there already"):
        exchange.export_run(layout, "run-1", tmp_path)
    with pytest.raises(StoreError, match="no run 'nix'"):
        exchange.export_run(layout, "nix", tmp_path / "out")
    with pytest.raises(StoreError, match="no export with a bundle"):
        exchange.import_run(layout, tmp_path / "out")


def test_backup_and_restore(layout: Layout, write_run: WriteRun, tmp_path: Path) -> None:
    write_run("a")
    write_run("b")
    results.publish(layout)
    workspace.open(layout).add("note", "ada", text="kept")
    (layout.bundles / "a" / ".writing-1").mkdir()
    (layout.bundles / "a" / ".writing-1" / "half").write_text("x")
    (layout.models / "mine.safetensors").write_text("weights")
    made = backup.backup(layout, tmp_path / "backup.tar")
    assert (made.runs, made.problems) == (2, [])
    tar = made.path
    restored = backup.restore(tar, tmp_path / "restored")
    same(layout, restored)
    assert workspace.open(restored).rows("note").text.tolist() == ["kept"]
    assert (restored.models / "mine.safetensors").read_text() == "weights"
    assert not (restored.bundles / "a" / ".writing-1").exists()
    with pytest.raises(StoreError, match="is not empty"):
        backup.restore(tar, restored.root)


@pytest.mark.parametrize("content", [b"", b"no tar at all"])
def test_a_file_that_is_no_backup(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "backup.tar"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a whole backup"):
        backup.restore(path, tmp_path / "restored")


def test_bundles_on_any_address(layout: Layout, other: Layout, write_run: WriteRun, tmp_path: Path) -> None:
    (tmp_path / "far away").mkdir()
    fsspec.filesystem("memory").makedirs("/ganatomy", exist_ok=True)
    for address in ("memory://ganatomy/bundles", f"file://{tmp_path}/far away"):
        write_run()
        assert remote.push(layout, address).keys == [f"run-1/{bundles.revisions(layout, 'run-1')[-1]}"]
        assert remote.push(layout, address).keys == []
        assert len(remote.pull(other, address).keys) == 1
        assert remote.pull(other, address).keys == []
        results.publish(layout)
        same(layout, other)
    assert sorted(p.name for p in other.bundles.iterdir()) == [".store-id", "run-1"]


def test_an_address_that_is_none(layout: Layout) -> None:
    with pytest.raises(StoreError, match="cannot be kept at"):
        remote.push(layout, "nix://x")
