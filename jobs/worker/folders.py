"""Watched folders: each new checkpoint that a training run writes there is registered and dissected.

A watch is set on the command line, by whoever runs the machine; pages cannot name paths. Checkpoints are read
by another process, since the worker stays free of torch.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from analysis.models import generators
from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue.client import Client
from jobs.system import live, processes

STILL = 3.0  # seconds that a file must not have changed
AGAIN = 60.0  # seconds until a checkpoint that could not be queued is asked for again
PATTERNS = ("*.pt", "*.pth", "*.tar", "*.ckpt", "*.safetensors")


@dataclass(frozen=True)
class FolderWatch:
    """A folder whose new checkpoints are dissected, and how."""

    name: str
    folder: str
    family: str
    key: str | None
    request: dict[str, Any]  # a DissectionRequest without its generator


def every(layout: Layout) -> list[FolderWatch]:
    """The watches that are set, by name."""
    return [FolderWatch(**values) for _, values in sorted(live.read(layout.watches).items())]


def put(layout: Layout, watch: FolderWatch) -> None:
    """Set a watch, or replace the one of that name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", watch.name):
        raise GanatomyError(
            f"{watch.name!r} cannot be a watch's name; use lower-case letters, digits and dashes."
        )
    if not Path(watch.folder).is_dir():
        raise GanatomyError(f"{watch.folder} is no folder; make it first, or name another.")
    parse("dissect", {**watch.request, "generator": watch.name})
    live.write(layout.watches, {**live.read(layout.watches), watch.name: asdict(watch)})


def remove(layout: Layout, name: str) -> None:
    """End a watch; what it queued stays."""
    there = live.read(layout.watches)
    if name not in there:
        raise GanatomyError(
            f"There is no watch {name!r}; `ganatomy jobs watch list` names those that there are."
        )
    live.write(layout.watches, {key: value for key, value in there.items() if key != name})


@dataclass
class Lookout:
    """A worker's looks at watched folders. What was seen is kept in the store, so nothing is dissected
    twice."""

    client: Client
    reading: dict[str, tuple[FolderWatch, subprocess.Popen[bytes]]] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)  # until when (time.monotonic) one is left alone

    def look(self) -> None:
        """Look once at every folder, and at what became of checkpoints that are being read."""
        for model, (watch, process) in list(self.reading.items()):
            if process.poll() is not None:
                del self.reading[model]
                self._read(watch, model, process)
        for watch in every(self.client.layout):
            try:
                self._look(watch)
            except OSError as error:  # a folder that is gone for now must not stop the others
                structlog.get_logger().warning("a folder cannot be read", watch=watch.name, reason=str(error))

    def _look(self, watch: FolderWatch) -> None:
        seen, known = self._seen(watch), set(generators.names(self.client.layout.models))
        for file in self._whole(watch):
            model = model_name(watch, file)
            if model in seen or model in self.reading or time.monotonic() < self.waiting.get(model, 0.0):
                continue
            if model in known:  # a worker died between registering it and asking for its dissection
                self._ask(watch, model)
            else:
                self._register(watch, file)

    def _whole(self, watch: FolderWatch) -> list[Path]:
        """Checkpoints to which nobody has written for a while."""
        found = {file for pattern in PATTERNS for file in Path(watch.folder).glob(pattern)}
        return sorted(file for file in found if file.is_file() and time.time() - file.stat().st_mtime > STILL)

    def _register(self, watch: FolderWatch, file: Path) -> None:
        model = model_name(watch, file)
        arguments = ["--store", str(self.client.layout.root), "--name", model, "--family", watch.family]
        arguments += ["--weights", str(file), *(["--key", watch.key] if watch.key else [])]
        with (self.client.layout.logs / f"watch-{watch.name}.log").open("ab") as log:
            self.reading[model] = (watch, processes.start("jobs.worker.registration", arguments, output=log))

    def _read(self, watch: FolderWatch, model: str, process: subprocess.Popen[bytes]) -> None:
        if process.returncode == 0:
            self._ask(watch, model)
            return
        self._see(watch, model)
        structlog.get_logger().warning("a watched checkpoint cannot be used", watch=watch.name, model=model)

    def _ask(self, watch: FolderWatch, model: str) -> None:
        """Queue a registered checkpoint's dissection; what cannot be queued now is asked for again later."""
        log = structlog.get_logger()
        try:
            submission = self.client.submit(parse("dissect", {**watch.request, "generator": model}))
        except (GanatomyError, StoreError) as error:
            self.waiting[model] = time.monotonic() + AGAIN
            log.warning("a watched checkpoint cannot be queued", watch=watch.name, reason=str(error))
            return
        self._see(watch, model)
        log.info("a watched checkpoint is queued", watch=watch.name, model=model, job=submission.job_id)

    def _seen(self, watch: FolderWatch) -> dict[str, Any]:
        """Checkpoints that were asked for, or cannot be used, and when."""
        return live.read(self.client.layout.live / f"watch-{watch.name}.json")

    def _see(self, watch: FolderWatch, model: str) -> None:
        file = self.client.layout.live / f"watch-{watch.name}.json"
        live.write(file, {**self._seen(watch), model: time.time()})


def model_name(watch: FolderWatch, file: Path) -> str:
    """A registered name that follows from the file's name, size and time: a checkpoint written anew is a new
    model."""
    facts = file.stat()
    digest = hashlib.sha256(f"{file.name} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:6]
    stem = re.sub(r"[^a-z0-9-]", "-", file.stem.lower())[:20].strip("-")
    return f"{watch.name}-{stem}-{digest}"
