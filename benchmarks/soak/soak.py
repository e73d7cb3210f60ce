"""A store with two workers, real jobs and faults, and what was found."""

from __future__ import annotations

import heapq
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "crash"), str(ROOT / "tests" / "support")]

from faults import FAULT, FaultRequest  # type: ignore[import-not-found]  # noqa: E402
from harness import Arena  # type: ignore[import-not-found]  # noqa: E402

from analysis.shared.errors import GanatomyError  # noqa: E402
from benchmarks.soak.disk import Disk  # noqa: E402
from benchmarks.soak.faults import Faults  # noqa: E402
from benchmarks.soak.report import Report  # noqa: E402
from benchmarks.soak.settings import (  # noqa: E402
    ACTIVE,
    CALM_MINUTES,
    ENVIRONMENT,
    GAP_S,
    MARK,
    PROCESSES,
    READERS,
    SENTENCES,
    VARIANTS,
    WORKERS,
    dissection,
    ended,
)
from benchmarks.soak.verdict import Verdict  # noqa: E402
from db.errors import StoreError  # noqa: E402
from db.layout import Layout  # noqa: E402
from jobs.kinds import requests  # noqa: E402
from jobs.kinds.base import Request  # noqa: E402
from jobs.system import processes  # noqa: E402

T = TypeVar("T")


@dataclass
class Soak:
    """The store, what runs on it, and what was found."""

    root: Path
    report: Report
    seed: int
    megabytes: int
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    frozen: list[psutil.Process] = field(default_factory=list)
    away: dict[str, Path] = field(default_factory=dict)  # bundles, by run
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # workers, readers, render
    commands: dict[subprocess.Popen[bytes], tuple[str, Path]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)  # of the jobs that were queued
    calm: bool = False
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        os.environ |= {MARK: self.mark, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **ENVIRONMENT}
        os.nice(10)
        requests.KINDS["fault"] = FAULT
        self.chance = random.Random(self.seed + 1000 * len(self.report.all("start")))
        self.disk = Disk(self.root, self.megabytes, self.family)
        self.faults = Faults(self)
        self.arena = Arena(self.root / "store")
        self.client, self.layout = self.arena.client, self.arena.client.layout
        self.reference = Layout.create(self.report.folder / "undisturbed")
        self.submitted = {entry["job"]: entry for entry in self.report.all("submitted")}
        for entry in self.report.all("submitted"):
            self.states[entry["job"]] = "queued"
        self.clocks = [self.report.folder / f"clock-{number}" for number in range(WORKERS)]

    # what the soak does all the time

    def run(self, minutes: float) -> bool:
        """The whole soak; whether all is as it must be."""
        self.report.write("start", seed=self.seed, minutes=minutes, small_disk=self.disk.mounted)
        self.prepare(max(1, int(minutes * 12) // len(VARIANTS) + 1))
        end = time.monotonic() + minutes * 60
        fault = time.monotonic() + GAP_S
        while time.monotonic() < end:
            self.tick()
            if time.monotonic() > fault:
                self.faults.disturb()
                fault = time.monotonic() + self.chance.expovariate(1 / GAP_S)
            if sum(not ended(state) for state in self.states.values()) < ACTIVE:
                self.submit()
        self.settle()
        self.finish()
        verdict = Verdict(self)
        verdict.verify()
        return verdict.summarise()

    def prepare(self, copies: int) -> None:
        """Make the undisturbed runs, and copies of the planted generator.

        A copy has the same weights under another name. So its dissections are other runs with the same
        numbers.
        """
        from analysis.models import generators
        from analysis.models.checkpoints import save_state
        from analysis.models.families import planted_shapes
        from jobs.tasks.dissection import DissectionTask
        from jobs.tasks.process import Spec
        from jobs.tasks.progress import Progress
        from jobs.tasks.task import work

        weights = self.report.folder / "planted.safetensors"
        save_state(weights, planted_shapes.weights(1))
        self.copies = [f"copy-{number:03d}" for number in range(copies)]
        for layout, names in ((self.reference, self.copies[:1]), (self.layout, self.copies)):
            for name in set(names) - set(generators.names(layout.models)):
                generators.add(name, "planted", weights, layout.models, default_segmenter="planted")
        self.undisturbed: list[str] = []
        for number, variant in enumerate(VARIANTS):
            request, run = dissection(self.copies[0], number).resolve(self.reference)
            values = request.model_dump(mode="json")
            spec = Spec(
                str(self.reference.root), f"reference-{number}", run, "dissect", values, "cpu", "", 1, ""
            )
            work(DissectionTask, spec, Progress(self.reference, spec.job_id))
            self.undisturbed.append(run)
            self.report.write("undisturbed", variant=variant, run=run)

    def tick(self) -> None:
        """A moment: what is due on the agenda, and a look at all processes and jobs."""
        time.sleep(0.1)
        while self.agenda and self.agenda[0][0] < time.monotonic():
            heapq.heappop(self.agenda)[2]()
        self.keep_alive()
        for process in [each for each in self.commands if each.poll() is not None]:
            self.command_ended(process)
        if self._due():
            self.look_at_jobs()

    def _due(self) -> bool:
        now, last = time.monotonic(), getattr(self, "_looked", 0.0)
        if now - last < 1.0:
            return False
        self._looked = now
        return True

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Put an action on the agenda."""
        heapq.heappush(self.agenda, (time.monotonic() + seconds, next(self._numbers), action))

    def keep_alive(self) -> None:
        """Start what does not run: workers, readers, the render process."""
        names = [*(f"worker-{n}" for n in range(WORKERS)), *(f"reader-{n}" for n in range(READERS)), "render"]
        for name in names:
            process = self.children.get(name)
            if process is not None and process.poll() is None:
                continue
            if process is not None and process.returncode not in (0, -signal.SIGKILL):
                self.report.write("process ended", process=name, status=process.returncode)
            with (self.report.folder / f"{name}.out").open("ab") as output:
                self.children[name] = self.start(name, output)

    def start(self, name: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process by its name."""
        kind, _, number = name.partition("-")
        if kind == "worker":
            return self.arena.spawn(output, FAULT_CLOCK=str(self.clocks[int(number)]), **ENVIRONMENT)
        if kind == "render":
            return processes.start("jobs.render.server", ["--store", str(self.layout.root)], output=output)
        log = self.report.folder / f"{name}.jsonl"
        words = ["--store", str(self.layout.root), "--log", str(log)]
        return processes.start("benchmarks.soak.reader", words, output=output)

    def call(self, what: str, function: Callable[[], T]) -> T | None:
        """The value of a call by a page or a command. A refusal must be a sentence."""
        try:
            return function()
        except (GanatomyError, StoreError) as error:
            self.refused(what, str(error))
        except Exception as error:
            self.finding(f"{what} met {type(error).__name__}: {error}")
        return None

    def refused(self, what: str, sentence: str) -> None:
        """Note a sentence; one that nobody expects is a finding."""
        known = next((name for name, sign in SENTENCES.items() if re.search(sign, sentence)), "")
        self.report.write("refused", what=what, sentence=known or sentence)
        if not known:
            self.finding(f"{what} said: {sentence}")

    def finding(self, text: str) -> None:
        """Something that must not be."""
        self.report.write("finding", text=text[:2000])
        print("FINDING", text[:500], flush=True)

    # jobs

    def submit(self) -> None:
        """Queue a job: mostly a dissection, else the kind `fault`; now and then a render is pinned."""
        number, dice = len(self.submitted), self.chance.random()
        request: Request
        variant = None
        if dice < 0.65:
            variant = self.chance.randrange(len(VARIANTS))
            request = dissection(self.chance.choice(self.copies), variant)
        elif dice < 0.95:
            fault = self.chance.choice(["", "", "person", "cuda-once"])
            request = FaultRequest(number=number, shards=self.chance.randrange(5, 60), fault=fault)
        else:
            unit = self.chance.randrange(30)
            self.command("render", "planted", f"ablate layer1 {unit}", "--latents", "0-1", "--pin")
            return
        made = self.call("submit", lambda: self.client.submit(request))
        if made is None or made.job_id is None or made.job_id in self.states:
            return
        self.states[made.job_id] = "queued"
        kind = request.kind.command
        self.report.write("submitted", job=made.job_id, run=made.run_id, kind=kind, variant=variant)
        self.submitted[made.job_id] = self.report.events[-1]

    def look_at_jobs(self) -> None:
        """Note which jobs have ended since the last look."""
        for job_id in [job_id for job_id, state in self.states.items() if not ended(state)]:
            job = self.call("job", partial(self.client.job, job_id))
            if job is None or job.state == self.states[job_id]:
                continue
            self.states[job_id] = job.state
            if job.ended:
                self.report.write("ended", job=job_id, run=job.run_id, state=job.state, error=job.error)
            if job.state == "failed":
                self.refused(f"job of kind {job.kind}", str(job.error))
            if job.state in ("failed", "cancelled") and not self.calm:
                self.later(self.chance.uniform(1, 30), partial(self.retry, job_id))

    def retry(self, job_id: str) -> None:
        """Queue a failed or cancelled job again; one that failed as asked fails again."""
        made = self.call("retry", lambda: self.client.retry(job_id))
        if made is None:
            return
        self.report.write("retried", job=job_id)
        self.states[job_id] = "queued" if made.job_id == job_id else "replaced"
        if made.job_id and made.job_id not in self.states:
            self.states[made.job_id] = "queued"
            self.submitted[made.job_id] = self.submitted[job_id]

    def command(self, *words: str) -> None:
        """Start a command of `ganatomy` on the store."""
        if len(self.commands) >= 2:
            return
        output = self.report.folder / f"command-{next(self._numbers)}.out"
        with output.open("wb") as file:
            process = processes.start("jobs.cli", [*words, "--store", str(self.layout.root)], output=file)
        self.commands[process] = (" ".join(words), output)

    def command_ended(self, process: subprocess.Popen[bytes]) -> None:
        """Note what a command said."""
        words, output = self.commands.pop(process)
        said = output.read_text()
        self.report.write("command", words=words, status=process.returncode)
        if process.returncode == 1 and "Traceback" not in said:
            for sentence in said.strip().splitlines() or ["nothing"]:
                self.refused(words, sentence)
        elif process.returncode not in (0, -signal.SIGKILL):
            self.finding(f"{words}: status {process.returncode}: {said[-1000:]}")
        output.unlink()

    def family(self, kind: str = "") -> list[psutil.Process]:
        """The soak's own processes, all or of a kind, without this one."""
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                ours = process.pid != os.getpid() and process.environ().get(MARK) == self.mark
            except psutil.Error:
                continue
            if ours and (not kind or PROCESSES[kind] in words):
                found.append(process)
        return found

    # the end

    def settle(self) -> None:
        """Stop all faults."""
        self.calm = True
        self.report.write("calm")
        for process in list(self.frozen):
            self.faults.thaw(process)
        self.disk.free()
        for clock in self.clocks:
            clock.unlink(missing_ok=True)
        for run in list(self.away):
            self.faults.bring_back(run)
        self.agenda.clear()

    def finish(self) -> None:
        """Let everything end that is queued, retry what failed once, and stop all processes."""
        self.wait()
        failed = [job for job, state in self.states.items() if state in ("failed", "cancelled")]
        for job_id in failed:
            self.retry(job_id)
        self.report.write("retried at the end", jobs=len(failed))
        self.wait()
        for name, process in self.children.items():
            process.terminate()
            if name.startswith("reader"):
                process.kill()
        for process in [*self.children.values(), *self.commands]:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                self.finding(f"process {process.pid} did not end")
                process.kill()
        time.sleep(2)
        for left in self.family():
            if "--idle" not in left.cmdline():  # a command starts a render process, which ends when unused
                self.finding(f"left behind: {' '.join(left.cmdline())}")
            left.kill()

    def wait(self) -> None:
        """Wait until every job has ended, for CALM_MINUTES at most."""
        end = time.monotonic() + CALM_MINUTES * 60
        while time.monotonic() < end:
            self.tick()
            if all(map(ended, self.states.values())) and not self.commands:
                return
        for job_id, state in self.states.items():
            if not ended(state):
                job = self.client.job(job_id)
                self.finding(f"no end: {job_id} is {state}, {job.stage}, {job.done} of {job.total}")

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.family():
            process.kill()
