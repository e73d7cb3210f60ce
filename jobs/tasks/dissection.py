"""The task of a dissection: `python -P -m jobs.tasks.dissection`, started by a worker.

Generator and segmenter are loaded once. The counts are saved about every two minutes, so a process
that was killed is followed by one that counts only what is missing. Results are published early and again:
first from 64 + 64 images, then as evaluation goes on, each time whole, and at last as final. Only the final
results surely have all pictures of top images; those that were not in memory are made again then.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.artifacts.references import reference
from analysis.counting.compilation import cold
from analysis.counting.counts import Counts
from analysis.counting.edges import Edges
from analysis.counting.passes import TOGETHER, Source, count_blocks, make_pictures, picture, pilot_from
from analysis.counting.plan import BLOCK, Plan, blocks
from analysis.counting.preparation import MESSAGE, prepare
from analysis.counting.thresholds import Thresholds, choose, unscored
from analysis.dissection.dissection import measure
from analysis.dissection.reference_shares import looked, table
from analysis.dissection.segmenter_agreement import IMAGES, kappas
from analysis.dissection.settings import REFERENCE_IMAGES
from analysis.dissection.spans import Range, missing
from analysis.models import generators, segmenters
from analysis.models.controls import random_twin
from analysis.models.generator import Generator
from analysis.models.segmenter import checked_labels
from analysis.shared.arrays import Arrays
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from db.store import bundles, files
from jobs.kinds.dissection import DissectionRequest
from jobs.tasks.label_cache import LabelCache
from jobs.tasks.reported_segmenter import ReportedSegmenter
from jobs.tasks.saved_counts import SavedCounts
from jobs.tasks.split_counts import SplitCounting
from jobs.tasks.task import ModelTask, Row, main

Batch = tuple[range, NDArray[Any], list[NDArray[np.uint8]]]  # numbers, labels, pictures
PAUSE = 60.0  # seconds at least between two publications
OF_REPLICAS = [
    *("name_share", "likely_names"),
    *(f"composition{part}" for part in ("", "_side", "_lift", "_lift_low", "_lift_high", "_gain")),
]
GROWTH = 1.5  # and so many times as many evaluation images


@dataclass
class DissectionTask(ModelTask[DissectionRequest]):
    """Counts units against concepts, block by block."""

    seen: set[tuple[int, int]] = field(default_factory=set)
    published: tuple[float, int] = (0.0, 0)  # when, with how many evaluation images
    calibration: Counts | None = None
    thresholds: Thresholds | None = None
    kappas: pd.DataFrame | None = None  # of the two segmenters
    compared: tuple[pd.DataFrame, dict[str, Arrays]] | None = None  # shares, and pictures
    calibrated: bool = False  # thresholds are those of all calibration images
    pace: float = 0.0  # seconds per image when this process last counted a block; 0 before

    @cached_property
    def plan(self) -> Plan:
        """What is counted, and with which latents."""
        request, settings = self.request, self.request.settings
        return Plan.make(
            settings.images,
            settings.calibration,
            request.seed,
            request.layers,
            settings.threshold,
            sides=settings.sides,
            compositions=settings.compositions,
            rotation=request.seed if request.control == "rotation" else None,
        )

    @cached_property
    def generator(self) -> Generator:
        """The generator, loaded once. A control has a name of its own, so that nobody confuses the two."""
        loaded = super().generator
        if self.request.control == "random-weights":
            return random_twin(loaded)
        if self.request.control == "rotation":
            loaded.name = f"{loaded.name}-rotated"
        return loaded

    @cached_property
    def reported(self) -> ReportedSegmenter:
        """The segmenter, which reports how far it is."""
        return ReportedSegmenter(self.segmenter, 16 if self.spec.device == "cpu" else BLOCK, self.progress)

    @cached_property
    def facts(self) -> dict[str, Row]:
        """The rows about the models, with what the generator was trained on and is a checkpoint of."""
        facts = super().facts
        if self.request.control == "none":  # a control is no checkpoint
            made = generators.describe(self.request.generator, self.spec.layout.models)
            steps, images = made.training_steps, made.training_images
            place = {"training": made.training or None, "training_steps": steps, "training_images": images}
            facts["generator"] |= place | {"trained_on": made.trained_on or None}
        return facts

    @cached_property
    def source(self) -> Source:
        """Where blocks of images and labels come from. Label maps in the store are not made again."""
        return Source(self.generator, self.reported, self.plan, self.labels)

    @cached_property
    def labels(self) -> LabelCache:
        """The label maps of this generator's images that the store keeps."""
        concepts = [f"{concept.name}/{concept.category}" for concept in self.reported.concepts]
        return LabelCache.of(
            self.spec.layout,
            self.generator.identity,
            self.reported.weights_sha256,
            concepts,
            self.plan.seed,
            self.generator.image_shape,
        )

    @cached_property
    def edges(self) -> Edges:
        """Bin edges, in a file beside the counts that are made with them."""
        # Before units were standardised, the edges of rotated ones were in the file of the others.
        file = self.folder / ("edges.npz" if self.plan.rotation is None else "edges-standardised.npz")
        try:
            return Edges.load(file)
        except GanatomyError:
            edges = pilot_from(self.source)
            with files.replacing(file) as aside:
                edges.save(aside)
            return edges

    @cached_property
    def parts(self) -> SplitCounting | None:
        """What counts long parts of the run in spans, side by side; None where this process counts all."""
        return SplitCounting.of(self.spec, self.folder / "spans", self.progress)

    def saved(self, thresholds: Thresholds | None) -> SavedCounts[Counts]:
        """Where the counts of the calibration or, given thresholds, of the evaluation are saved."""
        if thresholds is None:
            return SavedCounts(self.folder, "calibration", self.edges.hash, Counts.load)
        return SavedCounts(self.folder, "evaluation", thresholds.hash, Counts.load)

    def count(self, span: tuple[int, int], thresholds: Thresholds | None = None) -> Counts:
        """The counts of a span of images, and of what else an earlier attempt saved of its part.

        Only missing blocks are counted.
        """
        saved = self.saved(thresholds)
        counts = saved.read()
        if counts is not None and not self._is_of_this_run(counts, thresholds):
            structlog.get_logger().warning(
                "saved counts are of other models or images; all images are counted again"
            )
            counts = None
        for first, last in counts.ranges if counts else ():
            self._report(first, last, found=True)
        for done, counted in self._parts(span, thresholds, counts):
            counts = counted
            if saved.due() or done[1] == span[1]:
                saved.write(counts)
                if self.parts is not None:
                    self.parts.folder.forget(saved.part, saved.key, counts.ranges[-1][1])
            self._report(*done, found=False)
            if thresholds is not None:
                self._publish_provisional(thresholds, counts)
        assert counts is not None
        return counts

    def _parts(
        self, span: Range, thresholds: Thresholds | None, counts: Counts | None
    ) -> Iterator[tuple[Range, Counts]]:
        """Count what is missing of a span of images, in order; yields each part with the counts so far."""
        if self.parts is None or span[1] - span[0] <= BLOCK:
            yield from self._count_here(span, thresholds, counts)
            return
        gaps = missing(span, counts.ranges if counts else ())
        if gaps and not self.pace:  # an earlier attempt made the first look
            first = (span[0], min(gaps[0][0] + BLOCK, gaps[0][1]))
            for done, counted in self._count_here(first, thresholds, counts):
                counts = counted
                yield done, counts
        yield from self.parts.count(
            span,
            self.edges,
            thresholds,
            counts,
            self.pace,
            lambda found: self._is_of_this_run(found, thresholds),
        )

    def _count_here(
        self, span: Range, thresholds: Thresholds | None, counts: Counts | None
    ) -> Iterator[tuple[Range, Counts]]:
        """Count block by block in this process, and note how long an image takes."""
        began = time.monotonic()
        for block, counted in count_blocks(self.source, span, self.edges, thresholds, counts):
            self.pace = (time.monotonic() - began) / (block[1] - block[0])
            yield block, counted
            began = time.monotonic()

    def _is_of_this_run(self, counts: Counts, thresholds: Thresholds | None) -> bool:
        """Whether saved counts are of the same models, edges and latents; 0.1.0 had others in large runs."""
        start, stop = self.plan.calibration if thresholds is None else self.plan.evaluation
        inside = all(start <= first and last <= stop for first, last in counts.ranges)
        return inside and counts.about == self.source.about(counts.grid, self.edges, thresholds)

    def _report(self, first: int, last: int, found: bool) -> None:
        """Report images. They are progress once: the first look and the evaluation may both count them."""
        new = {*blocks(first, last)} - self.seen
        self.reported.block_done(sum(stop - start for start, stop in new), found)
        self.seen |= new
        if self.spec.device == "cuda":
            self.progress.extra["gpu_memory_bytes"] = torch.cuda.memory_reserved()
        self.watch.save()

    def _publish_provisional(self, thresholds: Thresholds, counts: Counts) -> None:
        when, images = self.published
        waited = time.monotonic() - when >= PAUSE and counts.images >= GROWTH * images
        if self.calibrated and waited and counts.ranges[-1][1] < self.plan.evaluation[1]:
            if self.parts is not None:  # spans come without pictures; most of these are wanted at the end too
                make_pictures(self.source, counts)
            self.publish(counts, "provisional")

    def calibrate(self, span: tuple[int, int]) -> Thresholds:
        """Thresholds and names from the calibration images of a span."""
        self.calibration = self.count(span)
        plan = self.plan
        self.thresholds = choose(self.calibration, plan.threshold, plan.sides, plan.compositions)
        return self.thresholds

    def run(self) -> None:
        """Everything, from the pilot to the final publication."""
        try:
            self._run()
        finally:
            self._end_parts()

    def _end_parts(self) -> None:
        """End the processes that count spans, and free their slots."""
        if self.parts is not None:
            self.parts.close()

    def _run(self) -> None:
        self.watch.save()
        if cold():
            self.progress.begin(MESSAGE)
            prepare()
        self.progress.begin("pilot")
        log = structlog.get_logger()
        log.info(
            "loaded", generator=self.generator.name, segmenter=self.reported.name, **log_fields(self.plan)
        )
        _ = self.edges
        self._publish_first()
        self.progress.begin("calibration")
        thresholds = self.calibrate(self.plan.calibration)
        self.calibrated = True
        if self.calibration is not None and (reason := unscored(thresholds, self.calibration)):
            log.warning(reason)
        self.progress.begin("evaluation")
        evaluation = self.count(self.plan.evaluation, thresholds)
        self._end_parts()
        self.progress.begin("pictures")
        make_pictures(self.source, evaluation)
        self._compare_segmenters()
        self._look_at_reference()
        self.publish(evaluation, "final")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compare_segmenters(self) -> None:
        """How far the second segmenter agrees with the first, on some evaluation images."""
        name, (start, stop) = self.request.second_segmenter, self.plan.evaluation
        if name is None:
            return
        self.progress.begin("second segmenter")
        second = segmenters.load(name, self.spec.layout.models, self.spec.device)
        span = (start, min(stop, start + IMAGES))
        try:
            self.kappas = kappas(self.generator, self.segmenter, second, self.plan.seed, span)
        except GanatomyError as error:  # what was counted is worth more than this
            structlog.get_logger().warning("the segmenters are not compared", reason=str(error))

    def _look_at_reference(self) -> None:
        """How much of each concept the generator draws, and how much the reference pictures show."""
        name, (start, stop) = self.request.reference, self.plan.evaluation
        if name is None:
            return
        self.progress.begin("reference pictures")
        span = (start, min(stop, start + REFERENCE_IMAGES))
        count, concepts = max(span[1] - span[0], 2), self.segmenter.concepts
        kind, _, what = name.partition(":")
        layout, size = self.spec.layout, self.generator.image_shape[-2:]
        where = f"folder:{layout.references / what}" if kind == "folder" else name
        try:
            pictures = reference(where, count, size=(int(size[0]), int(size[1])), models=layout.models)
            theirs = looked(self._segmented(pictures), len(concepts))
        except (GanatomyError, OSError) as error:  # what was counted is worth more than this
            structlog.get_logger().warning("the reference is not compared with", reason=str(error))
            return
        drawn = looked(self._drawn(span), len(concepts))
        self.compared = (
            table(drawn.shares, theirs.shares, concepts, name),
            {"drawn": drawn.arrays(), "reference": theirs.arrays()},
        )

    def _drawn(self, span: tuple[int, int]) -> Iterator[Batch]:
        """The generator's images of some latents, labelled; kept labels are not made again."""
        for first, last in blocks(*span):
            kept = self.labels.get(first, last)
            for start in range(first, last, TOGETHER):
                numbers = range(start, min(start + TOGETHER, last))
                z = latents(self.plan.seed, numbers.start, numbers.stop, self.generator.latent_shape)
                images = self.generator.images(z)
                part = None if kept is None else kept[start - first : numbers.stop - first]
                yield (
                    numbers,
                    self._labels(images, numbers) if part is None else part,
                    list(map(picture, images)),
                )

    def _segmented(self, batches: Iterator[Tensor]) -> Iterator[Batch]:
        """Reference pictures by their number, labelled."""
        first = 0
        for images in batches:
            for part in images.split(TOGETHER):
                numbers = range(first, first + len(part))
                first += len(part)
                yield numbers, self._labels(part, None), list(map(picture, part))

    def _labels(self, images: Tensor, numbers: range | None) -> NDArray[Any]:
        seed = None if numbers is None else self.plan.seed
        return checked_labels(self.segmenter, images, seed, numbers or ()).cpu().numpy()

    def _publish_first(self) -> None:
        """Publish first numbers, from the first block of each part, unless there are no more blocks."""
        (a, b), (c, d) = self.plan.calibration, self.plan.evaluation
        if (b - a <= BLOCK and d - c <= BLOCK) or bundles.revisions(self.spec.layout, self.spec.run_id):
            return
        self.progress.begin("first look")
        thresholds = self.calibrate((a, min(b, a + BLOCK)))
        self.publish(self.count((c, min(d, c + BLOCK)), thresholds), "provisional")

    def publish(self, evaluation: Counts, state: str) -> None:
        """Write the results so far as a bundle, and make them what the store shows."""
        assert self.calibration is not None
        assert self.thresholds is not None
        seen = (self.calibration, evaluation)
        dissection = measure(self.plan, self.facts, self.edges, self.thresholds, *seen)
        height, width = evaluation.grid
        row = self.row(
            state,
            images=evaluation.images,
            calibration=self.calibration.images,
            calibration_start=self.calibration.ranges[0][0],
            calibration_stop=self.calibration.ranges[-1][1],
            evaluation_start=evaluation.ranges[0][0],
            evaluation_stop=evaluation.ranges[-1][1],
            threshold_rule=str(self.plan.threshold),
            layers=",".join(self.request.layers or ()),
            grid_height=height,
            grid_width=width,
        )
        # What is published early has not made all images of the request, so it states a speed of its own.
        images = evaluation.images + self.calibration.images
        row["images_per_s"] = images / row["duration_s"] if row["duration_s"] else None
        tables = dissection.tables()
        if state == "provisional":  # replicas are as large as the calibration only at the end
            tables["unit"] = tables["unit"].drop(columns=OF_REPLICAS)
        if self.kappas is not None:
            tables["concept"] = tables["concept"].merge(self.kappas, on="concept", how="left")
        arrays = dissection.arrays()
        if self.compared is not None:
            tables["reference_share"] = self.compared[0]
            arrays |= self.compared[1]
        self.write(row, tables, arrays)
        self.published = (time.monotonic(), evaluation.images)


def log_fields(plan: Plan) -> dict[str, str]:
    """What is going to be counted, for the log."""
    first = {"layers": ",".join(plan.layers) if plan.layers else "all"}
    spans = {"calibration": plan.calibration, "evaluation": plan.evaluation}
    latents = {f"{name}_latents": f"{start}-{stop - 1}" for name, (start, stop) in spans.items()}
    rule = plan.threshold if plan.threshold == "iqr" else f"top {plan.threshold:.3%}"
    return {**first, **latents, "seed": str(plan.seed), "threshold": rule}


if __name__ == "__main__":
    main(DissectionTask)
