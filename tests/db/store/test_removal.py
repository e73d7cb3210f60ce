"""Runs are put away and removed as a whole, with what stands on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
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


@pytest.mark.parametrize(
    "ask", [removal.delete, removal.archive, removal.unarchive, removal.trash, removal.restore]
)
def test_a_run_that_is_not_there(family: Layout, ask: Callable[[Layout, str], object]) -> None:
    with pytest.raises(StoreError, match="There is no run 'nix'"):
        ask(family, "nix")
    assert len(published(family)) == 4


def test_what_is_deleted_comes_back_until_the_trash_is_emptied(family: Layout) -> None:
    taken = removal.trash(family, "base", Person("ada"))
    assert taken == ["base", "causes", "context"]
    assert published(family) == {"other"}
    assert removal.trashed(family) == sorted(taken)
    removal.restore(family, *taken, person=Person("bob"))
    assert published(family) == {"base", "causes", "context", "other"}
    removal.archive(family, "context", Person("ada"))
    removal.trash(family, "context", Person("ada"))
    assert (removal.archived(family), removal.trashed(family)) == ([], ["context"])
    assert removal.empty(family, Person("bob")) == ["context"]
    assert removal.trashed(family) == []
    with pytest.raises(StoreError, match="no run 'context' in the trash; it has none"):
        removal.restore(family, "context")
    events = workspace.open(family).rows("event", run_id="context")
    assert [*zip(events["author"], events["what"], strict=True)] == [
        ("ada", "deleted"),
        ("bob", "restored"),
        ("ada", "archived"),
        ("ada", "deleted"),
        ("bob", "emptied"),
    ]


def test_a_run_that_was_made_again_can_be_put_away_again(family: Layout, write_run: WriteRun) -> None:
    removal.trash(family, "other")
    write_run("other")
    store.publish(family)
    with pytest.raises(StoreError, match="published again already"):
        removal.restore(family, "other")
    assert removal.trash(family, "other") == ["other"]
    assert removal.trashed(family) == ["other"]
    removal.restore(family, "other")
    assert "other" in published(family)


def test_the_archived_copy_stays_when_the_run_was_made_again_and_deleted(
    family: Layout, write_run: WriteRun
) -> None:
    removal.archive(family, "other")
    write_run("other")
    store.publish(family)
    assert removal.trash(family, "other") == ["other"]
    assert (removal.archived(family), removal.trashed(family)) == (["other"], ["other"])
    assert "other" not in published(family)
    removal.unarchive(family, "other")
    assert "other" in published(family)


def test_a_reader_keeps_what_it_reads_while_a_run_goes(family: Layout) -> None:
    before = store.open(family)
    removal.trash(family, "other")
    assert "other" in set(before.read(run.select()).run_id)
    assert "other" not in published(family)
