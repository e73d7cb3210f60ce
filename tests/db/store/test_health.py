"""check finds what is wrong, usage says what takes the disk, eviction leaves what was used last."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.store import health as upkeep

WriteRun = Callable[..., Path]


def test_a_sound_store(layout: Layout, write_run: WriteRun) -> None:
    write_run("a")
    write_run("b")
    workspace.open(layout).add("note", "ada", text="x")
    store.publish(layout)
    health = upkeep.check(layout)
    assert (health.runs, health.bundles, health.problems) == (2, 2, [])
    assert health.rows > 20


def test_an_empty_store_is_sound(layout: Layout) -> None:
    assert upkeep.check(layout).problems == []


def test_everything_that_is_wrong_is_named(layout: Layout, write_run: WriteRun) -> None:
    path = write_run("a")
    version = store.publish(layout)
    write_run("waits")
    with (path / "arrays" / "counts-layer1.npz").open("r+b") as file:
        file.seek(200)
        file.write(b"!!")
    layout.workspace.write_bytes(b"no database" * 100)
    assert [p.split()[1] for p in upkeep.check(layout).problems] == ["bundle", "bundles", "workspace"]
    version.chmod(0o644)
    os.truncate(version, 5000)
    assert any("ganatomy store rebuild" in p for p in upkeep.check(layout).problems)


def test_usage_by_kind(layout: Layout, write_run: WriteRun) -> None:
    write_run()
    store.publish(layout)
    (layout.renders / "x.png").write_bytes(bytes(1000))
    found = upkeep.usage(layout)
    assert found["renders"] == 1000
    assert found["bundles"] > 1000
    assert found["versions"] > 10_000


@pytest.mark.parametrize("kind", ["labels", "renders"])
def test_eviction_leaves_what_was_used_last(layout: Layout, kind: str) -> None:
    folder = getattr(layout, kind) / "sub"
    folder.mkdir()
    for age in range(5):
        path = folder / f"{age}.npy"
        path.write_bytes(bytes(1000))
        used = time.time() - 10_000 * (age + 1)
        os.utime(path, (used, used))
    assert upkeep.evict(layout, kind, 10_000) == 0
    assert upkeep.evict(layout, kind, 2500) == 3000
    assert sorted(p.name for p in folder.iterdir()) == ["0.npy", "1.npy"]


def test_only_what_can_be_made_again_is_evicted(layout: Layout) -> None:
    with pytest.raises(StoreError, match="Only labels and renders"):
        upkeep.evict(layout, "bundles", 0)
