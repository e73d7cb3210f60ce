"""Full or read-only disks, flipped bytes, two programs on one store: one sentence, and an unchanged store."""

import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema.base import run
from db.schema.dissection import unit_concept
from db.store import bundles, versions
from db.store.files import point, unique

WriteRun = Callable[..., Path]
MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB where this user may mount one; else a process limit on the size of a file stands in."""
    mount = tmp_path / "small disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "ganatomy-test", str(mount)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MEGABYTE, limits[1]))
    yield mount
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if mounted:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def published(layout: Layout) -> list[str]:
    return sorted(store.open(layout).read(run.select()).run_id)


def files(layout: Layout) -> set[str]:
    return {str(p.relative_to(layout.root)) for p in layout.root.rglob("*") if p.name != "commit.lock"}


def test_a_full_disk_is_one_sentence_and_changes_nothing(small_disk: Path, write_run: WriteRun) -> None:
    layout = Layout.create(small_disk)
    write_run("a", into=layout)
    store.publish(layout)
    noise = np.random.default_rng(1).integers(0, 255, 20 * MEGABYTE, np.uint8)
    before = files(layout)
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        bundles.write(layout, {"run_id": "big"}, {}, {"x": {"noise": noise}})
    assert files(layout) - before <= {"bundles/big"}
    assert published(layout) == ["a"]


def test_a_disk_that_fills_while_publishing(small_disk: Path, write_run: WriteRun) -> None:
    layout = Layout.create(small_disk)
    write_run("a", into=layout)
    store.publish(layout)
    rows = 60_000
    noise = np.random.default_rng(1).random((rows, 3))
    frame = pd.DataFrame(noise, columns=["iou", "iqr", "null_iou"]).assign(unit=range(rows), layer="layer1")
    bundles.write(layout, {"run_id": "big"}, {"unit_concept": frame})
    filler = layout.root / "filler"
    with filler.open("wb") as file:
        _fill(file.fileno(), leave=1 * MEGABYTE)
    before = files(layout)
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        store.publish(layout)
    assert files(layout) == before
    assert published(layout) == ["a"]
    filler.unlink()
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    )
    store.publish(layout)
    assert published(layout) == ["a", "big"]


def _fill(handle: int, leave: int) -> None:
    room = os.fstatvfs(handle)
    wanted = room.f_bavail * room.f_frsize - leave
    if wanted < 100 * MEGABYTE:  # the small disk, not the machine's own
        os.write(handle, bytes(max(wanted, 0)))


READ_ONLY = """
import os, sys
from db import store, workspace
from db.store import bundles
from db.errors import StoreError
from db.layout import Layout
from db.schema.base import run
layout = Layout(sys.argv[1])
store.open(layout).read(run.select())
workspace.open(layout)
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere: become nobody
print(sorted(store.open(layout).read(run.select()).run_id))
for act in (
    lambda: bundles.write(layout, {"run_id": "b"}, {}),
    lambda: store.publish(layout),
    lambda: store.rebuild(layout),
    lambda: workspace.open(layout).add("note", "ada", text="x"),
    lambda: Layout.create(layout.root / "inner"),
):
    try:
        act()
        print("written")
    except StoreError as error:
        print(error)
"""


def test_a_read_only_directory(layout: Layout, write_run: WriteRun) -> None:
    write_run("a")
    store.publish(layout)
    write_run("waits")
    for path in (layout.root, *(p for p in layout.root.rglob("*") if p.is_dir())):
        path.chmod(0o555)
    for path in layout.root.parents:
        if path.stat().st_uid == os.getuid() and path.name.startswith(("pytest", "test", "popen")):
            path.chmod(0o755)
    child = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(layout.root)], capture_output=True, text=True, check=False
    )
    for path in (layout.root, *(p for p in layout.root.rglob("*") if p.is_dir())):
        path.chmod(0o755)
    first, *sentences = child.stdout.splitlines()
    assert first == "['a']", child.stderr
    assert len(sentences) == 5, child.stderr
    for sentence in sentences:
        assert "read-only" in sentence or "permissions" in sentence or "cannot be made" in sentence
    assert child.stderr == ""


def test_a_flipped_byte_anywhere_is_seen_or_harmless(layout: Layout, write_run: WriteRun) -> None:
    write_run("a", units=500)
    whole = store.publish(layout).read_bytes()
    expected = store.open(layout).read(unit_concept.select())
    dice, sentences = random.Random(1), []
    for _ in range(30):
        content = bytearray(whole)
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        flipped = layout.versions / f"{unique('v00000001')}.duckdb"
        flipped.write_bytes(content)
        point(layout.current, flipped)
        try:
            pd.testing.assert_frame_equal(store.open(layout).read(unit_concept.select()), expected)
        except StoreError as error:
            sentences.append(str(error))
    assert len(sentences) > 5
    assert all("ganatomy store rebuild" in sentence for sentence in sentences)
    store.rebuild(layout)
    assert published(layout) == ["a"]


WRITE = """
import sys
from pathlib import Path
from db import store
from db.store import bundles
from db.layout import Layout
layout = Layout.create(Path(sys.argv[1]))
for number in range(5):
    bundles.write(layout, {"run_id": f"{sys.argv[2]}-{number}"}, {})
    store.publish(layout)
"""


def test_two_programs_start_on_one_new_store(tmp_path: Path) -> None:
    root = tmp_path / "a new store"
    children = [subprocess.Popen([sys.executable, "-c", WRITE, str(root), name]) for name in ("one", "two")]
    assert [child.wait() for child in children] == [0, 0]
    layout = Layout(root)
    assert len(published(layout)) == 10
    assert versions.current(layout) == max(layout.versions.iterdir())
