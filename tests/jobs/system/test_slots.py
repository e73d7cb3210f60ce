"""Slots: one job process a GPU, shared by all stores of a machine; CPU slots with their share of cores."""

from pathlib import Path

import pytest

from db.layout import Layout
from jobs.system import slots
from jobs.system.slots import Devices


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "GPU_LOCKS", tmp_path / "gpus")
    monkeypatch.setattr(slots, "cores", lambda: 8)


def test_each_gpu_is_held_by_one_process_of_any_store(layout: Layout, tmp_path: Path) -> None:
    found, other = Devices(("0", "GPU-b"), ("a", "b"), 2, 4), Layout.create(tmp_path / "other")
    first, second = found.take(layout, "auto"), found.take(other, "cuda")
    assert first is not None
    assert second is not None
    assert [slot.name for slot in (first, second)] == ["cuda-0", "cuda-GPU-b"]
    assert second.environment()["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert found.take(layout, "auto") is None
    first.lock.release()
    again = found.take(other, "auto")
    assert again is not None
    assert (again.name, again.device, again.threads) == ("cuda-0", "cuda", 4)


def test_a_card_is_one_whatever_a_process_calls_it(layout: Layout) -> None:
    by_number, by_name = Devices(("1",), ("b",), 1, 8), Devices(("GPU-b",), ("b",), 1, 8)
    held = by_number.take(layout, "cuda")
    assert held is not None
    assert by_name.take(layout, "cuda") is None
    assert slots.GPU_LOCKS.stat().st_mode & 0o7777 == 0o1777
    assert (slots.GPU_LOCKS / "b.lock").stat().st_mode & 0o777 == 0o644
    held.lock.release()
    assert by_name.take(layout, "cuda") is not None


def test_cpu_slots_are_a_stores_and_share_the_cores(layout: Layout) -> None:
    found = Devices((), (), 2, 4)
    taken = [found.take(layout, wish) for wish in ("auto", "cpu", "auto")]
    assert [slot and slot.name for slot in taken] == ["cpu-0", "cpu-1", None]
    assert taken[0] is not None
    variables = taken[0].environment()
    assert variables["CUDA_VISIBLE_DEVICES"] == ""  # a CPU slot sees no GPU
    assert {variables[name] for name in variables if name.endswith("_NUM_THREADS")} == {"4"}


def test_a_job_for_the_cpu_leaves_the_gpu_free(layout: Layout) -> None:
    found = Devices(("0",), ("a",), 1, 8)
    slot = found.take(layout, "cpu")
    assert slot is not None
    assert slot.device == "cpu"
    assert found.take(layout, "cuda") is not None


def test_a_machine_without_a_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.system.settings import Settings

    monkeypatch.setattr(slots, "driver", lambda: False)
    assert slots.detect(Settings(cpu_slots=3)).names == ("cpu-0", "cpu-1", "cpu-2")
    monkeypatch.setattr(slots, "driver", lambda: True)
    monkeypatch.setattr(slots, "_gpus", lambda: {"0": "a"})
    assert slots.detect(Settings()).names == ("cuda-0",)
