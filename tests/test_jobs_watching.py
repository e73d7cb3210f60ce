"""What a worker sees of its heavy processes."""

import subprocess
import sys

from jobs.watching import Meter

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
