"""What the tasks of all kinds share."""

from dataclasses import dataclass

import numpy as np

from analysis.shared.stage_cache import StageCache
from db.layout import Layout
from jobs.kinds.context import ContextRequest
from jobs.tasks import task
from jobs.tasks.process import Spec
from jobs.tasks.progress import Progress


@dataclass
class Study(task.LayerTask[ContextRequest]):
    """A study of one stage."""

    def run(self) -> None:
        cache = StageCache(self.kept, {"version": "this"})
        assert cache.stage("numbers", lambda: {"values": np.ones(2)})["values"].sum() == 2


def test_stages_of_other_settings_are_made_again(layout: Layout) -> None:
    kept = layout.work / "run-1" / "kept"
    StageCache(kept, {"version": "another"}).stage("numbers", lambda: {"values": np.zeros(2)})
    request = {"generator": "planted", "layer": "layer1", "concept": "disc"}
    spec = Spec(str(layout.root), "job-1", "run-1", "context", request, "cpu", "cpu-0", 1, "")
    task.work(Study, spec, Progress(layout, "job-1"))
    StageCache(kept, {"version": "this"}).stage("numbers", dict)
