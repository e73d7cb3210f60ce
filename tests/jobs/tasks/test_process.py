"""What a heavy process says of its failures, and how progress is told."""

import errno
import time
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.system import live
from jobs.tasks import process
from jobs.tasks.progress import Progress


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GanatomyError("No such layer; choose another."), "person"),
        (StoreError("The store is full; free some space."), "person"),
        (OSError(errno.ENOSPC, "No space left on device"), "person"),
        (MemoryError(), "memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"),
            "memory",
        ),
        (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be"), "cuda"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), "cuda"),
        (ValueError("nonsense"), "bug"),
        (PermissionError(errno.EACCES, "Permission denied"), "bug"),
    ],
)
def test_a_failure_is_explained_in_one_line(error: Exception, kind: str) -> None:
    found, reason = process.explain(error)
    assert found == kind
    assert reason
    assert "\n" not in reason


def test_progress_measures_what_was_done_now(tmp_path: Path) -> None:
    progress = Progress(Layout.create(tmp_path), "job", total=100)
    progress.begin("calibration")
    assert progress.rate is None
    progress.skip(40)
    assert progress.rate is None
    for _ in range(5):
        time.sleep(0.02)
        progress.advance(4)
    assert progress.rate is not None
    assert 2 < progress.rate < 210
    told = live.read(live.path(progress.layout, "job", "progress"))
    assert (told["stage"], told["done"], told["total"]) == ("calibration", 60, 100)
    assert told["seconds_left"] == pytest.approx(40 / told["images_per_s"])


def test_a_live_file_is_whole_or_empty(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert live.read(file) == {}
    live.write(file, {"a": 1})
    assert live.read(file) == {"a": 1}
    file.write_text("[1, 2")
    assert live.read(file) == {}
    assert list(tmp_path.iterdir()) == [file]


def test_a_process_is_known_by_its_birth_too() -> None:
    assert live.alive(live.identity())
    assert not live.alive({**live.identity(), "born": 1.0})
    assert not live.alive({"pid": 2**30, "born": 1.0})
    assert not live.alive({})
