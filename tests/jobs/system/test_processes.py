"""Child processes, locks and live files: what the kernel ends or frees when a process dies."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jobs.system import live, locks, processes

PARENT = """
import sys, time
from jobs.system import processes
child = processes.start("http.server", ["0", "--bind", "127.0.0.1"], bound=sys.argv[1] == "bound")
print(child.pid, flush=True)
time.sleep(100)
"""


def gone(pid: int, seconds: float) -> bool:
    """Whether a process ends within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("kind", ["bound", "free"])
def test_only_a_bound_child_dies_with_its_parent(kind: str) -> None:
    command = [sys.executable, "-P", "-c", PARENT, kind]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.5)  # for the child to have asked the kernel
    parent.kill()
    parent.wait()
    if kind == "bound":
        assert gone(pid, 5)
    else:
        assert not gone(pid, 0.5)
        psutil.Process(pid).kill()


def test_a_lock_is_held_as_long_as_a_child_that_inherited_it_lives(tmp_path: Path) -> None:
    lock = locks.take(tmp_path, "slot")
    assert lock is not None
    child = processes.start("http.server", ["0", "--bind", "127.0.0.1"], inherited=[lock.fd])
    lock.release()
    assert locks.take(tmp_path, "slot") is None
    assert processes.stop(child) != 0
    assert locks.take(tmp_path, "slot") is not None


def test_a_later_process_of_the_same_id_is_another(tmp_path: Path) -> None:
    file = tmp_path / "me.json"
    live.write(file, live.identity())
    assert live.alive(live.read(file))
    assert not live.alive({"pid": os.getpid(), "born": 1.0})
    file.write_text("{")
    assert live.read(file) == {}
    assert not live.alive({})


def test_a_process_is_the_same_one_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    before = live.identity()
    monkeypatch.setattr(psutil, "boot_time", lambda: 1.0)  # it follows from the wall clock
    assert live.alive(before)
    assert not live.alive({**before, "machine": "another"})


FAULTS = """
import resource, torch
from jobs.system.processes import keep_memory
def faults():
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(64 << 18)  # 64 MiB, more than malloc takes from its heap by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun
faults()
before = faults()
keep_memory()
faults()
print(before, faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no malloc of glibc")
def test_freed_memory_is_used_again() -> None:
    """Each block of 64 MiB is 16,384 pages of 4 KiB that the kernel would have to fill."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = (int(word) for word in done.stdout.split())
    assert before > 20 * 20
    assert after < before / 20
