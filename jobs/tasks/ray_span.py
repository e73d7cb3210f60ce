"""A span as a task of a Ray node: everything comes and goes by value, since nodes may share no folder."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from analysis.counting.edges import Edges
from analysis.counting.thresholds import Thresholds
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.times import utc_now
from jobs.kinds.dissection import DissectionRequest
from jobs.spans.folder import parsed
from jobs.system.live import JsonObject
from jobs.tasks.dissection import DissectionTask
from jobs.tasks.process import Spec
from jobs.tasks.progress import Progress
from jobs.tasks.span import counted

_tasks: dict[str, tuple[TemporaryDirectory[str], DissectionTask]] = {}  # the last run of this process


def counted_bytes(work: JsonObject, edges: bytes, thresholds: bytes, models: dict[str, bytes]) -> bytes:
    """The file of a span's counts. Models stay loaded for the next span of the same run."""
    torch.set_num_threads(int(work["threads"]))
    (span,) = map(parsed, work["spans"])
    task = _task(work, models)
    for name, content in (("edges.npz", edges), ("thresholds.npz", thresholds)):
        (task.folder / name).write_bytes(content)
    limits = Thresholds.load(task.folder / "thresholds.npz") if thresholds else None
    counts = counted(task, span, Edges.load(task.folder / "edges.npz"), limits, None, lambda: None)
    file = task.folder / "counts.npz"
    counts.save(file)
    return file.read_bytes()


def _task(work: JsonObject, models: dict[str, bytes]) -> DissectionTask:
    """The run with its models, in a store of this process alone, which goes when the process ends."""
    known = json.dumps([work["run"], work["request"], work["device"]], sort_keys=True)
    if known not in _tasks:
        _tasks.clear()
        store = TemporaryDirectory(prefix="ganatomy-ray-")
        layout = Layout.create(Path(store.name))
        for name, content in models.items():
            file = layout.models / name
            if not file.resolve().is_relative_to(layout.models.resolve()):
                raise GanatomyError(f"{name!r} is no path of a model.")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        device, threads, now = str(work["device"]), int(work["threads"]), utc_now().isoformat()
        spec = Spec(
            store.name, "span", str(work["run"]), "dissect", work["request"], device, "ray", threads, now
        )
        request = DissectionRequest.model_validate(work["request"])
        _tasks[known] = store, DissectionTask(spec, Progress(layout, "span"), request)
    return _tasks[known][1]
