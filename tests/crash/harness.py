"""A store, its workers, and what tests ask of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil
from children import until
from faults import FaultRequest

from db.layout import Layout
from jobs.kinds.requests import When
from jobs.queue.client import Client
from jobs.queue.records import Job, Submission
from jobs.system import live

HERE = Path(__file__).parent
QUICK = {
    "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
    "OMP_NUM_THREADS": "1",
    "GANATOMY_STUCK_SECONDS": "5",
    "GANATOMY_SLOT_MEMORY_GB": "1",
    "GANATOMY_POLL_SECONDS": "0.05",
    "GANATOMY_CPU_SLOTS": "1",
    "GANATOMY_RESTARTS": "1",
}


class Arena:
    """One store for one test."""

    def __init__(self, root: Path, through: Sequence[str] = ()) -> None:
        self.through = through  # a command that runs the workers elsewhere, such as in a network namespace
        self.client = Client(Layout.create(root), patient=True)  # the machine is busy, and that is no finding
        self.root = root
        self.started: list[subprocess.Popen[bytes]] = []

    def spawn(self, output: IO[bytes] | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that knows the kind `fault`. It is not ready yet."""
        worker = subprocess.Popen(
            [*self.through, sys.executable, "-P", "-m", "faulty_worker", "--store", str(self.root)],
            env={**os.environ, **QUICK, **environment},
            stdout=output,
            stderr=output,
            process_group=0,
        )
        self.started.append(worker)
        return worker

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that knows the kind `fault`, ready."""
        known = {worker.pid for worker in self.client.workers()}
        worker = self.spawn(**environment)
        until(lambda: {w.pid for w in self.client.workers()} - known or worker.poll(), 240, "a worker")
        assert worker.poll() is None, "the worker ended"
        return worker

    def ask(self, when: When | None = None, **values: Any) -> Submission:
        """Queue a job that counts."""
        return self.client.submit(FaultRequest(**values), when)

    def ended(self, submission: Submission, seconds: float = 90) -> Job:
        """The job, once it has ended."""
        assert submission.job_id is not None
        job_id = submission.job_id
        until(lambda: self.client.job(job_id).ended, seconds, f"the end of {self.client.job(job_id)}")
        return self.client.job(job_id)

    def counting(self, submission: Submission, done: int = 1) -> int:
        """The job process's number, once it has counted a little."""
        assert submission.job_id is not None
        job_id = submission.job_id
        until(lambda: self.client.job(job_id).done >= done and self.pid(job_id), what="counting")
        return self.pid(job_id)

    def pid(self, job_id: str) -> int:
        """The job process's number as the worker says it, 0 when there is none."""
        return int(live.read(live.path(self.client.layout, job_id, "watch")).get("pid", 0))

    def sum(self, submission: Submission) -> int | None:
        """What the job counted."""
        return live.read(self.client.layout.work / submission.run_id / "result.json").get("sum")

    def counted(self, submission: Submission) -> list[int]:
        """Every number in the order of counting; a number twice was counted twice."""
        log = self.client.layout.work / submission.run_id / "counted.log"
        return [int(line) for line in log.read_text().split()]

    def job_processes(self) -> list[psutil.Process]:
        """Job processes of this store's jobs that are still there."""
        names = {job.id for job in self.client.jobs()}
        return [p for p in psutil.process_iter(["cmdline"]) if names & set(p.info["cmdline"] or [])]

    def close(self) -> None:
        """End every worker; no job process may be left."""
        for worker in self.started:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.started:
            worker.wait(20)
        until(lambda: not self.job_processes(), 10, "the end of every job process")
