"""The worker's side of a job process: start it, watch it, stop it, and report how it ended.

A job process ends in one of these ways. It is done; it fails and leaves its reason in a file; somebody kills
it; or the worker stops it, because it made no progress or took too much memory, or because the job was
cancelled or the worker itself stops.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import psutil
import structlog
from sqlalchemy.exc import OperationalError

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.queue import attempts, reports, server
from jobs.queue.client import Client
from jobs.system import live, processes
from jobs.system.live import JsonObject
from jobs.system.settings import Settings
from jobs.system.slots import Devices, Slot
from jobs.tasks.process import FULL, NO_ROOM, Spec
from jobs.worker import saves

POLL_S = 0.1
SAMPLE_S = 1.0  # between two readings of memory, progress and the queue
End = Literal["done", "failed", "retry", "cancelled", "stopping"]


@dataclass(frozen=True)
class Outcome:
    """How a job process ended. `retry` is a failure that a fresh process may not meet."""

    end: End
    reason: str = ""


@dataclass
class JobRunner:
    """Runs jobs in processes of their own, with the devices and settings of one worker."""

    client: Client
    settings: Settings
    devices: Devices
    stopping: threading.Event = field(default_factory=threading.Event)
    children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    executor: str = ""  # of the worker
    _logs: dict[str, int] = field(default_factory=dict)  # how long the log was that was sent, by job
    _claimed: dict[tuple[str, str], int | None] = field(default_factory=dict)  # by job and attempt

    @property
    def layout(self) -> Layout:
        """The store."""
        return self.client.layout

    def run(self, spec: Spec, module: str, whole: bool = True) -> Outcome:
        """Run a job to its end. A job process that fails is replaced as long as each one gets further.

        A part of a job, which is not `whole`, saves nothing that another host could go on from.
        """
        if server.address() is None:
            return self._run(spec, module)
        try:
            number = server.patiently(
                lambda: attempts.begin(spec.job_id, self.executor), self.stopping.is_set
            )
        except GanatomyError as error:
            return Outcome("stopping") if self.stopping.is_set() else Outcome("failed", str(error))
        spec = replace(spec, attempt=number, worker=self.executor)
        self._logs.pop(spec.job_id, None)
        if not whole:
            return self._run(spec, module)
        saves.restore(self.layout, spec.run_id, number)
        copier = saves.Copier(self.layout, spec.run_id, number, self.settings.copy_seconds)
        copier.start()
        outcome = Outcome("failed")
        try:
            outcome = self._run(spec, module)
        finally:
            copier.stop(outcome.end == "done")
        return outcome

    def _run(self, spec: Spec, module: str) -> Outcome:
        wasted, reached = 0, 0
        while True:
            slot = self._slot(spec)
            if isinstance(slot, Outcome):
                return slot
            outcome = self._attempt(spec, module, slot)
            if outcome.end != "retry":
                return outcome
            done = live.read(live.path(self.layout, spec.job_id, "progress")).get("done", 0)
            wasted = 0 if done > reached else wasted + 1
            reached = max(reached, done)
            structlog.get_logger().warning("attempt failed", reason=outcome.reason, done=done)
            if wasted > self.settings.restarts:
                return Outcome("failed", outcome.reason)

    def _slot(self, spec: Spec) -> Slot | Outcome:
        """A device for the job, as soon as one is free."""
        device = str(spec.request.get("device", "auto"))
        if device == "cuda" and not self.devices.gpus:
            return Outcome(
                "failed", "The job asks for a GPU and this machine has none; ask for device auto or cpu."
            )
        while (slot := self.devices.take(self.layout, device)) is None:
            if ended := self._interruption(spec):
                return ended
            self._report(spec, {"waiting": "waiting for a free slot"})
            time.sleep(0.2)
        return slot

    def _report(self, spec: Spec, values: JsonObject) -> None:
        """Write what people see of the process; neither a full disk nor an outage must stop the job."""
        with suppress(OSError, GanatomyError):
            live.write_checked(live.path(self.layout, spec.job_id, "watch"), values)
            known = self._logs.get(spec.job_id, -1)
            self._logs[spec.job_id] = reports.send(self.layout, spec.job_id, spec.attempt, known)

    def _interruption(self, spec: Spec) -> Outcome | None:
        """How the job must end now, if the worker is told to stop or the job was cancelled."""
        if self.stopping.is_set():
            return Outcome("stopping")
        return Outcome("cancelled") if self.lost(spec) else None

    def lost(self, spec: Spec) -> bool:
        """Whether the job was cancelled since this attempt began, or is another worker's.

        It may have been retried since, and claimed again. Then its row says PENDING as before, but the time
        of the claim is another. While a server does not answer, nobody can tell.
        """
        try:
            found = self.client.queue.list_workflows(
                workflow_ids=[spec.job_id], load_input=False, load_output=False
            )
        except OperationalError:
            if server.address() is None:
                raise
            return False
        if not found or found[0].status != "PENDING":
            return True
        claimed = found[0].dequeued_at
        return self._claimed.setdefault((spec.job_id, spec.started_at), claimed) != claimed

    def _attempt(self, spec: Spec, module: str, slot: Slot) -> Outcome:
        """One job process from start to end."""
        live.forget(self.layout, spec.job_id, "error")
        spec = replace(spec, device=slot.device, slot=slot.name, threads=slot.threads)
        try:
            with (self.layout.logs / f"{spec.job_id}.log").open("ab") as log:
                process = processes.start(
                    module,
                    ["--job", spec.job_id],  # unused by the process; names the job in `ps`
                    environment=slot.environment(),
                    inherited=[slot.lock.fd],
                    output=log,
                    stdin=subprocess.PIPE,
                )
        except OSError as error:
            return Outcome("failed", f"Its process could not be started ({error}); mend that, then retry it.")
        finally:
            # The child inherited the lock's file descriptor, and the kernel frees the lock when its last
            # holder closes it. So the slot stays taken exactly as long as the job process lives, even if
            # this worker is killed first. Without a child this frees the slot at once.
            slot.lock.release()
        self.children.add(process)
        with suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(vars(spec)).encode())
        try:
            return self._watch(spec, slot, process)
        finally:
            processes.stop(process, grace=2.0)
            self.children.discard(process)
            self._logs.pop(spec.job_id, None)
            with suppress(OSError, GanatomyError):
                reports.send(self.layout, spec.job_id, spec.attempt)  # the end of its log

    def _watch(self, spec: Spec, slot: Slot, process: subprocess.Popen[bytes]) -> Outcome:
        """Wait for the end of a process, and stop it when it must not go on."""
        # Durations are measured on the monotonic clock: the wall clock may be set back while a job runs.
        sampled = time.monotonic() - SAMPLE_S
        age = ProgressAge(live.path(self.layout, spec.job_id, "progress"))
        limit = self.settings.memory_bytes(len(self.devices.names))
        meter = Meter(process.pid)
        while process.poll() is None:
            time.sleep(POLL_S)
            if time.monotonic() - sampled < SAMPLE_S:
                continue
            sampled = time.monotonic()
            self._report(spec, {"device": slot.name, "pid": process.pid, **meter.read()})
            # A job that counts in several slots has the memory of all of them.
            if meter.peak > limit * int((age.report or {}).get("slots", 1)):
                return Outcome(
                    "failed",
                    f"It took more than {limit / 2**30:.1f} GiB of memory, the limit of a slot, and was "
                    "stopped; ask for fewer layers at a time, or raise GANATOMY_SLOT_MEMORY_GB.",
                )
            if ended := self._interruption(spec):
                return ended
            if age.seconds() > age.limit(self.settings.stuck_seconds):
                return Outcome(
                    "retry", f"It made no progress for {self.settings.stuck_seconds:.0f} s and was stopped."
                )
        return self._ended(spec.job_id, process.returncode)

    def _ended(self, job_id: str, status: int) -> Outcome:
        """The outcome behind an exit status and the error file that the process may have left."""
        if status == 0:
            return Outcome("done")
        if self.stopping.is_set():
            return Outcome("stopping")
        if status == FULL:  # the disk had no room for an error file
            return Outcome("failed", NO_ROOM)
        if error := live.read(live.path(self.layout, job_id, "error")):
            return Outcome("retry" if error["kind"] == "cuda" else "failed", error["reason"])
        if status < 0:
            return Outcome(
                "retry", f"Its process was killed (signal {-status}); perhaps the machine ran out of memory."
            )
        return Outcome(
            "retry", f"Its process ended with status {status} and no reason; the log may have one."
        )


@dataclass
class ProgressAge:
    """How long a job process has reported nothing new.

    The age counts from the last change of the file that this worker saw. The times in the file are the wall
    clock's, so they say nothing about a duration.
    """

    file: Path
    report: JsonObject | None = None
    _changed: float = field(default_factory=time.monotonic)
    _reports: int = -1  # new ones; the first reading may be the file of an earlier process

    def seconds(self) -> float:
        """Seconds since the last new report or, before the first, since the start."""
        report = live.read(self.file)
        if report != self.report:
            self.report = report
            self._reports += 1
            self._changed = time.monotonic()
        return time.monotonic() - self._changed

    def limit(self, stuck_seconds: float) -> float:
        """The age at which the process counts as stuck. It is longer while the process loads."""
        return stuck_seconds if self._reports > 0 else max(stuck_seconds, processes.LOADING_S)


@dataclass
class Meter:
    """CPU and memory of a process and its children."""

    pid: int
    peak: int = 0  # bytes: the most that was ever resident, also between two readings
    _process: psutil.Process | None = None

    def read(self) -> dict[str, float]:
        """CPU since the last call (percent of one core) and resident memory (bytes); zeros after the end."""
        try:
            self._process = self._process or psutil.Process(self.pid)
            cpu = self._process.cpu_percent(None)
            family = [self._process, *self._process.children(recursive=True)]
            memory = sum(process.memory_info().rss for process in family)
        except psutil.Error:
            return {"cpu_percent": 0.0, "memory_bytes": 0}
        self.peak = max(self.peak, memory, _peak_memory(self.pid))
        return {"cpu_percent": cpu, "memory_bytes": memory}


def _peak_memory(pid: int) -> int:
    """The most resident memory that a process ever had, in bytes; 0 after its end.

    The kernel keeps this peak (VmHWM). A process that takes too much for an instant is caught by it, though
    no reading falls into that instant.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
