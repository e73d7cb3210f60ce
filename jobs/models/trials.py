"""Trials: what the Models page asks about models, answered by processes of their own.

    trial = ask(layout, "inspect", {"file": "netG.pth"})    # starts a process unless the answer is known
    trial.state                                             # running, done or failed

A trial is named after its request and its files. So every viewer of the same address sees the same trial, and
its answer is kept until a file changes. The process `jobs.models.process` holds a lock while it lives.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.models import inbox
from jobs.system import live, locks, processes
from jobs.system.live import JsonObject

LASTS_S = 86_400.0  # an answer is kept for a day
PATIENCE_S = 5.0  # that a trial is waited for which somebody else begins
ENDED = "The process that did this has ended without an answer, perhaps for want of memory; try it again."


@dataclass(frozen=True)
class Trial:
    """A trial as it stands: its answer if it is done, one sentence if it failed, else how far it is."""

    id: str
    folder: Path
    state: str  # running, done, failed
    what: str = ""
    request: JsonObject = field(default_factory=dict)
    answer: JsonObject = field(default_factory=dict)
    error: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0  # since it began

    def picture(self, name: str) -> bytes | None:
        """A picture that the process left."""
        file = self.folder / f"{name}.png"
        return file.read_bytes() if file.is_file() else None


def ask(layout: Layout, what: str, request: Mapping[str, object], *, again: bool = False) -> Trial:
    """The trial of that request; started now if it is not there yet, or once more with `again`.

    Raises:
        GanatomyError: the request names a file that is not there, or nothing can be written.
    """
    name = identify(layout, what, request)
    until = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < until:
            known = look(layout, name)
            if known is not None and (known.state == "running" or not again):
                return known
            if _begin(layout, name, what, request):
                _evict(layout)
                break
            time.sleep(0.02)  # somebody else is beginning it, or has just ended it
    except OSError as error:
        raise GanatomyError(
            f"The store cannot be written ({error.strerror}); check that the disk has room."
        ) from error
    begun = Trial(name, layout.trials / name, "running", what, dict(request))
    return look(layout, name) or begun


def identify(layout: Layout, what: str, request: Mapping[str, object]) -> str:
    """The name of the trial of a request: it follows from the request and from the files in it."""
    parts = [request, *(value for value in request.values() if isinstance(value, Mapping))]
    names = [str(part["file"]) for part in parts if part.get("file")]
    files = [inbox.fingerprint(inbox.path(layout, name)) for name in names]
    text = json.dumps([what, request, files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def look(layout: Layout, name: str) -> Trial | None:
    """A trial as it stands; None when there is none of that name."""
    folder = layout.trials / name
    if not re.fullmatch(r"[0-9a-f]{16}", name) or not (folder / "request.json").is_file():
        return None
    # First: a process that ends between two questions has written its answer.
    running = locks.held(folder, "process")
    answer, far, asked = (live.read(folder / f"{part}.json") for part in ("answer", "progress", "request"))
    trial = Trial(name, folder, "running", str(asked.get("what", "")), dict(asked.get("request", {})))
    if "refused" in answer:
        return replace(trial, state="failed", answer=answer, error=str(answer["refused"]))
    if answer:
        return replace(trial, state="done", answer=answer)
    if not running:
        how = live.read(folder / "ended.json").get("how")
        return replace(trial, state="failed", error=f"{ENDED} ({how})" if how else ENDED)
    stage, done, total = str(far.get("stage", "")), int(far.get("done", 0)), int(far.get("total", 0))
    seconds = max(0.0, time.time() - float(asked.get("at", time.time())))
    return replace(trial, stage=stage, done=done, total=total, seconds=seconds)


def _begin(layout: Layout, name: str, what: str, request: Mapping[str, object]) -> bool:
    """Start the process of a trial; False where somebody else holds its lock."""
    folder = layout.trials / name
    lock = locks.take(folder, "process")
    if lock is None:
        return False
    try:
        (folder / "answer.json").unlink(missing_ok=True)
        live.write(folder / "request.json", {"what": what, "request": request, "at": time.time()})
        for left in folder.iterdir():
            if left.name not in ("process.lock", "request.json"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        with (folder / "log.txt").open("wb") as log:
            process = processes.start(
                "jobs.models.process",
                ["--store", str(layout.root), "--trial", name],
                inherited=[lock.fd],
                output=log,
                bound=False,  # it would die with the thread that draws the page
            )
    except BaseException:
        lock.release()
        raise
    threading.Thread(target=_end, args=(folder, process, lock), daemon=True).start()
    return True


def _end(folder: Path, process: subprocess.Popen[bytes], lock: locks.Lock) -> None:
    """Wait for the process of a trial, and say how it ended where it leaves no answer; then free the lock."""
    try:
        status = process.wait()
        if not (folder / "answer.json").is_file():
            how = f"It was ended by signal {-status}." if status < 0 else f"Its exit status was {status}."
            live.write(folder / "ended.json", {"how": how})
    except OSError:  # the store has gone meanwhile
        pass
    finally:
        lock.release()


def _evict(layout: Layout) -> None:
    """Remove trials that ended long ago."""
    for folder in layout.trials.iterdir() if layout.trials.is_dir() else ():
        old = folder.is_dir() and time.time() - folder.stat().st_mtime > LASTS_S
        if old and not locks.held(folder, "process"):
            shutil.rmtree(folder, ignore_errors=True)
