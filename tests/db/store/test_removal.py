"""Runs are put away and removed as a whole, with what stands on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import permissions, store, workspace
from db.errors import NotAllowedError, StoreError
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


def test_a_member_puts_away_the_own_runs_only(layout: Layout, write_run: WriteRun) -> None:
    bob = Person("bob", "member", "login")
    write_run("hers", owner="ada")
    write_run("own", owner="bob")
    write_run("based", owner="ada", parent_run_id="own")
    store.publish(layout)
    for ask in (removal.trash, removal.archive, removal.delete):
        for run_id in ("hers", "own"):  # the second has a run on it that is somebody else's
            with pytest.raises(NotAllowedError, match="This run belongs to ada; only its owner or an admin"):
                ask(layout, run_id, bob)
    with pytest.raises(NotAllowedError, match="can rename it"):
        removal.rename(layout, "hers", "mine", bob)
    assert published(layout) == {"hers", "own", "based"}
    removal.trash(layout, "hers", Person("ada", "member", "login"))
    for refused in (lambda: removal.restore(layout, "hers", person=bob), lambda: removal.empty(layout, bob)):
        with pytest.raises(NotAllowedError, match="belongs to ada"):
            refused()
    removal.delete(layout, "based")
    removal.rename(layout, "own", "mine", bob)
    assert removal.trash(layout, "own", bob) == ["own"]
    found = workspace.open(layout).audit()
    done = found[~found["refused"]]
    assert [*zip(done["who"], done["action"], done["thing"], strict=True)][::-1] == [
        ("ada", "delete", "hers"),
        (permissions.operator().name, "erase", "based"),
        ("bob", "rename", "own"),
        ("bob", "delete", "own"),
    ]
    assert found["refused"].sum() == 9
