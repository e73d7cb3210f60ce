"""The heavy process of artifact units: `python -P -m jobs.tasks.artifacts`, started by a worker.

`analysis.rank_artifacts` keeps each finished stage in the run's folder, so that a process killed at any point
is followed by one that goes on from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from torch import Tensor

from analysis.artifacts.artifacts import rank_artifacts
from analysis.artifacts.references import reference
from analysis.shared.latent_ranges import SCORING, span
from db import store
from jobs.kinds import catalogue
from jobs.kinds.requests import ArtifactsRequest
from jobs.kinds.unit_lists import listed
from jobs.tasks import process
from jobs.tasks.progress import Progress
from jobs.tasks.task import Bench, Stages


@dataclass
class Work(Bench[ArtifactsRequest]):
    """One search for artifact units under way."""

    def run(self) -> None:
        """Everything, to the final publication."""
        self.watch.keep()
        request = self.request
        structlog.get_logger().info("loading", generator=request.generator, reference=request.reference)
        found = rank_artifacts(
            self.generator,
            self.eyes,
            self.reference(),
            layer=request.layer,
            by_hand=listed(request.marked) if request.marked else (),
            images=request.images,
            sets=request.sets,
            activation=request.activation,
            seed=request.seed,
            reference_name=request.reference,
            progress=Stages(self.progress, self.folder / "stages.json", self.watch),
            keep=self.folder / "kept",
        )
        self.progress.total = self.progress.done  # what it came to; before, it was a guess
        row = self.row("final") | {"parent_run_id": request.parent, "layers": request.layer}
        start, stop = span(SCORING, request.images)
        row |= {"images": request.images, "evaluation_start": start, "evaluation_stop": stop}
        self.write(row, found.tables() | self.tables(), found.arrays())
        shutil.rmtree(self.folder, ignore_errors=True)

    def reference(self) -> Iterator[Tensor]:
        """The pictures compared with, as large as the generator's: as many as rank, and as many as score. A
        folder's name is one in the store."""
        kind, _, name = self.request.reference.partition(":")
        layout, size = self.spec.layout, self.generator.image_shape[-2:]
        where = f"folder:{layout.references / name}" if kind == "folder" else self.request.reference
        count = 2 * self.request.images
        return reference(where, count, size=(int(size[0]), int(size[1])), models=layout.models)


def work(spec: process.Spec, progress: Progress) -> None:
    """Rank as asked. What is there already is not done again."""
    request = ArtifactsRequest.model_validate(spec.request)
    if catalogue.finished(spec.layout, spec.run_id):
        store.publish(spec.layout, [spec.run_id])  # killed between writing it and publishing it
        return
    progress.total = request.size()
    Work(spec, progress, request).run()


if __name__ == "__main__":
    process.main(work)
