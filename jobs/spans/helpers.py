"""Helpers: processes of a job on this machine, each in a slot, that count the spans asked for.

A helper is `python -P -m jobs.tasks.span`. It loads the models once and then counts span after span, until
the job ends it. The kernel ends it when the job's process dies.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from analysis.dissection.spans import Span
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.spans.folder import SpanFolder
from jobs.system import live, processes, slots
from jobs.system.live import JsonObject
from jobs.system.settings import Settings
from jobs.system.slots import Slot

MODULE = "jobs.tasks.span"
LOOK_S = 1.0  # between two looks for a free slot
AGAIN_S = 1.0  # before a helper is started in the place of one that died
READ_S = 1.0  # between two readings of what processes report


@dataclass
class Helper:
    """One helper process. `slot` is the one that it took, or None in the slot of the job itself."""

    name: str
    process: subprocess.Popen[bytes]
    slot: str | None


@dataclass
class Helpers:
    """The helpers of one job: one in the job's own slot and, where `greedy`, one in every slot that is free.

    `spec` is the job as its process got it.
    """

    spec: JsonObject
    layout: Layout
    folder: SpanFolder
    greedy: bool
    settings: Settings = field(default_factory=Settings)
    running: list[Helper] = field(default_factory=list)
    _started: int = 0
    _deaths: int = 0  # in a row, without a span finished between them
    _requested: list[Span] = field(default_factory=list)
    _looked: float = float("-inf")
    _died: float = float("-inf")
    _heard: float = float("-inf")
    _since: dict[str, float] = field(default_factory=dict)  # when each process was first seen
    _reports: dict[str, JsonObject] = field(default_factory=dict)

    def supervise(self, left: Sequence[Span], others: Sequence[str] = ()) -> bool:
        """Ask for the spans that are left, the first ones first, and keep the helpers running.

        Returns whether there is news: of a helper, or of some other process of these names.

        Raises:
            GanatomyError: a helper cannot count a span, or dies again and again.
        """
        if len(left) != len(self._requested):
            self._deaths = 0
        if list(left) != self._requested:
            self._requested = list(left)
            self.folder.request(left)
        for helper in [each for each in self.running if each.process.poll() is not None]:
            self.running.remove(helper)
            self._end_helper(helper)
        now = time.monotonic()
        if left and now - self._died > AGAIN_S and all(helper.slot for helper in self.running):
            self._start(None)
        if self.greedy and len(self.running) < len(left) and now - self._looked > LOOK_S:
            self._looked = now
            device = str(self.spec["device"])
            while len(self.running) < len(left) and (slot := _devices().take(self.layout, device)):
                self._start(slot)
        return self._progressed([*(helper.name for helper in self.running), *others])

    def _start(self, slot: Slot | None) -> None:
        self._started += 1
        name = f"{self.spec['job_id']}-helper-{self._started}"
        spec = self.spec | {"job_id": name, "request": span_request(self.spec)}
        if slot is not None:
            spec |= {"device": slot.device, "slot": slot.name, "threads": slot.threads}
        try:
            process = processes.start(
                MODULE,
                ["--job", name],  # unused by the process; names it in `ps`
                environment=slot.environment() if slot else None,
                inherited=[slot.lock.fd] if slot else (),
                stdin=subprocess.PIPE,
            )
        finally:
            if slot is not None:
                slot.lock.release()  # the helper inherited it
        with suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(spec).encode())
        self.running.append(Helper(name, process, slot.name if slot else None))

    def _end_helper(self, helper: Helper) -> None:
        """Note a helper's end; its span is counted by another, unless that cannot help."""
        self._died = time.monotonic()
        self._deaths += 1
        error = live.read(live.path(self.layout, helper.name, "error"))
        self._forget(helper)
        reason = error.get("reason") or f"A process that counted spans ended ({helper.process.returncode})."
        structlog.get_logger().warning("a helper ended", helper=helper.name, reason=reason)
        if error.get("kind", "cuda") != "cuda" or self._deaths > self.settings.restarts + len(self.running):
            raise GanatomyError(str(reason))

    def _progressed(self, names: Sequence[str]) -> bool:
        """Whether a process has reported, or may still be loading; asked once a second at most."""
        now = time.monotonic()
        if now - self._heard < READ_S:
            return False
        self._heard = now
        reports = {name: live.read(live.path(self.layout, name, "progress")) for name in names}
        self._since = {name: self._since.get(name, now) for name in names}
        loading = [
            name
            for name, report in reports.items()
            if not report and now - self._since[name] < processes.LOADING_S
        ]
        news = reports != self._reports or bool(loading)
        self._reports = reports
        return news

    def _forget(self, helper: Helper) -> None:
        live.forget(self.layout, helper.name, "progress", "error")

    def close(self) -> None:
        """End all helpers."""
        for helper in self.running:
            helper.process.kill()  # what it has is in files
        for helper in self.running:
            helper.process.wait()
            self._forget(helper)
        self.running.clear()


def span_request(spec: JsonObject, spans: Sequence[JsonObject] = ()) -> JsonObject:
    """What a process is asked that counts spans of a job: these, or else what the job asks for in a file."""
    return {
        "job": spec["job_id"],
        "run": spec["run_id"],
        "request": spec["request"],
        "device": spec["device"],  # counts of a GPU and of a CPU may differ in a last bit
        "spans": list(spans),
    }


def _devices() -> slots.Devices:
    return slots.of_worker(Settings())
