"""The task of causes: `python -P -m jobs.tasks.causes`, started by a worker."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from analysis.causes.causes import ace
from analysis.models import segmenters
from analysis.shared import latent_ranges
from analysis.shared.number_lists import numbers
from db import store
from db.queries import causes
from jobs.kinds.causes import CausesRequest
from jobs.tasks.task import LayerTask, main


@dataclass
class CausesTask(LayerTask[CausesRequest]):
    """Learns which units cause a concept."""

    def run(self) -> None:
        self.watch.save()
        request, settings = self.request, self.request.settings
        structlog.get_logger().info("loading", generator=request.generator, parent=request.parent)
        iou = causes.calibration_iou(
            store.open(self.spec.layout), str(request.parent), request.layer, request.concept
        )
        name = request.second_segmenter
        second = segmenters.load(name, self.spec.layout.models, self.spec.device) if name else None
        found = ace(
            self.generator,
            self.segmenter,
            layer=request.layer,
            concept=request.concept,
            seed=request.seed,
            by_hand=numbers(request.marked) if request.marked else (),
            iou=iou,
            second_segmenter=second,
            progress=self.stages,
            keep=self.kept,
            settings=settings,
        )
        self.finish_layer(found, found.images, latent_ranges.lane(latent_ranges.TESTING, 0, found.images))


if __name__ == "__main__":
    main(CausesTask)
