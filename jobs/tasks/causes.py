"""The task of causes: `python -P -m jobs.tasks.causes`, started by a worker."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from analysis.causes.causes import ace
from analysis.models import segmenters
from analysis.shared import latent_ranges
from db import store
from db.queries import causes
from jobs.kinds.causes import CausesRequest
from jobs.kinds.unit_lists import listed
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
        second = request.second_segmenter
        amounts = ("training", "choosing", "single_images", "random_images")
        found = ace(
            self.generator,
            self.segmenter,
            layer=request.layer,
            concept=request.concept,
            seed=request.seed,
            seeds=settings.seeds,
            steps=settings.steps,
            penalty=settings.penalty,
            penalty_weight=settings.penalty_weight,
            insert=settings.insert,
            ablate=settings.ablate,
            images=settings.images,
            random_sets=settings.random_sets,
            top=settings.top,
            by_hand=listed(request.marked) if request.marked else (),
            iou=iou,
            second_segmenter=segmenters.load(second, self.spec.layout.models, self.spec.device)
            if second
            else None,
            progress=self.stages,
            keep=self.kept,
            amounts={name: getattr(settings, name) for name in amounts},
        )
        self.finish_layer(
            found, settings.images, latent_ranges.lane(latent_ranges.TESTING, 0, settings.images)
        )


if __name__ == "__main__":
    main(CausesTask)
