"""The heavy process of causes: `python -P -m jobs.causing`, started by a worker.

`analysis.ace` keeps each finished stage in the run's folder, so that a process killed at any point is
followed by one that goes on from there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import structlog

from analysis.causal import streams
from analysis.causes import ace
from analysis.segmenters import registry as segmenters
from db import effects, store
from jobs import catalogue, heavy
from jobs.asking.numbers import listed
from jobs.bench import Bench, Stages
from jobs.progress import Progress
from jobs.requests import AceRequest


@dataclass
class Work(Bench[AceRequest]):
    """One learning of causes under way."""

    def run(self) -> None:
        """Everything, to the final publication."""
        self.watch.keep()
        request, spec = self.request, self.spec
        structlog.get_logger().info("loading", generator=request.generator, parent=request.parent)
        agreement = effects.calibration_iou(
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
        start, stop = streams.lane(streams.TESTING, 0, request.images)
        row = self.row("final") | {"parent_run_id": request.parent, "layers": request.layer}
        row |= {"images": request.images, "evaluation_start": start, "evaluation_stop": stop}
        self.write(row, found.tables() | self.tables(), found.arrays())
        shutil.rmtree(self.folder, ignore_errors=True)


def work(spec: heavy.Spec, progress: Progress) -> None:
    """Learn as asked. What is there already is not done again."""
    request = AceRequest.model_validate(spec.request)
    if catalogue.finished(spec.layout, spec.run_id):
        store.publish(spec.layout, [spec.run_id])  # killed between writing it and publishing it
        return
    progress.total = request.size()
    Work(spec, progress, request).run()


if __name__ == "__main__":
    heavy.main(work)
