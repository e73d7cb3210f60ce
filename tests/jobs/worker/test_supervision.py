"""What a worker sees of its job processes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.system import live, processes
from jobs.system.settings import Settings
from jobs.system.slots import Devices
from jobs.tasks.process import Spec
from jobs.worker import supervision
from jobs.worker.supervision import JobRunner, Meter, ProgressAge

SPIKE = "hoard = bytearray(400 << 20); del hoard; print('freed', flush=True); input()"


def test_a_spike_between_two_readings_is_not_missed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SPIKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    meter = Meter(process.pid)
    assert meter.read()["memory_bytes"] < 200 << 20
    assert meter.peak > 400 << 20
    process.communicate("\n")
    assert meter.read() == {"cpu_percent": 0.0, "memory_bytes": 0}
    assert meter.peak > 400 << 20


def test_a_meter_of_nobody_reads_zero() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    meter = Meter(process.pid)
    assert (meter.read()["memory_bytes"], meter.peak) == (0, 0)


def test_a_process_that_cannot_start_gives_its_slot_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, machine = Client.at(tmp_path / "store"), Devices((), (), 1, 1)
    runner, layout = JobRunner(client, Settings(), machine), client.layout
    spec = Spec(str(layout.root), "job", "run", "dissect", {}, "", "", 1, "2026-01-01T00:00:00")

    def no_room(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "start", no_room)
    outcome = runner.run(spec, "jobs.tasks.dissection")
    assert (outcome.end, "could not be started" in outcome.reason) == ("failed", True)
    assert machine.take(layout, "cpu") is not None


def test_an_attempt_is_lost_when_its_job_is_cancelled_or_claimed_anew(tmp_path: Path) -> None:
    client = Client.at(tmp_path / "store")
    job = str(client.submit(DissectionRequest(generator="planted", images=64, calibration=64)).job_id)
    runner = JobRunner(client, Settings(), Devices((), (), 1, 1))

    def claim(moment: int) -> Spec:
        with closing(sqlite3.connect(client.layout.queue)) as queue, queue:
            change = "UPDATE workflow_status SET status = 'PENDING', started_at_epoch_ms = ?"
            queue.execute(f"{change} WHERE workflow_uuid = ?", [moment, job])
        return Spec(str(client.layout.root), job, "run", "dissect", {}, "", "", 1, f"began {moment}")

    first = claim(1000)
    assert not runner.lost(first)
    assert not runner.lost(first)
    second = claim(2000)
    assert runner.lost(first)
    assert not runner.lost(second)
    client.cancel(job)
    assert runner.lost(second)


def test_progress_ages_by_its_changes_whatever_its_own_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(supervision.time, "monotonic", lambda: now)
    file = tmp_path / "progress.json"
    live.write(file, {"done": 7, "updated": 9e9})  # an earlier process wrote it, and its clock was ahead
    age = ProgressAge(file)
    now += 4
    assert (age.seconds(), age.limit(5)) == (0, processes.LOADING_S)
    now += 4
    assert (age.seconds(), age.limit(5)) == (4, processes.LOADING_S)
    live.write(file, {"done": 8, "updated": 1.0})  # the clock was set back
    assert (age.seconds(), age.limit(5)) == (0, 5)
    now += 6
    assert age.seconds() > age.limit(5)
