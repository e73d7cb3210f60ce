"""Runs are put away and removed as a whole, with what stands on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema.base import run
from db.schema.dissection import unit
from db.store import bundles, removal

WriteRun = Callable[..., Path]


def published(layout: Layout) -> set[str]:
    snapshot = store.open(layout)
    assert set(snapshot.read(unit.select()).run_id) == set(snapshot.read(run.select()).run_id)
    return set(snapshot.read(run.select()).run_id)


@pytest.fixture
def family(layout: Layout, write_run: WriteRun) -> Layout:
    write_run("base")
    write_run("causes", parent_run_id="base")
    write_run("context", parent_run_id="causes")
    write_run("other")
    store.publish(layout)
    return layout


def test_what_stands_on_a_run(family: Layout) -> None:
    assert removal.standing_on(family, "base") == ["causes", "context"]
    assert removal.standing_on(family, "other") == []


def test_delete(family: Layout) -> None:
    assert removal.delete(family, "base") == ["base", "causes", "context"]
    assert published(family) == {"other"}
    assert sorted(p.name for p in family.bundles.iterdir()) == [".store-id", "other"]


def test_archive_and_back(family: Layout) -> None:
    assert removal.archive(family, "causes") == ["causes", "context"]
    assert published(family) == {"base", "other"}
    assert removal.archived(family) == ["causes", "context"]
    removal.unarchive(family, "causes")
    assert published(family) == {"base", "causes", "other"}
    assert bundles.latest(family, "causes").run["parent_run_id"] == "base"


def test_a_damaged_run_can_be_deleted(family: Layout) -> None:
    (family.bundles / "other" / "1" / "manifest.json").write_text("{")
    removal.delete(family, "other")
    assert published(family) == {"base", "causes", "context"}


@pytest.mark.parametrize("ask", [removal.delete, removal.archive, removal.unarchive])
def test_a_run_that_is_not_there(family: Layout, ask: Callable[[Layout, str], object]) -> None:
    with pytest.raises(StoreError, match="There is no run 'nix'"):
        ask(family, "nix")
    assert len(published(family)) == 4
