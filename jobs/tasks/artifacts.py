"""The task of artifact units: `python -P -m jobs.tasks.artifacts`, started by a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from torch import Tensor

from analysis.artifacts.artifacts import rank_artifacts
from analysis.artifacts.features import chosen_network
from analysis.artifacts.references import reference
from analysis.shared.latent_ranges import SCORING, span
from analysis.shared.number_lists import numbers
from jobs.kinds.artifacts import ArtifactsRequest
from jobs.tasks.task import LayerTask, main


@dataclass
class ArtifactsTask(LayerTask[ArtifactsRequest]):
    """Ranks units by the damage they do, and ablates the worst."""

    def run(self) -> None:
        self.watch.save()
        request, settings = self.request, self.request.settings
        structlog.get_logger().info("loading", generator=request.generator, reference=request.reference)
        layout, device = self.spec.layout, self.spec.device
        network = chosen_network(settings.features, self.segmenter, settings.images, layout.models, device)
        found = rank_artifacts(
            self.generator,
            network,
            self.reference(),
            layer=request.layer,
            by_hand=numbers(request.marked) if request.marked else (),
            settings=settings,
            seed=request.seed,
            reference_name=str(request.reference),
            progress=self.stages,
            keep=self.kept,
        )
        self.finish_layer(found, settings.images, span(SCORING, settings.images))

    def reference(self) -> Iterator[Tensor]:
        """The pictures to compare with, as large as the generator's: half of them rank, half score.

        A folder is named as in the store's `references`.
        """
        wanted = str(self.request.reference)
        kind, _, name = wanted.partition(":")
        layout, size = self.spec.layout, self.generator.image_shape[-2:]
        where = f"folder:{layout.references / name}" if kind == "folder" else wanted
        count = 2 * self.request.settings.images
        return reference(where, count, size=(int(size[0]), int(size[1])), models=layout.models)


if __name__ == "__main__":
    main(ArtifactsTask)
