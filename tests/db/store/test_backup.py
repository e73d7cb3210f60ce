"""Backups of a store that changes meanwhile, that is damaged, and that are killed."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from children import until

from db import store
from db.layout import Layout
from db.store import backup, bundles, publication, removal

WriteRun = Callable[..., Path]
RUNS = [f"run-{number:02d}" for number in range(12)]
BACKUP = (
    "import sys; from pathlib import Path; from db.layout import Layout; from db.store import backup; "
    "made = backup.backup(Layout(Path(sys.argv[1])), Path(sys.argv[2])); print(made.problems)"
)


def write(layout: Layout, run_id: str, state: str = "final") -> None:
    facts = {"run_id": run_id, "kind": "dissection", "state": state}
    bundles.write(layout, facts, {}, {"x": {"noise": np.random.default_rng(0).random(400_000)}})


@pytest.fixture
def large(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A store whose replaced revisions go at once, as they do in a backup of some minutes."""
    monkeypatch.setattr(publication, "REVISION_GRACE_S", -1.0)
    for run_id in RUNS:
        write(layout, run_id)
    store.publish(layout)
    return layout


@contextmanager
def stopped(layout: Layout, target: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A backup in a process of its own, stopped while it writes."""
    command = [sys.executable, "-c", BACKUP, str(layout.root), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        until(lambda: any(p.stat().st_size > 1 << 20 for p in target.parent.glob(f".{target.name}*")))
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_a_slow_backup_has_every_run_however_often_they_are_replaced(large: Layout, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    with stopped(large, target) as process:
        assert not target.exists()
        for _ in range(2):
            for run_id in RUNS:
                write(large, run_id)
            store.publish(large)
        kept = [run_id for run_id in RUNS if len(bundles.revisions(large, run_id)) > 1]
        removal.archive(large, RUNS[-1])
        removal.delete(large, RUNS[-2])
        write(large, "new")
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=120)[0] == b"[]\n"
    assert len(kept) == 1, "the revision that the backup reads, and no other, is kept for it"
    restored = backup.restore(target, tmp_path / "restored")
    assert {*RUNS[:-2]} <= {*bundles.run_ids(restored)} <= {*RUNS[:-1], "new"}
    assert removal.archived(restored) == [RUNS[-1]]
    for run_id in bundles.run_ids(restored):
        bundles.latest(restored, run_id).verify()
    publication.prune(large)
    assert len(bundles.revisions(large, kept[0])) == 1


def test_a_killed_backup_leaves_the_older_one(large: Layout, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    target.write_bytes(b"the older one")
    with stopped(large, target) as process:
        process.kill()
    assert target.read_bytes() == b"the older one"


@pytest.mark.parametrize("victim", ["manifest.json", "tables/unit.parquet", "arrays/counts-layer1.npz"])
@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_a_damaged_bundle_is_named_and_the_rest_is_there(
    layout: Layout, write_run: WriteRun, tmp_path: Path, victim: str, harm: str
) -> None:
    for run_id in "abc":
        write_run(run_id)
    store.publish(layout)
    path = layout.bundles / "b" / "1" / victim
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content) if harm == "flip" else path.unlink()
    made = backup.backup(layout, tmp_path / "b.tar")
    assert len(made.problems) == 1
    assert "run b is missing" in made.problems[0] or str(path) in made.problems[0]
    restored = backup.restore(made.path, tmp_path / "restored")
    assert {"a", "c"} <= {*bundles.run_ids(restored)}


def test_a_file_that_does_not_read_back_gets_no_name(large: Layout, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    with stopped(large, target) as process:
        [aside] = tmp_path.glob(f".{target.name}*")
        with aside.open("r+b") as file:  # a disk that does not give back what was written
            file.seek(1 << 19)
            file.write(b"!!")
        process.send_signal(signal.SIGCONT)
        process.wait(120)
    assert process.returncode == 1
    assert not target.exists()
