"""The results that come with Ganatomy: whole, of today's models and method, and joined to the demo's run."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from db.schema.base import run
from db.store import bundles, formats, open, publish
from jobs.demo import results

MOST_BYTES = 3_200_000  # of an archive


@pytest.fixture
def dissected(layout: Layout) -> Layout:
    """A store with a run in the place of the demo's dissection: of its id, models, layer and concepts."""
    request, run_id = results.CHURCHES.resolve(layout)
    facts = {"run_id": run_id, "kind": "dissection", "state": "final", "images": 1000, "calibration": 500}
    facts |= {"generator": request.generator, "segmenter": request.segmenter, "seed": 1, "settings": "{}"}
    facts |= {"started_at": pd.Timestamp("2026-01-01")}
    layer = {"layer": ["layer3"], "position": [3], "units": [64], "height": [16], "width": [16]}
    concept = {"concept": ["tree", "door"], "category": ["object", "part"], "label": [1, 2]}
    bundles.write(layout, facts, {"layer": pd.DataFrame(layer), "concept": pd.DataFrame(concept)})
    publish(layout)
    return layout


def changed(folder: Path, change: Callable[[Path], None]) -> Path:
    """The archives packed again after `change` of what they hold."""
    with results.unpacked() as export:
        change(export)
        for run in (export / "bundle").iterdir():
            with tarfile.open(folder / f"{run.name}.tar.xz", "w:xz") as packed:
                packed.add(run, run.name)
    return folder


def test_each_study_of_the_demo_comes_with_ganatomy_as_it_would_be_made_today(dissected: Layout) -> None:
    """A run's id follows from request, weights and method. If it differs: `ganatomy demo --make-bundles`."""
    new = results.import_into(dissected)
    assert len(new) == len(results.STUDIES)
    assert sorted(request.resolve(dissected)[1] for request in results.STUDIES) == sorted(new)
    runs = open(dissected).read(sa.select(run).where(run.c.kind != "dissection"))
    assert set(runs["kind"]) == {"causes", "context", "artifacts"}
    assert set(runs["parent_run_id"]) == {results.CHURCHES.resolve(dissected)[1]}
    assert set(runs["state"]) == {"final"}
    assert results.import_into(dissected) == []  # they are there already


def test_they_are_small_and_say_who_made_them() -> None:
    assert all(archive.stat().st_size < MOST_BYTES for archive in results.HERE.glob("*.tar.xz"))
    with results.unpacked() as export:
        for bundle in results.committed(export):
            bundle.verify()
            made = bundle.run
            assert len(made["git_revision"]) == 40, "made from files that are not committed"
            assert {"python", "torch", "ganatomy"} <= set(json.loads(made["versions"]))
            assert made["generator_sha256"]
            assert made["segmenter_sha256"]


def test_a_damaged_bundle_is_refused_and_nothing_is_published(dissected: Layout, tmp_path: Path) -> None:
    def damage(export: Path) -> None:
        table = next(export.glob("bundle/*/*/tables/*.parquet"))
        content = bytearray(table.read_bytes())
        content[len(content) // 2] ^= 1
        table.write_bytes(content)

    with pytest.raises(StoreError, match="damaged"):
        results.import_into(dissected, folder=changed(tmp_path, damage))
    assert bundles.run_ids(dissected) == [results.CHURCHES.resolve(dissected)[1]]


def test_a_cut_archive_is_refused(dissected: Layout, tmp_path: Path) -> None:
    archive = next(results.HERE.glob("*.tar.xz"))
    (tmp_path / archive.name).write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(StoreError, match="damaged"):
        results.import_into(dissected, folder=tmp_path)


def test_one_of_a_newer_program_is_refused(dissected: Layout, tmp_path: Path) -> None:
    def renew(export: Path) -> None:
        path = next(export.glob("bundle/*/*/manifest.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": formats.FORMAT + 1}))

    with pytest.raises(StoreError, match="update Ganatomy"):
        results.import_into(dissected, folder=changed(tmp_path, renew))


def test_those_of_another_dissection_are_refused(dissected: Layout) -> None:
    smaller = results.CHURCHES.replace(images=128, calibration=64)
    with pytest.raises(GanatomyError, match="another dissection"):
        results.import_into(dissected, smaller)


def test_making_them_again_puts_the_new_ones_in_the_place_of_the_old(
    dissected: Layout, tmp_path: Path
) -> None:
    results.import_into(dissected)  # as if the jobs had just made them
    (tmp_path / "an-old-run.tar.xz").write_bytes(b"old")
    made = results.make(dissected, lambda request: request.resolve(dissected)[1], tmp_path)
    assert sorted(made) == sorted(tmp_path.glob("*.tar.xz"))
    with results.unpacked(tmp_path) as export:
        assert len(results.committed(export)) == len(results.STUDIES)
