"""Watched folders: each new checkpoint that a training run writes there is registered and dissected.

A watch is set on the command line, by whoever runs the machine; pages cannot name paths. A process of its own
reads each checkpoint, since the worker stays free of torch.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db import permissions, workspace
from db.errors import StoreError
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue.client import Client
from jobs.system import live, processes
from jobs.system.live import JsonObject

UNCHANGED_S = 3.0  # a checkpoint is complete when nobody has written to it for this long
RETRY_S = 60.0  # until a checkpoint that could not be queued is tried again
PATTERNS = ("*.pt", "*.pth", "*.tar", "*.ckpt", "*.safetensors")


@dataclass(frozen=True)
class FolderWatch:
    """A folder whose new checkpoints are dissected, and how."""

    name: str
    folder: str
    family: str  # empty: recognised from each checkpoint
    key: str | None
    request: JsonObject  # a request of kind `dissect` without its generator


def watches(layout: Layout) -> list[FolderWatch]:
    """The watches of a store, by name. `GanatomyError` when their file is damaged."""
    return sorted(_stored(layout).values(), key=lambda watch: watch.name)


def _stored(layout: Layout) -> dict[str, FolderWatch]:
    """The stored watches by name. `GanatomyError` when their file is damaged: it is the only copy."""
    if not layout.watches.exists():
        return {}
    found = live.read(layout.watches)
    try:
        if not found and json.loads(layout.watches.read_text()) != {}:
            raise ValueError
        return {name: FolderWatch(**values) for name, values in found.items()}
    except (OSError, TypeError, ValueError):
        raise GanatomyError(
            f"The list of watched folders {layout.watches} is damaged; mend it, or move it away and add the "
            "watches again."
        ) from None


def _store(layout: Layout, known: dict[str, FolderWatch]) -> None:
    live.write(layout.watches, {name: asdict(watch) for name, watch in known.items()})


def add(layout: Layout, watch: FolderWatch) -> None:
    """Add a watch, or replace the one of that name. `GanatomyError` when a value is not usable."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", watch.name):
        raise GanatomyError(
            f"{watch.name!r} cannot be a watch's name; use lower-case letters, digits and dashes."
        )
    if not Path(watch.folder).is_dir():
        raise GanatomyError(f"{watch.folder} is not a folder; create it first, or name another.")
    if watch.family and watch.family not in generators.FAMILIES:
        raise GanatomyError(generators.no_family(watch.family))
    parse("dissect", {**watch.request, "generator": watch.name})
    segmenters.describe(str(watch.request["segmenter"]), layout.models)
    _store(layout, {**_stored(layout), watch.name: watch})
    owner = str(watch.request.get("owner", ""))
    workspace.record(layout, permissions.operator(), "add", "watch", watch.name, owner, watch.folder)


def remove(layout: Layout, name: str) -> None:
    """Remove a watch. Jobs that it queued stay."""
    known = _stored(layout)
    if name not in known:
        raise GanatomyError(f"There is no watch {name!r}; `ganatomy jobs watch list` shows all.")
    _store(layout, {key: watch for key, watch in known.items() if key != name})
    owner = str(known[name].request.get("owner", ""))
    workspace.record(layout, permissions.operator(), "remove", "watch", name, owner, known[name].folder)


@dataclass
class FolderWatcher:
    """A worker's checks of watched folders. The store notes each handled checkpoint, so none comes twice."""

    client: Client
    registrations: dict[str, tuple[FolderWatch, subprocess.Popen[bytes]]] = field(default_factory=dict)
    damage: str = ""  # what was wrong with the list of watches at the last check
    retry_at: dict[str, float] = field(default_factory=dict)  # on time.monotonic(), by model
    # Size and time of each file, and since when it has had them, on time.monotonic().
    seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def check(self) -> None:
        """Check every folder once, and every registration that has ended."""
        for model, (watch, process) in list(self.registrations.items()):
            if process.poll() is not None:
                del self.registrations[model]
                self._registered(watch, model, process.returncode)
        try:
            found, damage = watches(self.client.layout), ""
        except GanatomyError as error:  # the worker goes on with everything else
            found, damage = [], str(error)
        if damage and damage != self.damage:
            structlog.get_logger().warning("no folder is watched", reason=damage)
        self.damage = damage
        for watch in found:
            try:
                self._check(watch)
            except OSError as error:  # a folder that is gone for now must not stop the others
                structlog.get_logger().warning("a folder cannot be read", watch=watch.name, reason=str(error))

    def _check(self, watch: FolderWatch) -> None:
        handled = live.read(self._notes(watch))
        known = set(generators.names(self.client.layout.models))
        files = {file for pattern in PATTERNS for file in Path(watch.folder).glob(pattern)}
        for file in sorted(files):
            if not file.is_file() or not self._complete(file):
                continue
            model = model_name(watch, file)
            pending = model in self.registrations or time.monotonic() < self.retry_at.get(model, 0.0)
            if model in handled or pending:
                continue
            if model in known:  # a worker died after it had registered the model and before it queued a job
                self._queue(watch, model)
            else:
                self._register(watch, file, model)

    def _complete(self, file: Path) -> bool:
        """Whether nobody has written to the file for a while, by its own time or by what this worker saw.

        Its own time alone would not do: with the clock set back, it lies in the future for hours.
        """
        facts = file.stat()
        state = (facts.st_size, facts.st_mtime_ns)
        if file not in self.seen or self.seen[file][0] != state:
            self.seen[file] = (state, time.monotonic())
        unchanged = time.monotonic() - self.seen[file][1]
        return max(unchanged, time.time() - facts.st_mtime) > UNCHANGED_S

    def _register(self, watch: FolderWatch, file: Path, model: str) -> None:
        """Start a process that reads the checkpoint and registers it as a model."""
        arguments = ["--store", str(self.client.layout.root), "--name", model, "--weights", str(file)]
        arguments += ["--family", watch.family] if watch.family else []
        arguments += ["--key", watch.key] if watch.key else []
        with (self.client.layout.logs / f"watch-{watch.name}.log").open("ab") as log:
            process = processes.start("jobs.worker.registration", arguments, output=log)
        self.registrations[model] = (watch, process)

    def _registered(self, watch: FolderWatch, model: str, status: int) -> None:
        if status == 0:
            self._queue(watch, model)
            return
        self._note(watch, model)
        structlog.get_logger().warning("a watched checkpoint cannot be used", watch=watch.name, model=model)

    def _queue(self, watch: FolderWatch, model: str) -> None:
        """Queue the dissection of a registered checkpoint; try again later when it is refused."""
        log = structlog.get_logger()
        try:
            submission = self.client.submit(parse("dissect", {**watch.request, "generator": model}))
        except (GanatomyError, StoreError) as error:
            self.retry_at[model] = time.monotonic() + RETRY_S
            log.warning("a watched checkpoint cannot be queued", watch=watch.name, reason=str(error))
            return
        self._note(watch, model)
        log.info("a watched checkpoint is queued", watch=watch.name, model=model, job=submission.job_id)

    def _notes(self, watch: FolderWatch) -> Path:
        """The file of checkpoints that were queued or cannot be used, and when."""
        return self.client.layout.live / f"watch-{watch.name}.json"

    def _note(self, watch: FolderWatch, model: str) -> None:
        live.write(self._notes(watch), {**live.read(self._notes(watch)), model: time.time()})


def model_name(watch: FolderWatch, file: Path) -> str:
    """A model name that follows from the file's name, size and time.

    A checkpoint that is written again under the same name is a new model.
    """
    facts = file.stat()
    digest = hashlib.sha256(f"{file.name} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:6]
    stem = re.sub(r"[^a-z0-9-]", "-", file.stem.lower())[:20].strip("-")
    return f"{watch.name}-{stem}-{digest}"
