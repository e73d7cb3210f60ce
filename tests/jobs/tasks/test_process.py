"""What a heavy process says of its failures, and how progress is told."""

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.system import live
from jobs.tasks import process
from jobs.tasks.progress import Progress, Stages, StopWatch


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


@given(
    kind=st.sampled_from(["time", "stages", "progress"]),
    where=st.floats(0, 1),
    bit=st.none() | st.integers(0, 7),
)
@settings(max_examples=300)
def test_a_damaged_file_of_progress_starts_anew_or_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    damaged: Callable[..., bytes],
    kind: str,
    where: float,
    bit: int | None,
) -> None:
    """The stop watch, how far stages came, and what people see: cut anywhere, or with any bit flipped."""
    folder = tmp_path_factory.getbasetemp() / "progress"
    progress, watch = Progress(Layout.create(folder), "job", total=100), StopWatch(folder / "time.json")
    for file in (folder / "stages.json", watch.file):
        file.unlink(missing_ok=True)
    stages = Stages(progress, folder / "stages.json", watch)
    for stage, done in (("a", 31), ("b", 7), ("c", 1)):
        stages(stage, done, 40)
    before = watch.save()
    shown = live.path(progress.layout, "job", "progress")
    known = live.read(shown)
    file = {"time": watch.file, "stages": stages.file, "progress": shown}[kind]
    file.write_bytes(damaged(file.read_bytes(), where, bit))
    assert live.read(shown) in (known, {})
    again = Progress(progress.layout, "job", total=100)
    Stages(again, stages.file, StopWatch(watch.file))
    assert again.done in (38, 0)
    after = StopWatch(watch.file).save()
    assert after.started_at >= before.started_at
    assert 0 <= after.seconds < before.seconds + 60
    if kind != "time":
        assert (after.started_at, after.seconds >= before.seconds) == (before.started_at, True)


@pytest.mark.parametrize(
    "values",
    [
        {"started_at": "soon", "seconds": 1},
        {"started_at": "2026-01-01T00:00:00", "seconds": None},
        {"started_at": 3, "seconds": 4.0},
        {"seconds": 4.0},
        [],
    ],
)
def test_a_stop_watch_without_a_time_starts_anew(tmp_path: Path, values: object) -> None:
    (tmp_path / "time.json").write_text(json.dumps(values))
    assert StopWatch(tmp_path / "time.json").save().seconds < 60


def test_files_of_an_earlier_version_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "time.json").write_text('{"started_at": "2026-01-01T00:00:00", "seconds": 100.0}')
    (tmp_path / "stages.json").write_text('{"a": 5, "b": 6}')
    watch = StopWatch(tmp_path / "time.json")
    assert 100 <= watch.save().seconds < 160
    progress = Progress(Layout.create(tmp_path / "store"), "job")
    Stages(progress, tmp_path / "stages.json", watch)
    assert progress.done == 11


def test_a_process_is_known_by_its_birth_too() -> None:
    assert live.alive(live.identity())
    assert not live.alive({**live.identity(), "born": 1.0})
    assert not live.alive({"pid": 2**30, "born": 1.0})
    assert not live.alive({})


def test_a_job_process_loads_no_queue() -> None:
    """DBOS and its like take 20 MB of each job process, and only a queue on a server needs them there."""
    program = (
        "import sys, jobs.tasks.dissection; print(sorted({'dbos', 'psycopg', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
