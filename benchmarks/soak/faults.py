"""What a soak does to processes, files, clocks and the disk."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.soak.settings import (
    ended,
)
from db.layout import Layout
from db.store import bundles

if TYPE_CHECKING:
    from benchmarks.soak.soak import Soak


@dataclass
class Faults:
    """The faults that can come to a soak; each says what it did, or None where it found nothing to do."""

    soak: Soak

    def disturb(self) -> None:
        """One fault, by chance."""
        name = self.soak.chance.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()])[0]
        said = FAULTS[name][1](self)
        if said is not None:
            self.soak.report.write("fault", fault=name, about=said)

    def victim(self, kind: str) -> psutil.Process | None:
        """A process of a kind, by chance."""
        found = self.soak.family(kind)
        return self.soak.chance.choice(found) if found else None

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
        holder = committer(self.soak.layout)
        own = [process for process in self.soak.family() if process.pid == holder]
        if own:
            time.sleep(self.soak.chance.uniform(0, 0.3))
            own[0].kill()
            self.soak.report.write("fault", fault="committer killed", about=own[0].pid)
        elif time.monotonic() < deadline:
            self.soak.later(0.0, lambda: self._hunt(deadline))

    def kill_group(self) -> str | None:
        """SIGKILL of a worker and everything of its process group."""
        if (process := self.victim("worker")) is None:
            return None
        os.killpg(process.pid, signal.SIGKILL)
        return str(process.pid)

    def stop_worker(self) -> str | None:
        """SIGTERM of a worker, which must end."""
        if (process := self.victim("worker")) is None or process in self.soak.frozen:
            return None
        process.terminate()
        self.soak.later(40, lambda: self._must_have_ended(process))
        return str(process.pid)

    def _must_have_ended(self, process: psutil.Process) -> None:
        if process.is_running() and process.status() not in ("zombie", "stopped"):
            self.soak.finding(f"worker {process.pid} runs 40 s after SIGTERM")

    def freeze(self) -> str | None:
        """SIGSTOP of any process for some seconds."""
        kind = self.soak.chance.choice(["worker", "job", "reader", "command"])
        if (process := self.victim(kind)) is None:
            return None
        process.suspend()
        self.soak.frozen.append(process)
        seconds = self.soak.chance.choice([2, 5, 10, 40])
        self.soak.later(seconds, lambda: self.thaw(process))
        return f"{kind} for {seconds} s"

    def thaw(self, process: psutil.Process) -> None:
        """SIGCONT."""
        self.soak.frozen.remove(process)
        if process.is_running():
            process.resume()

    def fill_disk(self) -> str | None:
        """No room on the disk for some seconds."""
        leave = self.soak.chance.choice([0, 1 << 16, 1 << 20])
        self.soak.disk.fill(leave)
        self.soak.later(self.soak.chance.uniform(2, 12), self.soak.disk.free)
        return f"{leave} bytes left"

    def move_clock(self) -> str | None:
        """A worker's clock, and that of its job processes, is wrong from now on, or right again."""
        clock, ahead = (
            self.soak.chance.choice(self.soak.clocks),
            self.soak.chance.choice([-3600, 3600, -60, 86400, 0]),
        )
        clock.write_text(str(ahead))
        return f"{clock.name} {ahead} s"

    def damage(self, *patterns: str) -> str | None:
        """Cut a random file of the store, or flip one to eight of its bits."""
        found = [
            file for pattern in patterns for file in self.soak.layout.root.glob(pattern) if file.is_file()
        ]
        found = [
            file for file in found if not file.relative_to(self.soak.layout.work.parent).match("fault-*/*")
        ]
        if not found:
            return None
        file = self.soak.chance.choice(sorted(found))
        try:
            content = bytearray(file.read_bytes())
            if not content:
                return None
            if cut := self.soak.chance.random() < 0.4:
                del content[self.soak.chance.randrange(len(content)) :]
            for _ in range(0 if cut else self.soak.chance.randrange(1, 9)):
                content[self.soak.chance.randrange(len(content))] ^= 1 << self.soak.chance.randrange(8)
            with file.open("r+b") as opened:  # in place: a new file would be what a program writes
                opened.write(content)
                opened.truncate(len(content))
        except OSError:  # it is gone, or the disk is full
            return None
        return f"{file.relative_to(self.soak.layout.root)} {'cut' if cut else 'flipped'}"

    def move_bundle(self) -> str | None:
        """The bundle of an ended run is away for some seconds, as on a disk that is not mounted."""
        busy = {
            self.soak.submitted[job]["run"] for job, state in self.soak.states.items() if not ended(state)
        }
        found = [run for run in bundles.run_ids(self.soak.layout) if run not in busy]
        if not found:
            return None
        run = self.soak.chance.choice(found)
        away = self.soak.root / f"away-{run}"
        (self.soak.layout.bundles / run).rename(away)
        self.soak.away[run] = away
        self.soak.later(self.soak.chance.uniform(2, 20), lambda: self.bring_back(run))
        return run

    def bring_back(self, run: str) -> None:
        """The bundle is there again."""
        away, home = self.soak.away.pop(run), self.soak.layout.bundles / run
        if home.exists():  # a job made the run again
            shutil.rmtree(away)
        else:
            away.rename(home)

    def cancel(self) -> str | None:
        """Cancel a job, as somebody does on the page. It is retried later."""
        active = [job for job, state in self.soak.states.items() if not ended(state)]
        if not active:
            return None
        job_id = self.soak.chance.choice(active)
        return job_id if self.soak.call("cancel", lambda: self.soak.client.cancel(job_id)) else None

    def use(self, *words: str) -> str | None:
        """A command of `ganatomy store`."""
        self.soak.command("store", *words)
        return None


FAULTS: dict[str, tuple[int, Callable[[Faults], str | None]]] = {
    "kill worker": (2, lambda faults: faults.kill("worker")),
    "kill job": (3, lambda faults: faults.kill("job")),
    "kill reader": (1, lambda faults: faults.kill("reader")),
    "kill command": (1, lambda faults: faults.kill("command")),
    "kill render process": (1, lambda faults: faults.kill("render")),
    "kill group": (1, Faults.kill_group),
    "kill committer": (2, Faults.kill_committer),
    "stop worker": (1, Faults.stop_worker),
    "freeze": (2, Faults.freeze),
    "fill disk": (1, Faults.fill_disk),
    "clock": (2, Faults.move_clock),
    "damage work": (4, lambda faults: faults.damage("work/*/*", "work/*/*/*")),
    "damage labels": (2, lambda faults: faults.damage("labels/*/*")),
    "damage live": (3, lambda faults: faults.damage("live/*.json")),
    "bundle away": (2, Faults.move_bundle),
    "cancel": (1, Faults.cancel),
    "publish": (1, lambda faults: faults.use("publish")),
    "check": (1, lambda faults: faults.use("check")),
    "backup": (1, lambda faults: faults.use("backup", str(faults.soak.report.folder / "backup.tar"))),
}


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
