"""What the tasks of all kinds share: models loaded once, the run's folder and clock, a bundle published.

A kind's task is a module `jobs.tasks.<kind>`. It subclasses `Task`, and ends with `main(<the class>)`.
"""

from __future__ import annotations

import json
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pandas as pd
import structlog

from analysis.dissection.dissection import describe
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.models.segmenter import Segmenter, segmenter_name
from analysis.shared.arrays import Arrays
from analysis.shared.errors import GanatomyError
from analysis.shared.stage_cache import OtherSettingsError
from db import store
from db.errors import StoreError
from db.queries import runs
from db.store import bundles
from db.times import utc_now
from jobs.kinds import catalogue
from jobs.kinds.base import Request
from jobs.kinds.models import ModelRequest
from jobs.kinds.parent import LayerRequest
from jobs.kinds.requests import KINDS
from jobs.queue import attempts, results, server, shared_models
from jobs.tasks import process, provenance
from jobs.tasks.progress import Progress, Stages, StopWatch

Row = dict[str, Any]  # values by column
R = TypeVar("R", bound=Request)
M = TypeVar("M", bound=ModelRequest)
L = TypeVar("L", bound=LayerRequest)


@dataclass
class Task(ABC, Generic[R]):
    """One job that runs in this process."""

    spec: process.Spec
    progress: Progress
    request: R

    @abstractmethod
    def run(self) -> None:
        """Everything, to the final publication."""

    @cached_property
    def folder(self) -> Path:
        """The folder of what the run has so far."""
        folder = self.spec.layout.work / self.spec.run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def watch(self) -> StopWatch:
        """The time of this run, attempts before this one included."""
        return StopWatch(self.folder / "time.json")

    def row(self, state: str, **more: object) -> Row:
        """The row of table `run`: the request, where and when it ran, and `more` columns.

        `images_per_s` is the speed of the whole request, from which estimates are made.
        """
        times, request = self.watch.save(), self.request
        return {
            "run_id": self.spec.run_id,
            "kind": request.kind.name,
            "parent_run_id": None,
            "state": state,
            **provenance.columns(),
            "settings": json.dumps(request.model_dump(mode="json"), sort_keys=True),
            "device": self.spec.slot,
            "owner": request.owner,
            "project": request.project,
            "started_at": times.started_at,
            "finished_at": utc_now(),
            "duration_s": times.seconds,
            "images_per_s": request.size() / times.seconds if times.seconds else None,
        } | more

    def write(
        self,
        row: Row,
        tables: Mapping[str, pd.DataFrame],
        arrays: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        """Write a bundle and make it what the store shows."""
        stage, began = self.progress.stage, time.monotonic()
        self.progress.begin(f"publishing ({row['state']})")
        spec = self.spec
        token = {"job": spec.job_id, "attempt": spec.attempt, "worker": spec.worker}
        files = {"attempt.json": json.dumps(token).encode()} if spec.attempt else None
        bundle, final = bundles.write(spec.layout, row, tables, arrays, files), row["state"] == "final"
        try:
            key = results.upload(spec.layout, spec.run_id, final, self.progress.wait)
            with attempts.newest(spec.job_id, spec.attempt, self.progress.wait):
                store.publish(spec.layout, [spec.run_id])
                results.count(spec.layout, spec.run_id, key, final)
        except attempts.SupersededError:
            bundles.discard(bundle)
            raise
        self.progress.publish()
        took = round(time.monotonic() - began, 2)
        structlog.get_logger().info("published", state=row["state"], images=row["images"], seconds=took)
        self.progress.begin(stage)


def work(task: type[Task[Any]], spec: process.Spec, progress: Progress) -> None:
    """Run a job with `task`; a run that is finished already is not made again."""
    request = KINDS[spec.kind].request.model_validate(spec.request)
    try:
        results.collect(spec.layout)  # the run itself may be done, and its parent be another host's
    except (GanatomyError, StoreError) as error:
        structlog.get_logger().warning("results of other hosts are missing", reason=str(error))
    if catalogue.finished(spec.layout, spec.run_id):
        there = server.patiently(partial(results.is_final, spec.run_id), waiting=progress.wait)
        key = "" if there else results.upload(spec.layout, spec.run_id, waiting=progress.wait)
        with attempts.newest(
            spec.job_id, spec.attempt, progress.wait
        ):  # killed between writing it and publishing it
            store.publish(spec.layout, [spec.run_id])
            results.count(spec.layout, spec.run_id, key, final=True)
        return
    if spec.attempt:
        models = partial(shared_models.receive, spec.layout, request, spec.run_id)
        server.patiently(models, waiting=progress.wait)
    progress.total = request.size()
    try:
        task(spec, progress, request).run()
    except OtherSettingsError as error:  # another version of the program left them; nobody else needs them
        structlog.get_logger().warning("stages are made again", reason=str(error))
        shutil.rmtree(spec.layout.work / spec.run_id)
        task(spec, Progress(spec.layout, spec.job_id, request.size()), request).run()


def main(task: type[Task[Any]]) -> None:
    """Run the job on standard input with `task`."""
    process.main(partial(work, task))


class Result(Protocol):
    """What a study found, as tables and arrays."""

    def tables(self) -> dict[str, pd.DataFrame]: ...

    def arrays(self) -> dict[str, Arrays]: ...


@dataclass
class ModelTask(Task[M]):
    """A task that needs a generator and a segmenter, and publishes a run."""

    @cached_property
    def generator(self) -> Generator:
        """The generator, loaded once."""
        inputs = Inputs.parse(self.request.inputs or "")
        layout, device = self.spec.layout, self.spec.device
        return generators.load(self.request.generator, layout.models, device, inputs, exact=True)

    @cached_property
    def segmenter(self) -> Segmenter:
        """The segmenter, loaded once."""
        return segmenters.load(str(self.request.segmenter), self.spec.layout.models, self.spec.device)

    @cached_property
    def facts(self) -> dict[str, Row]:
        """The rows about generator and segmenter, with what the catalogue knows of them."""
        facts = describe(self.generator, self.segmenter)
        for role, registry in (("generator", generators), ("segmenter", segmenters)):
            info = registry.describe(str(getattr(self.request, role)), self.spec.layout.models)
            known = {key: getattr(info, key) for key in ("name", "family", "title", "licence")}
            facts[role] |= known
        facts["generator"]["name"] = self.generator.name
        facts["segmenter"]["name"] = segmenter_name(self.segmenter)
        facts["segmenter"]["weights_sha256"] = (
            facts["segmenter"]["weights_sha256"] or type(self.segmenter).__name__
        )
        return facts

    def tables(self) -> dict[str, pd.DataFrame]:
        """The rows about generator and segmenter as tables."""
        return {role: pd.DataFrame([facts]) for role, facts in self.facts.items()}

    def row(self, state: str, **more: object) -> Row:
        """As for every task, with the models' names and weights, seed and inputs."""
        generator, segmenter = self.facts["generator"], self.facts["segmenter"]
        about = {
            "generator": generator["name"],
            "segmenter": segmenter["name"],
            "seed": self.request.seed,
            "inputs": self.request.inputs,
            "generator_sha256": generator["weights_sha256"],
            "segmenter_sha256": segmenter["weights_sha256"],
        }
        return super().row(state, **about | more)

    def finish(self, found: Result, **about: object) -> None:
        """Publish the final results; `about` are further columns of table `run`. Remove the run's folder."""
        self.write(self.row("final", **about), found.tables() | self.tables(), found.arrays())
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class LayerTask(ModelTask[L]):
    """A task of one layer, whose study keeps its finished stages in `self.kept`.

    A process that is killed at any point is followed by one that goes on from there.
    """

    @cached_property
    def generator(self) -> Generator:
        """The generator, which is the one that the parent dissected.

        Raises:
            GanatomyError: other weights have its name since.
        """
        made = super().generator
        known = runs.generator_sha256(store.open(self.spec.layout), str(self.request.parent))
        if known and known != made.weights_sha256:
            raise GanatomyError(
                f"The generator '{made.name}' has other weights than when {self.request.parent} dissected "
                "it, so its units have other numbers; dissect it again first."
            )
        return made

    @property
    def kept(self) -> Path:
        """The folder of the study's finished stages."""
        return self.folder / "kept"

    @cached_property
    def stages(self) -> Stages:
        """Progress as the study reports it."""
        return Stages(self.progress, self.folder / "stages.json", self.watch)

    def finish_layer(self, found: Result, images: int, latents: tuple[int, int]) -> None:
        """Publish the final results, measured on `images` images of those latents."""
        self.progress.total = self.progress.done  # what it came to; before, it was a guess
        start, stop = latents
        parent, layer = self.request.parent, self.request.layer
        about = {"parent_run_id": parent, "layers": layer, "evaluation_start": start, "evaluation_stop": stop}
        self.finish(found, images=images, **about)
