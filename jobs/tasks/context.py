"""The heavy process of insertions: `python -P -m jobs.tasks.context`, started by a worker.

`analysis.insertion_context` keeps each batch of images in the run's folder, so that a process killed at any
point is followed by one that goes on from there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import structlog

from analysis.context.context import insertion_context
from db import store
from db.queries import context
from jobs.kinds import catalogue
from jobs.kinds.context import STRENGTHS
from jobs.kinds.requests import ContextRequest
from jobs.kinds.unit_lists import listed
from jobs.tasks import process
from jobs.tasks.progress import Progress
from jobs.tasks.task import Bench, Stages

OWN_K = "mean"  # the causes runs whose constants are k; of others only the units are taken


@dataclass
class Work(Bench[ContextRequest]):
    """One insertion under way."""

    def run(self) -> None:
        """Everything, to the final publication."""
        self.watch.keep()
        request = self.request
        units, values = self.chosen()
        told = {"units": units or "of best IoU", "causes": request.causes}
        structlog.get_logger().info("loading", generator=request.generator, parent=request.parent, **told)
        strengths = request.strengths or STRENGTHS
        found = insertion_context(
            self.generator,
            self.eyes,
            layer=request.layer,
            concept=request.concept,
            units=units,
            values=values,
            strengths=strengths,
            controls=strengths if request.controls == "all" else None,
            images=request.images,
            traced=request.traced,
            measuring=request.measuring,
            every=request.every,
            patch=request.patch,
            seed=request.seed,
            progress=Stages(self.progress, self.folder / "stages.json", self.watch),
            keep=self.folder / "kept",
        )
        self.progress.total = self.progress.done  # what it came to; before, it was a guess
        start, stop = found.latents
        row = self.row("final") | {"parent_run_id": request.parent, "layers": request.layer}
        row |= {"images": request.images, "evaluation_start": start, "evaluation_stop": stop}
        arrays = found.arrays()
        # Pages draw maps at the precision of a picture; the tables keep the numbers.
        arrays["cells"] = {
            name: value.astype("float32") if value.dtype == "float64" and value.ndim > 2 else value
            for name, value in arrays["cells"].items()
        }
        self.write(row, found.tables() | self.tables(), arrays)
        shutil.rmtree(self.folder, ignore_errors=True)

    def chosen(self) -> tuple[list[int] | None, list[float] | None]:
        """The units to force on and, where a causes run measured them, their constants k."""
        if self.request.units is not None:
            return listed(self.request.units), None
        if self.request.causes is None:
            return None, None
        rows = context.causal_set(store.open(self.spec.layout), self.request.causes)
        units = [int(unit) for unit in rows["unit"]]
        if rows.empty or rows["insert_kind"].iloc[0] != OWN_K:
            return units or None, None
        return units, [float(value) for value in rows["insert_value"]]


def work(spec: process.Spec, progress: Progress) -> None:
    """Insert as asked. What is there already is not done again."""
    request = ContextRequest.model_validate(spec.request)
    if catalogue.finished(spec.layout, spec.run_id):
        store.publish(spec.layout, [spec.run_id])  # killed between writing it and publishing it
        return
    progress.total = request.size()
    Work(spec, progress, request).run()


if __name__ == "__main__":
    process.main(work)
