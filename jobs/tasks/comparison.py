"""The task of a comparison: `python -P -m jobs.tasks.comparison`, started by a worker.

It reads the dissections that have ended before it. It loads no model.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from analysis.comparison.trainings import Comparison, tally
from analysis.shared.errors import GanatomyError
from db import store
from db.queries import comparison as queries
from jobs.kinds import catalogue
from jobs.kinds.comparison import ComparisonRequest
from jobs.tasks.task import Task, main


@dataclass
class ComparisonTask(Task[ComparisonRequest]):
    """Holds finished dissections beside each other."""

    def run(self) -> None:
        layout = self.spec.layout
        self.progress.begin("comparing")
        for needed in self.request.before():
            if not catalogue.finished(layout, needed.resolve(layout)[1]):
                raise GanatomyError(
                    f"A dissection that this needs is not there; run `{needed.command()}` first."
                )
        compared = tuple(each.resolve(layout)[1] for each in self.request.dissections())
        snapshot = store.open(layout)
        counted = tally(
            queries.layers(snapshot, compared),
            queries.detecting(snapshot, compared),
            queries.detecting(snapshot, compared, rotated=True),
            queries.shared_concepts(snapshot, compared),
        )
        found = Comparison(counted, queries.best(snapshot, compared))
        self.progress.advance(self.request.size())
        request, settings = self.request, self.request.settings
        segmenters = [each.resolve(layout)[0].segmenter for each in request.dissections()]
        about = {
            "generator": ", ".join(request.generators),
            "segmenter": ", ".join(str(name) for name in dict.fromkeys(segmenters)),
        }
        sample = {"seed": request.seed, "images": settings.images, "calibration": settings.calibration}
        self.write(self.row("final", **about, **sample), found.tables(), {})
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    main(ComparisonTask)
