"""Child processes of tests: a free port, waiting for something, a worker on a store."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], T], seconds: float = 90, what: str = "it") -> T:
    """Wait until a condition is true and return its value; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return value


@contextmanager
def worker(root: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on a store, with one slot and a short poll; it is ended afterwards."""
    quick = {"OMP_NUM_THREADS": "1", "GANATOMY_POLL_SECONDS": "0.05", "GANATOMY_CPU_SLOTS": "1"}
    command = [sys.executable, "-P", "-m", "jobs.worker", "--store", str(root)]
    process = subprocess.Popen(command, env={**os.environ, **quick, **environment})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
