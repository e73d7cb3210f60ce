"""What the process of every job does around its work.

It dies with its worker, holds its run, reports progress, and says why it failed.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.queue import attempts
from jobs.system import live, locks, logs, processes
from jobs.tasks.progress import Progress

NO_ROOM = "The disk is full; free some space, then retry the job: it goes on from what it has."
FULL = errno.ENOSPC  # exit status of a process that could not even write down why it failed


@dataclass(frozen=True)
class Spec:
    """A job as its process gets it, as JSON on standard input."""

    root: str
    job_id: str
    run_id: str
    kind: str
    request: live.JsonObject
    device: str
    slot: str
    threads: int
    started_at: str
    attempt: int = attempts.NONE  # the fencing token: only the newest attempt at a job may publish
    worker: str = ""

    @property
    def layout(self) -> Layout:
        """The store."""
        return Layout.create(self.root)


Work = Callable[[Spec, Progress], None]


def main(work: Work, alone: bool = True) -> None:
    """Run `work` for the job on standard input, `alone` at its run.

    The exit status is 0 when it is done, else 1, with the reason in a live file. The process ends without
    Python's clean-up, in which libraries fill the log.
    """
    processes.expendable()
    processes.keep_memory()
    spec = Spec(**json.load(sys.stdin))
    log = logs.readable(sys.stderr)
    log.info(
        "start", job=spec.job_id, run=spec.run_id, device=spec.device, slot=spec.slot, threads=spec.threads
    )
    try:
        progress = Progress(spec.layout, spec.job_id)
        hold = _hold(spec, progress) if alone else None
        work(spec, progress)
        if hold is not None:
            hold.release()
    except Exception as error:
        kind, reason = explain(error)
        if kind != "person":
            traceback.print_exc()
        log.error(reason)
        with suppress(OSError):
            live.write_checked(live.path(spec.layout, spec.job_id, "error"), {"kind": kind, "reason": reason})
        _end(FULL if reason == NO_ROOM else 1)
    log.info("done", run=spec.run_id)
    _end(0)


def _end(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _hold(spec: Spec, progress: Progress) -> locks.Lock:
    """The run's lock: two processes never count for the same run at once."""
    folder = spec.layout.live / "runs"
    while (lock := locks.take(folder, spec.run_id)) is None:
        if progress.stage != "waiting for another process at the same run":
            structlog.get_logger().info("waiting for another process at the same run", run=spec.run_id)
        progress.begin("waiting for another process at the same run")
        time.sleep(0.5)
    return lock


def explain(error: Exception) -> tuple[str, str]:
    """Kind and reason of a failure.

    The kind is 'person' (the request cannot be met), 'memory', 'cuda' (a new process may succeed) or 'bug'.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, GanatomyError | StoreError):
        return "person", str(error)
    if isinstance(error, MemoryError) or ("alloc" in text and "memory" in text) or "OutOfMemory" in text:
        return (
            "memory",
            f"Out of memory ({_first(text)}); ask for fewer layers at a time or use a larger machine.",
        )
    if "CUDA" in text or "cuDNN" in text or "cuBLAS" in text:
        return "cuda", f"The GPU failed ({_first(text)}); see `ganatomy doctor`."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "person", NO_ROOM
    return "bug", f"An error in the program stopped it ({_first(text)}); the log has the details."


def _first(text: str) -> str:
    return text.splitlines()[0][:300]
