"""The bench of a heavy process: what every kind needs around its own work. Models loaded once, the run's
folder and its clock, the rows about the models, a bundle written and published."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import structlog

from analysis.counting.plan import BLOCK
from analysis.dissection.dissection import describe
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter
from db import store
from db.store import bundles
from jobs.kinds.models import ModelRequest
from jobs.system import live
from jobs.tasks import process
from jobs.tasks.progress import Progress
from jobs.tasks.reported_segmenter import Reported
from jobs.tasks.run_row import StopWatch, common

R = TypeVar("R", bound=ModelRequest)


@dataclass
class Bench(Generic[R]):
    """One job under way."""

    spec: process.Spec
    progress: Progress
    request: R

    @cached_property
    def folder(self) -> Path:
        """Where the run keeps what it has so far."""
        folder = self.spec.layout.work / self.spec.run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def watch(self) -> StopWatch:
        """The time of this run, attempts before this one included."""
        return StopWatch(self.folder / "time.json")

    @cached_property
    def generator(self) -> Generator:
        """The generator, loaded once."""
        return generators.load(self.request.generator, self.spec.layout.models, self.spec.device)

    @cached_property
    def eyes(self) -> Segmenter:
        """The segmenter, loaded once."""
        return segmenters.load(str(self.request.segmenter), self.spec.layout.models, self.spec.device)

    @cached_property
    def segmenter(self) -> Reported:
        """The same, saying how far it is."""
        return Reported(self.eyes, 16 if self.spec.device == "cpu" else BLOCK, self.progress)

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """The rows about generator and segmenter, with what the catalogue knows of them."""
        facts = describe(self.generator, self.segmenter)
        for role, registry in (("generator", generators), ("segmenter", segmenters)):
            info = registry.describe(str(getattr(self.request, role)), self.spec.layout.models)
            known = {key: getattr(info, key) for key in ("name", "family", "title", "licence")}
            facts[role] |= known
        facts["generator"]["name"] = self.generator.name
        return facts

    def tables(self) -> dict[str, pd.DataFrame]:
        """The rows about generator and segmenter as tables."""
        return {role: pd.DataFrame([facts]) for role, facts in self.facts.items()}

    def row(self, state: str, **more: Any) -> dict[str, Any]:
        """The row of table `run`: what every kind's has, and what this one adds."""
        times = self.watch.keep()
        return common(self.spec, self.request, state, times, self.generator, self.segmenter) | more

    def write(
        self,
        row: Mapping[str, Any],
        tables: Mapping[str, pd.DataFrame],
        arrays: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        """Write a bundle and make it what the store shows."""
        stage, began = self.progress.stage, time.monotonic()
        self.progress.begin(f"publishing ({row['state']})")
        bundles.write(self.spec.layout, row, tables, arrays)
        store.publish(self.spec.layout, [self.spec.run_id])
        self.progress.publish()
        took = round(time.monotonic() - began, 2)
        structlog.get_logger().info("published", state=row["state"], images=row["images"], seconds=took)
        self.progress.begin(stage)


@dataclass
class Stages:
    """Progress that is told stage by stage (stage, done, total), as one count that never falls.

    What each stage came to is kept in a file, so that a process that goes on after a kill is seen to get
    further, whatever it has to make again first.
    """

    progress: Progress
    file: Path
    watch: StopWatch
    _done: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._done = {stage: int(done) for stage, done in live.read(self.file).items()}
        self.progress.skip(sum(self._done.values()))

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` of a stage."""
        if self.progress.stage != stage:
            self.progress.begin(stage)
            live.write(self.file, self._done)
            self.watch.keep()
        new = max(0, done - self._done.get(stage, 0))
        self._done[stage] = max(done, self._done.get(stage, 0))
        self.progress.total = max(self.progress.total, sum(self._done.values()) + total - done)
        self.progress.advance(new)
