"""A bundle that is missing is no removal: its rows stay until somebody deletes the run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema import ddl
from db.store import bundles, health, removal

WriteRun = Callable[..., Path]


def rows(layout: Layout) -> dict[str, int]:
    """Rows of unit_concept by run."""
    found = store.open(layout).read(sa.text("SELECT run_id, count(*) AS n FROM unit_concept GROUP BY run_id"))
    return {str(r): int(n) for r, n in zip(found.run_id, found.n, strict=True)}


@pytest.fixture
def three(layout: Layout, write_run: WriteRun) -> Layout:
    for run in ("a", "b", "c"):
        write_run(run)
    store.publish(layout)
    return layout


def test_a_commit_keeps_the_rows_of_a_run_whose_bundle_is_missing(three: Layout, write_run: WriteRun) -> None:
    shutil.rmtree(three.bundles / "b")
    write_run("d")
    store.publish(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8, "d": 8}


@pytest.mark.parametrize("place", ["empty", "another store's", "none"])
def test_nothing_is_written_where_the_disk_of_bundles_is_not_mounted(
    three: Layout, write_run: WriteRun, tmp_path: Path, place: str
) -> None:
    three.bundles.rename(tmp_path / "disk")
    if place == "another store's":
        other = Layout.create(tmp_path / "other")
        write_run("x", into=other)
        store.publish(other)
        shutil.copytree(other.bundles, three.bundles)
    elif place == "empty":
        three.bundles.mkdir()
    before = sorted(three.bundles.rglob("*")), three.current.resolve(), sorted(three.root.iterdir())
    for ask in (
        store.publish,
        store.rebuild,
        lambda layout: write_run("d", into=layout),
        lambda layout: removal.delete(layout, "b"),
    ):
        with pytest.raises(StoreError, match=r"Nothing was written\..*store salvage --all"):
            ask(three)
    assert (sorted(three.bundles.rglob("*")), three.current.resolve(), sorted(three.root.iterdir())) == before
    assert rows(three) == {"a": 8, "b": 8, "c": 8}
    (problem,) = health.check(three).problems
    assert "of bundles" in problem
    shutil.rmtree(three.bundles, ignore_errors=True)
    (tmp_path / "disk").rename(three.bundles)
    write_run("d")
    store.publish(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8, "d": 8}


def test_a_lost_folder_of_bundles_is_accepted_and_salvaged(three: Layout, write_run: WriteRun) -> None:
    shutil.rmtree(three.bundles)
    three.bundles.mkdir()
    assert [path.parent.name for path in health.salvage_all(three)] == ["a", "b", "c"]
    assert health.check(three).problems == []
    store.rebuild(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8}
    assert health.salvage_all(three) == []


def test_a_store_without_an_id_gets_one_where_its_bundles_are(three: Layout, tmp_path: Path) -> None:
    known = three.identity.read_text()
    three.identity.unlink()
    three.marker.unlink()
    three.bundles.rename(tmp_path / "disk")
    three.bundles.mkdir()
    with pytest.raises(StoreError, match="holds no bundle of any published run"):
        store.publish(three)
    three.bundles.rmdir()
    (tmp_path / "disk").rename(three.bundles)
    store.publish(three)
    assert three.identity.read_text() == three.marker.read_text() != known


def test_a_commit_that_would_drop_a_run_is_refused(three: Layout, write_run: WriteRun) -> None:
    path = write_run("b")
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["files"]["tables/run.parquet"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    for commit in (store.publish, store.rebuild):
        with pytest.raises(StoreError, match="would drop b, which nobody deleted or archived"):
            commit(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8}
    shutil.rmtree(path)
    write_run("d")
    store.publish(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8, "d": 8}


def test_a_rebuild_keeps_what_a_damaged_bundle_had_published(three: Layout) -> None:
    (parquet,) = (three.bundles / "c").rglob("unit_concept.parquet")
    content = bytearray(parquet.read_bytes())
    content[len(content) // 2] ^= 1
    parquet.chmod(0o644)
    parquet.write_bytes(content)
    store.rebuild(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8}


def test_another_schema_keeps_them_too(three: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(three.bundles / "b")
    monkeypatch.setattr(ddl, "fingerprint", lambda: "another")
    assert rows(three) == {"a": 8, "b": 8, "c": 8}


def test_check_names_the_run_and_never_the_command_that_would_lose_it(three: Layout) -> None:
    shutil.rmtree(three.bundles / "b")
    (problem,) = health.check(three).problems
    assert problem.startswith("The bundle of run b is missing. Its rows are still in the file.")
    assert "store publish" not in problem


def test_salvage_writes_a_bundle_from_the_rows(three: Layout) -> None:
    before = store.open(three).read(sa.text("FROM unit_concept WHERE run_id = 'b' ORDER BY unit, concept"))
    shutil.rmtree(three.bundles / "b")
    health.salvage(three, "b")
    assert health.check(three).problems == []
    store.rebuild(three)
    after = store.open(three).read(sa.text("FROM unit_concept WHERE run_id = 'b' ORDER BY unit, concept"))
    assert after.equals(before)
    with pytest.raises(StoreError, match="nothing to salvage"):
        health.salvage(three, "b")


@pytest.mark.parametrize("remove", [removal.delete, removal.archive])
def test_a_removal_is_a_record_and_takes_the_rows(
    three: Layout, remove: Callable[[Layout, str], list[str]], write_run: WriteRun
) -> None:
    remove(three, "b")
    assert rows(three) == {"a": 8, "c": 8}
    assert list(three.removals.iterdir()) == []
    write_run("b")
    store.publish(three)
    shutil.rmtree(three.bundles / "b")
    store.publish(three)
    assert rows(three) == {"a": 8, "b": 8, "c": 8}, "an old record does not speak of a run that came back"


def test_a_run_without_a_bundle_can_be_deleted(three: Layout) -> None:
    shutil.rmtree(three.bundles / "b")
    removal.delete(three, "b")
    assert rows(three) == {"a": 8, "c": 8}
    assert "b" not in bundles.run_ids(three)
