"""The worker's side of a heavy process: start it, watch it, stop it, and say what became of it.

A process ends in one of these ways: done; its own reason (a file it leaves); killed by somebody; stopped by
us because it made no progress, took too much memory, was cancelled, or because the worker is going down.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
import structlog

from db.layout import Layout
from jobs.system import live, processes
from jobs.system.settings import Settings
from jobs.system.slots import Devices, Slot
from jobs.tasks import process as heavy
from jobs.tasks.process import Spec

TICK = 0.1
LOADING = 120.0  # seconds that a process may take to its first report: it imports torch and reads weights
End = Literal["done", "failed", "again", "cancelled", "stopping"]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `again` is a failure that a fresh process may not have."""

    end: End
    reason: str = ""


@dataclass
class Watch:
    """One job under watch, with the worker's means."""

    layout: Layout
    settings: Settings
    devices: Devices
    stopping: threading.Event
    lost: Callable[[Spec], bool]  # whether somebody took the job away from this attempt
    children: set[subprocess.Popen[bytes]] = field(default_factory=set)

    def run(self, spec: Spec, module: str) -> Outcome:
        """Run a job to its end, with fresh processes while they get further; never 'again'."""
        wasted, reached = 0, 0
        while True:
            slot = self._slot(spec)
            if isinstance(slot, Outcome):
                return slot
            outcome = self._attempt(spec, module, slot)
            if outcome.end != "again":
                return outcome
            done = live.read(live.path(self.layout, spec.job_id, "progress")).get("done", 0)
            wasted = 0 if done > reached else wasted + 1
            reached = max(reached, done)
            structlog.get_logger().warning(
                "attempt failed", job=spec.job_id, reason=outcome.reason, done=done
            )
            if wasted > self.settings.restarts:
                return Outcome("failed", outcome.reason)

    def _slot(self, spec: Spec) -> Slot | Outcome:
        """A device for the job, when one is free."""
        wish = str(spec.request.get("device", "auto"))
        if wish == "cuda" and not self.devices.gpus:
            return Outcome(
                "failed", "The job asks for a GPU and this machine has none; ask for device auto or cpu."
            )
        while (slot := self.devices.take(self.layout, wish)) is None:
            if ended := self._told(spec):
                return ended
            self._say(spec.job_id, {"waiting": "waiting for a free slot"})
            time.sleep(0.2)
        return slot

    def _say(self, job_id: str, values: dict[str, Any]) -> None:
        """Tell people; a full disk must not stop the watch."""
        with suppress(OSError):
            live.write(live.path(self.layout, job_id, "watch"), values)

    def _told(self, spec: Spec) -> Outcome | None:
        """Whether somebody wants the job, or the worker, to end."""
        if self.stopping.is_set():
            return Outcome("stopping")
        return Outcome("cancelled") if self.lost(spec) else None

    def _attempt(self, spec: Spec, module: str, slot: Slot) -> Outcome:
        """One heavy process from start to end."""
        live.forget(self.layout, spec.job_id, "error")
        spec = Spec(**{**asdict(spec), "device": slot.device, "slot": slot.name, "threads": slot.threads})
        try:
            process = self._start(spec, module, slot)
        except OSError as error:
            return Outcome("failed", f"Its process could not be started ({error}); mend that, then retry it.")
        finally:
            slot.lock.release()  # the process, if there is one, holds it now, for as long as it lives
        self.children.add(process)
        with suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(asdict(spec)).encode())
        try:
            return self._watch(spec, slot, process)
        finally:
            processes.stop(process, grace=2.0)
            self.children.discard(process)

    def _start(self, spec: Spec, module: str, slot: Slot) -> subprocess.Popen[bytes]:
        with (self.layout.logs / f"{spec.job_id}.log").open("ab") as log:
            return processes.start(
                module,
                ["--job", spec.job_id],
                environment=slot.environment(),
                keep=[slot.lock.fd],
                output=log,
                stdin=subprocess.PIPE,
            )

    def _watch(self, spec: Spec, slot: Slot, process: subprocess.Popen[bytes]) -> Outcome:
        started, sampled = time.time(), 0.0
        limit = self.settings.memory_bytes(len(self.devices.names))
        meter = Meter(process.pid)
        while process.poll() is None:
            time.sleep(TICK)
            if time.time() - sampled < 1.0:
                continue
            sampled = time.time()
            usage = meter.read()
            values = {"device": slot.name, "pid": process.pid, **usage}
            self._say(spec.job_id, values)
            if meter.peak > limit:
                return Outcome("failed", _too_much(limit))
            if ended := self._told(spec):
                return ended
            if self._stuck(spec.job_id, started):
                return Outcome(
                    "again", f"It made no progress for {self.settings.stuck_seconds:.0f} s and was stopped."
                )
        return self._ended(spec.job_id, process.returncode)

    def _stuck(self, job_id: str, started: float) -> bool:
        """True when the process has said nothing for longer than it may."""
        said = float(live.read(live.path(self.layout, job_id, "progress")).get("updated", 0.0))
        limit = self.settings.stuck_seconds
        return time.time() - max(said, started) > (limit if said > started else max(limit, LOADING))

    def _ended(self, job_id: str, status: int) -> Outcome:
        """What the exit status and the file left behind say."""
        if status == 0:
            return Outcome("done")
        if self.stopping.is_set():
            return Outcome("stopping")
        left = live.read(live.path(self.layout, job_id, "error"))
        if status == heavy.FULL:
            return Outcome("failed", heavy.NO_ROOM)
        if left:
            return Outcome("again" if left["kind"] == "cuda" else "failed", left["reason"])
        if status < 0:
            return Outcome(
                "again", f"Its process was killed (signal {-status}); perhaps the machine ran out of memory."
            )
        return Outcome(
            "again", f"Its process ended with status {status} and no reason; the log may have one."
        )


@dataclass
class Meter:
    """CPU and memory of a process and its children."""

    pid: int
    peak: int = 0  # bytes: the most it ever had, between two readings too
    _process: psutil.Process | None = None

    def read(self) -> dict[str, float]:
        """CPU in percent of one core since the last call, resident memory in bytes; zeros once it is gone."""
        try:
            self._process = self._process or psutil.Process(self.pid)
            cpu = self._process.cpu_percent(None)
            family = [self._process, *self._process.children(recursive=True)]
            memory = sum(one.memory_info().rss for one in family)
            self.peak = max(self.peak, memory, _high_water(self.pid))
            return {"cpu_percent": cpu, "memory_bytes": memory}
        except psutil.Error:
            return {"cpu_percent": 0.0, "memory_bytes": 0}


def _high_water(pid: int) -> int:
    """The most resident memory that a process ever had, in bytes, as the kernel noted it; 0 once it is
    gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _too_much(limit: int) -> str:
    return (
        f"It took more than {limit / 2**30:.1f} GiB of memory, the limit of a slot, and was stopped; "
        "ask for fewer layers at a time, or raise GANATOMY_SLOT_MEMORY_GB."
    )
