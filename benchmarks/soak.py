"""A soak: a store with two workers, while processes are killed, files damaged and the disk fills.

    .venv/bin/python -m benchmarks.soak --minutes 60 --seed 1 --store DIR --report FILE

Real jobs are queued all the time, mostly small dissections of a planted generator. Faults come at random
times that the seed decides, and two readers check every snapshot. At the end all faults stop, and what
is queued is let to finish. Then every job that was ever reported done must be there, with exactly the
numbers of the same dissection in a store of its own that nobody disturbed.

FILE gets a JSON object per event, and the last one is the summary. Beside it, FILE.d has the undisturbed
store, the readers' logs and what commands said. A soak that was interrupted goes on with the same store
and report. The store is on a small disk (a tmpfs at DIR) where this user may mount one. Else a limit on
the size of each process's files stands in for a full disk.

The exit status is 1 when a run is lost, changed or not the undisturbed one's, when a job has no end, when an
error is no sentence, or when a process is left.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / "crash"), str(ROOT / "tests" / "support")]

from faults import FAULT, FaultRequest  # type: ignore[import-not-found]  # noqa: E402
from harness import Arena  # type: ignore[import-not-found]  # noqa: E402

from analysis.shared.errors import GanatomyError  # noqa: E402
from benchmarks.soak_reader import digests, lines  # noqa: E402
from db import store  # noqa: E402
from db.errors import StoreError  # noqa: E402
from db.layout import Layout  # noqa: E402
from db.store import bundles, health  # noqa: E402
from jobs.kinds import requests  # noqa: E402
from jobs.kinds.base import Request  # noqa: E402
from jobs.kinds.dissection import DissectionRequest  # noqa: E402
from jobs.system import live, processes  # noqa: E402

T = TypeVar("T")

WORKERS, READERS = 2, 2
ACTIVE = 6  # jobs that wait or run at a time
GAP_S = 3.0  # between two faults, in the mean
CALM_MINUTES = 6.0  # without faults, after which a job without an end hangs
MARK = "GANATOMY_SOAK"  # environment variable by which the soak's processes are known
ENVIRONMENT = {
    "GANATOMY_CPU_SLOTS": str(WORKERS),
    "GANATOMY_STUCK_SECONDS": "120",
    "GANATOMY_SLOT_MEMORY_GB": "3",
    "GANATOMY_RESTARTS": "60",  # a busy machine kills a process many times before it has loaded
    "GANATOMY_POLL_SECONDS": "0.4",
    "NUMBA_NUM_THREADS": "1",
}
# Images and calibration images, threshold: small ones, and some that are killed in the middle of counting.
VARIANTS = [
    (images, calibration, seed, threshold)
    for seed in (1, 2, 3)
    for images, calibration, threshold in (
        (64, 64, "iqr"),
        (320, 128, "iqr"),
        (640, 320, 0.005),
        (1920, 640, "iqr"),
    )
]
# What each kind of process has in its command line.
PROCESSES = {
    "worker": "faulty_worker",
    "job": "--job",
    "reader": "benchmarks.soak_reader",
    "render": "jobs.render.server",
    "command": "jobs.cli",
}
FULL = r"[Dd]isk is full|No space left|disk I/O error|File too large"
# What a failed job, a refused call or a command may say.
SENTENCES = {
    "full disk": FULL,
    "as asked": r"There is no such layer; choose another\.",
    "killed": r"Its process was killed|Its process ended with status",
    "bundle away": r"is missing\. Its rows are still in the file",
    "backup in part": r"runs, .* MB, read back",  # beside a bundle that is away; exit status 1
    "not published yet": r"Some bundles are not published yet",
    "not queued": r"there is nothing to cancel|only failed and cancelled jobs can be retried",
    "render process": r"The render process",
}


class Report:
    """Events as JSON lines; those of an earlier process are there too."""

    def __init__(self, file: Path) -> None:
        self.folder = file.with_name(file.name + ".d")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.events = lines(file)
        self._file, self._began = file.open("a"), time.monotonic()

    def write(self, event: str, **values: Any) -> None:
        """Add an event."""
        entry = {"event": event, "at": round(time.monotonic() - self._began, 2), **values}
        self.events.append(entry)
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def all(self, event: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [entry for entry in self.events if entry["event"] == event]


@dataclass
class Disk:
    """The disk of the store, which can be full for a while."""

    root: Path
    megabytes: int
    soak: Soak

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.mounted = self.root.is_mount() or self._mount(f"size={self.megabytes}m")

    def fill(self, leave: int) -> None:
        """Leave so many bytes."""
        facts = os.statvfs(self.root)
        used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        if not self.mounted or not self._mount(f"remount,size={(used + leave) // 1024 + 4}k"):
            self._limit(leave)

    def free(self) -> None:
        """Give the space back."""
        if self.mounted:
            self._mount(f"remount,size={self.megabytes}m")
        self._limit(psutil.RLIM_INFINITY)

    def close(self) -> None:
        """Remove the disk and all that is on it."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.root)], check=False)

    def _mount(self, options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "ganatomy-soak", str(self.root)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def _limit(self, size: int) -> None:
        for process in self.soak.family():
            try:
                _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
                process.rlimit(psutil.RLIMIT_FSIZE, (size, hard))
            except psutil.Error:
                continue


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
        self.disk = Disk(self.root, self.megabytes, self)
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
                self.disturb()
                fault = time.monotonic() + self.chance.expovariate(1 / GAP_S)
            if sum(not ended(state) for state in self.states.values()) < ACTIVE:
                self.submit()
        self.settle()
        self.finish()
        self.verify()
        return self.summarise()

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
        return processes.start("benchmarks.soak_reader", words, output=output)

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

    # faults

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

    def disturb(self) -> None:
        """One fault, by chance."""
        name = self.chance.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()])[0]
        said = FAULTS[name][1](self)
        if said is not None:
            self.report.write("fault", fault=name, about=said)

    def victim(self, kind: str) -> psutil.Process | None:
        """A process of a kind, by chance."""
        found = self.family(kind)
        return self.chance.choice(found) if found else None

    def kill(self, kind: str) -> str | None:
        """SIGKILL of a process of a kind."""
        if (process := self.victim(kind)) is None:
            return None
        process.kill()
        return str(process.pid)

    def kill_committer(self) -> str | None:
        """SIGKILL of whoever publishes, as soon as somebody does."""
        self._hunt(time.monotonic() + 10)
        return "the next one"

    def _hunt(self, deadline: float) -> None:
        holder = committer(self.layout)
        own = [process for process in self.family() if process.pid == holder]
        if own:
            time.sleep(self.chance.uniform(0, 0.3))
            own[0].kill()
            self.report.write("fault", fault="committer killed", about=own[0].pid)
        elif time.monotonic() < deadline:
            self.later(0.0, lambda: self._hunt(deadline))

    def kill_group(self) -> str | None:
        """SIGKILL of a worker and everything of its process group."""
        if (process := self.victim("worker")) is None:
            return None
        os.killpg(process.pid, signal.SIGKILL)
        return str(process.pid)

    def stop_worker(self) -> str | None:
        """SIGTERM of a worker, which must end."""
        if (process := self.victim("worker")) is None or process in self.frozen:
            return None
        process.terminate()
        self.later(40, lambda: self._must_have_ended(process))
        return str(process.pid)

    def _must_have_ended(self, process: psutil.Process) -> None:
        if process.is_running() and process.status() not in ("zombie", "stopped"):
            self.finding(f"worker {process.pid} runs 40 s after SIGTERM")

    def freeze(self) -> str | None:
        """SIGSTOP of any process for some seconds."""
        kind = self.chance.choice(["worker", "job", "reader", "command"])
        if (process := self.victim(kind)) is None:
            return None
        process.suspend()
        self.frozen.append(process)
        seconds = self.chance.choice([2, 5, 10, 40])
        self.later(seconds, lambda: self.thaw(process))
        return f"{kind} for {seconds} s"

    def thaw(self, process: psutil.Process) -> None:
        """SIGCONT."""
        self.frozen.remove(process)
        if process.is_running():
            process.resume()

    def fill_disk(self) -> str | None:
        """No room on the disk for some seconds."""
        leave = self.chance.choice([0, 1 << 16, 1 << 20])
        self.disk.fill(leave)
        self.later(self.chance.uniform(2, 12), self.disk.free)
        return f"{leave} bytes left"

    def move_clock(self) -> str | None:
        """A worker's clock, and that of its job processes, is wrong from now on, or right again."""
        clock, ahead = self.chance.choice(self.clocks), self.chance.choice([-3600, 3600, -60, 86400, 0])
        clock.write_text(str(ahead))
        return f"{clock.name} {ahead} s"

    def damage(self, *patterns: str) -> str | None:
        """Cut a random file of the store, or flip one to eight of its bits."""
        found = [file for pattern in patterns for file in self.layout.root.glob(pattern) if file.is_file()]
        found = [file for file in found if not file.relative_to(self.layout.work.parent).match("fault-*/*")]
        if not found:
            return None
        file = self.chance.choice(sorted(found))
        try:
            content = bytearray(file.read_bytes())
            if not content:
                return None
            if cut := self.chance.random() < 0.4:
                del content[self.chance.randrange(len(content)) :]
            for _ in range(0 if cut else self.chance.randrange(1, 9)):
                content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
            with file.open("r+b") as opened:  # in place: a new file would be what a program writes
                opened.write(content)
                opened.truncate(len(content))
        except OSError:  # it is gone, or the disk is full
            return None
        return f"{file.relative_to(self.layout.root)} {'cut' if cut else 'flipped'}"

    def move_bundle(self) -> str | None:
        """The bundle of an ended run is away for some seconds, as on a disk that is not mounted."""
        busy = {self.submitted[job]["run"] for job, state in self.states.items() if not ended(state)}
        found = [run for run in bundles.run_ids(self.layout) if run not in busy]
        if not found:
            return None
        run = self.chance.choice(found)
        away = self.root / f"away-{run}"
        (self.layout.bundles / run).rename(away)
        self.away[run] = away
        self.later(self.chance.uniform(2, 20), lambda: self.bring_back(run))
        return run

    def bring_back(self, run: str) -> None:
        """The bundle is there again."""
        away, home = self.away.pop(run), self.layout.bundles / run
        if home.exists():  # a job made the run again
            shutil.rmtree(away)
        else:
            away.rename(home)

    def cancel(self) -> str | None:
        """Cancel a job, as somebody does on the page. It is retried later."""
        active = [job for job, state in self.states.items() if not ended(state)]
        if not active:
            return None
        job_id = self.chance.choice(active)
        return job_id if self.call("cancel", lambda: self.client.cancel(job_id)) else None

    def use(self, *words: str) -> str | None:
        """A command of `ganatomy store`."""
        self.command("store", *words)
        return None

    # the end

    def settle(self) -> None:
        """Stop all faults."""
        self.calm = True
        self.report.write("calm")
        for process in list(self.frozen):
            self.thaw(process)
        self.disk.free()
        for clock in self.clocks:
            clock.unlink(missing_ok=True)
        for run in list(self.away):
            self.bring_back(run)
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

    def verify(self) -> None:
        """Every run that was ever reported done is there, and has the numbers of the undisturbed one."""
        self.call("publish", lambda: store.publish(self.layout))
        for problem in health.check(self.layout).problems:
            self.finding(f"check: {problem}")
        published, expected = digests(store.open(self.layout)), digests(store.open(self.reference))
        for run, variant in sorted(self.done().items()):
            if variant is None:
                self._verify_sum(run)
                continue
            same = self.undisturbed[variant]
            if published.get(run) != expected[same]:
                self.finding(f"numbers of {run}: {published.get(run)}, not {expected[same]}")
            if self.call(run, partial(arrays, self.layout, run)) != arrays(self.reference, same):
                self.finding(f"arrays of {run} are not those of the undisturbed one")
        self._verify_readers()
        self._verify_logs()

    def done(self) -> dict[str, int | None]:
        """The runs that were ever reported done, and their variant."""
        return {
            entry["run"]: self.submitted[entry["job"]]["variant"]
            for entry in self.report.all("ended")
            if entry.get("state") == "done"
        }

    def _verify_readers(self) -> None:
        for number in range(READERS):
            for line in lines(self.report.folder / f"reader-{number}.jsonl"):
                for wrong in line.get("wrong", []):
                    self.finding(f"reader {number}: {wrong}")
                if "refused" in line:
                    self.refused(f"reader {number}", line["refused"])

    def _verify_sum(self, run: str) -> None:
        folder = self.layout.work / run
        counted = [int(line) for line in (folder / "counted.log").read_text().split()]
        if live.read(folder / "result.json").get("sum") != sum(range(max(counted) + 1)):
            self.finding(f"{run}: a wrong sum")

    def _verify_logs(self) -> None:
        for file in [*self.layout.logs.glob("*"), *self.report.folder.glob("*.out")]:
            for error, number in Counter(errors(file.read_text(errors="replace"))).items():
                self.report.write("traceback", log=file.name, error=error[:300], times=number)
                if not re.search(f"{FULL}|CUDA error", error):
                    self.finding(f"{file.name}: {number} x {error}")

    def summarise(self) -> bool:
        """The last line of the report."""
        read = [line for n in range(READERS) for line in lines(self.report.folder / f"reader-{n}.jsonl")]
        findings = Counter(entry["text"].split(":")[0] for entry in self.report.all("finding"))
        versions = [int(p.name[1:9]) for p in self.layout.versions.glob("v*.duckdb")]
        refused = (f"{each['what']}: {each['sentence']}" for each in self.report.all("refused"))
        self.report.write(
            "summary",
            faults=dict(Counter(entry["fault"] for entry in self.report.all("fault"))),
            submitted=dict(Counter(entry["kind"] for entry in self.report.all("submitted"))),
            done=len(self.done()),
            states=dict(Counter(self.states.values())),
            refused=dict(Counter(refused)),
            commands=dict(
                Counter(
                    f"{each['words'].split()[:2]} {each['status']}" for each in self.report.all("command")
                )
            ),
            commits=max(versions, default=0),
            reads=len(read),
            slowest_read_s=max((line["seconds"] for line in read), default=0.0),
            findings=dict(findings),
        )
        print(json.dumps(self.report.events[-1], indent=1))
        return not findings

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.family():
            process.kill()


FAULTS: dict[str, tuple[int, Callable[[Soak], str | None]]] = {
    "kill worker": (2, lambda soak: soak.kill("worker")),
    "kill job": (3, lambda soak: soak.kill("job")),
    "kill reader": (1, lambda soak: soak.kill("reader")),
    "kill command": (1, lambda soak: soak.kill("command")),
    "kill render process": (1, lambda soak: soak.kill("render")),
    "kill group": (1, Soak.kill_group),
    "kill committer": (2, Soak.kill_committer),
    "stop worker": (1, Soak.stop_worker),
    "freeze": (2, Soak.freeze),
    "fill disk": (1, Soak.fill_disk),
    "clock": (2, Soak.move_clock),
    "damage work": (4, lambda soak: soak.damage("work/*/*", "work/*/*/*")),
    "damage labels": (2, lambda soak: soak.damage("labels/*/*")),
    "damage live": (3, lambda soak: soak.damage("live/*.json")),
    "bundle away": (2, Soak.move_bundle),
    "cancel": (1, Soak.cancel),
    "publish": (1, lambda soak: soak.use("publish")),
    "check": (1, lambda soak: soak.use("check")),
    "backup": (1, lambda soak: soak.use("backup", str(soak.report.folder / "backup.tar"))),
}


def dissection(generator: str, number: int) -> DissectionRequest:
    """The request of a variant."""
    images, calibration, seed, threshold = VARIANTS[number]
    values = {"images": images, "calibration": calibration, "seed": seed, "threshold": threshold}
    return DissectionRequest.model_validate({"generator": generator, "segmenter": "planted", **values})


def ended(state: str) -> bool:
    """Whether nothing more happens to a job of this state."""
    return state in ("done", "failed", "cancelled", "replaced")


def arrays(layout: Layout, run: str) -> dict[str, str]:
    """The hash of each file of arrays in a run's bundle: counts, pictures and places of its units."""
    files = bundles.latest(layout, run).manifest["files"]
    return {name: fact["sha256"] for name, fact in files.items() if name.startswith("arrays/")}


def committer(layout: Layout) -> int:
    """The process that holds the lock of commits, 0 when nobody does."""
    if not layout.commit_lock.exists():
        return 0
    inode = f":{layout.commit_lock.stat().st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].endswith(inode):
            return int(fields[4])
    return 0


def errors(text: str) -> Iterator[str]:
    """The last line of each traceback in a log, of JSON lines or plain."""
    inside = False
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                yield from errors(json.loads(line).get("exception", "").rpartition("\n\n")[2])
            except ValueError:
                continue
        elif line.startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
            yield line


def main() -> None:
    """Read the command line and soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path, required=True, help="a folder for the store's small disk")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--megabytes", type=int, default=4000, help="size of the small disk")
    parser.add_argument("--keep", action="store_true", help="leave the small disk, with the store on it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    soak = Soak(options.store.absolute(), Report(options.report.absolute()), options.seed, options.megabytes)
    try:
        sound = soak.run(options.minutes)
    finally:
        soak.close()
    if sound and not options.keep:
        soak.disk.close()
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
