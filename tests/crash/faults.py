"""A job kind for tests of survival: it counts numbers in shards, and can be asked to fail in every way.

Run as a module it is a job's process. Each shard is a file; a number is counted once if and only if its
shard is there once. `result.json` in the run's folder is the sum, written when all shards are there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from analysis.shared.errors import GanatomyError
from jobs.kinds import requests
from jobs.kinds.base import Kind, Request
from jobs.queue import attempts
from jobs.system import live
from jobs.tasks import process
from jobs.tasks.progress import Progress

Fault = Literal[
    "", "cuda", "cuda-once", "stuck", "stuck-once", "memory", "memory-eats", "bug", "person", "kill", "once"
]


class FaultRequest(Request):
    """Count `shards` numbers, `seconds` each, and fail as asked at the third."""

    shards: int = 5
    seconds: float = 0.05
    fault: Fault = ""
    number: int = 0  # makes two requests different

    def title(self) -> str:
        return f"Fault {self.fault or 'none'} {self.number}"

    def command(self) -> str:
        return "ganatomy fault"


# Registered by the faulty worker and by a fixture, never on import: other tests list the known kinds.
FAULT = Kind("fault", "fault", FaultRequest, "faults", "A fault", 99)


def work(spec: process.Spec, progress: Progress) -> None:
    """Count what is missing; say every counting in `counted.log`, so that a test sees what was done twice."""
    request = FaultRequest.model_validate(spec.request)
    folder = spec.layout.work / spec.run_id
    folder.mkdir(parents=True, exist_ok=True)
    progress.total = request.shards
    progress.begin("counting")
    for number in range(request.shards):
        file = folder / f"{number}.json"
        if file.exists():
            progress.skip(1)
            continue
        if number == 2:
            _fail(request.fault, folder)
        time.sleep(request.seconds)
        live.write(file, {"number": number})
        with (folder / "counted.log").open("a") as log:
            log.write(f"{number}\n")
        progress.advance(1)
    total = sum(
        json.loads((folder / f"{number}.json").read_text())["number"] for number in range(request.shards)
    )
    with attempts.newest(spec.job_id, spec.attempt, progress.wait):
        live.write(folder / "result.json", {"sum": total})


def _fail(fault: str, folder: Path) -> None:
    once = folder / "failed-once"
    first = not once.exists()
    once.touch()
    if fault == "cuda" or (fault == "cuda-once" and first):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    if fault == "stuck" or (fault == "stuck-once" and first):
        time.sleep(1000)
    if fault == "memory":
        raise MemoryError("no room")
    if fault == "memory-eats":
        hoard = [bytearray(b"x" * (1 << 20)) for _ in range(2000)]
        time.sleep(len(hoard))
    if fault == "bug" or (fault == "once" and first):
        raise ValueError("a bug")
    if fault == "person":
        raise GanatomyError("There is no such layer; choose another.")
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.modules["faults"] = sys.modules["__main__"]
    requests.KINDS["fault"] = FAULT
    process.main(work)
