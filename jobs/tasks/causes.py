"""The heavy process of causes: `python -P -m jobs.tasks.causes`, started by a worker.

`analysis.ace` keeps each finished stage in the run's folder, so that a process killed at any point is
followed by one that goes on from there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import structlog

from analysis.causes.causes import ace
from analysis.models import segmenters
from analysis.shared import latent_ranges
from db import store
from db.queries import causes
from jobs.kinds import catalogue
from jobs.kinds.requests import CausesRequest
from jobs.kinds.unit_lists import listed
from jobs.tasks import process
from jobs.tasks.progress import Progress
from jobs.tasks.task import Bench, Stages


@dataclass
class Work(Bench[CausesRequest]):
    """One learning of causes under way."""

    def run(self) -> None:
        """Everything, to the final publication."""
        self.watch.keep()
        request, spec = self.request, self.spec
        structlog.get_logger().info("loading", generator=request.generator, parent=request.parent)
        agreement = causes.calibration_iou(
            store.open(spec.layout), str(request.parent), request.layer, request.concept
        )
        second = request.second_segmenter
        found = ace(
            self.generator,
            self.eyes,
            layer=request.layer,
            concept=request.concept,
            seed=request.seed,
            seeds=request.seeds,
            steps=request.steps,
            penalty=request.penalty,
            penalty_weight=request.penalty_weight,
            insert=request.insert,
            ablate=request.ablate,
            images=request.images,
            random_sets=request.random_sets,
            top=request.top,
            by_hand=listed(request.marked) if request.marked else (),
            iou=agreement,
            second_segmenter=segmenters.load(second, spec.layout.models, spec.device) if second else None,
            progress=Stages(self.progress, self.folder / "stages.json", self.watch),
            keep=self.folder / "kept",
            amounts=request.amounts(),
        )
        self.progress.total = self.progress.done  # what it came to; before, it was a guess
        start, stop = latent_ranges.lane(latent_ranges.TESTING, 0, request.images)
        row = self.row("final") | {"parent_run_id": request.parent, "layers": request.layer}
        row |= {"images": request.images, "evaluation_start": start, "evaluation_stop": stop}
        self.write(row, found.tables() | self.tables(), found.arrays())
        shutil.rmtree(self.folder, ignore_errors=True)


def work(spec: process.Spec, progress: Progress) -> None:
    """Learn as asked. What is there already is not done again."""
    request = CausesRequest.model_validate(spec.request)
    if catalogue.finished(spec.layout, spec.run_id):
        store.publish(spec.layout, [spec.run_id])  # killed between writing it and publishing it
        return
    progress.total = request.size()
    Work(spec, progress, request).run()


if __name__ == "__main__":
    process.main(work)
