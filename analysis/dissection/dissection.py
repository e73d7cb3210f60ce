"""Dissecting a generator: which unit agrees with which concept, and what the agreement is worth.

result = dissect(generator, segmenter, images=1000, calibration=500, seed=1)
result.frame().query("label").sort_values("iou")
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.counting.agreement import MIN_IMAGES
from analysis.counting.counts import Counts
from analysis.counting.edges import Edges
from analysis.counting.plan import BLOCK, Plan, ThresholdRule
from analysis.counting.thresholds import Thresholds, choose, unscored
from analysis.dissection import tables
from analysis.dissection.pictures import packed
from analysis.dissection.scores import Scores, score
from analysis.dissection.significance import images_for_width, null_weight
from analysis.models.segmenter import segmenter_name
from analysis.shared.errors import GanatomyError

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter


@dataclass(frozen=True)
class Dissection:
    """A dissection's counts and every number that follows from them."""

    plan: Plan
    facts: Mapping[str, Any]
    edges: Edges
    thresholds: Thresholds
    calibration_counts: Counts
    evaluation_counts: Counts

    @property
    def calibration(self) -> tuple[int, int]:
        """The latents behind thresholds and names, as (start, stop).

        While the run goes on, these are the latents so far.
        """
        return _range(self.calibration_counts)

    @property
    def evaluation(self) -> tuple[int, int]:
        """The latents behind the numbers, as (start, stop)."""
        return _range(self.evaluation_counts)

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """Every statistic of each layer as arrays (U, C) or (U,)."""
        return {
            name: score(
                name, self.plan, self.edges, self.thresholds, self.calibration_counts, self.evaluation_counts
            )
            for name in self.evaluation_counts.layers
        }

    def frame(self) -> pd.DataFrame:
        """One row per unit and concept, with the columns of table unit_concept.

        layer, unit, concept, category, threshold, iou, iou_low, iou_high, iqr, null_iou, q_value and the
        rest. NaN where a pair has no threshold.
        """
        parts = [tables.unit_concepts(scores, self.evaluation_counts) for scores in self.scores.values()]
        return pd.concat(parts, ignore_index=True)

    def images_for(self, width: float) -> float:
        """How many evaluation images would bring the median interval of the named units to a width."""
        scores = [(s.iou[s.label], s.iou_low[s.label], s.iou_high[s.label]) for s in self.scores.values()]
        iou, low, high = (np.concatenate(part) for part in zip(*scores, strict=True))
        return images_for_width(iou, low, high, self.evaluation_counts.images, width)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        return {
            "generator": pd.DataFrame([self.facts["generator"]]),
            "segmenter": pd.DataFrame([self.facts["segmenter"]]),
            "concept": tables.concepts(
                self.calibration_counts, self.evaluation_counts, self.thresholds.masks
            ),
            "layer": tables.layers(self.evaluation_counts),
            "unit": pd.concat(
                [tables.units(scores, self.evaluation_counts) for scores in self.scores.values()],
                ignore_index=True,
            ),
            "unit_concept": self.frame(),
            "unit_neighbour": pd.concat(
                [tables.neighbours(scores) for scores in self.scores.values()], ignore_index=True
            ),
            "unit_image": tables.unit_images(self.evaluation_counts, self.thresholds),
        }

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """What pages read beside the tables: counts-<layer>, activations-<layer> and images."""
        found: dict[str, dict[str, NDArray[Any]]] = {}
        counts, concepts = self.evaluation_counts, len(self.calibration_counts.areas)  # formulas follow these
        for name, layer in counts.layers.items():
            found[f"counts-{name}"] = {
                "edges": self.edges.layers[name].edges,
                "joint": layer.joint[:, :concepts],
                "null": layer.null[:, :concepts],
                "null_weight": np.array(null_weight(counts.images, alone(counts))),
                "pixels": layer.pixels,
                "areas": counts.areas[:concepts],
                "pair": self.thresholds.layers[name].pair[:, :concepts],
                "side": self.thresholds.layers[name].side[:, :concepts],
            }
            found[f"activations-{name}"] = tables.activations(counts, name)
        found["images"] = packed(counts.top_images.pictures)
        return found


def _range(counts: Counts) -> tuple[int, int]:
    return counts.ranges[0][0], counts.ranges[-1][1]


def alone(counts: Counts) -> int:
    """Images in blocks of one, which have no partners."""
    return sum(1 for _start, stop in counts.ranges if stop % BLOCK == 1)


def measure(
    plan: Plan,
    facts: Mapping[str, Any],
    edges: Edges,
    thresholds: Thresholds,
    calibration: Counts,
    evaluation: Counts,
) -> Dissection:
    """The dissection that follows from counts, complete or so far; `facts` as `describe` gives them.

    Raises:
        GanatomyError: the counts were made with other edges or thresholds.
    """
    for counts, of in ((calibration, None), (evaluation, thresholds.hash)):
        if counts.about["edges"] != edges.hash or counts.about["thresholds"] != of:
            raise GanatomyError("These counts belong to other edges or thresholds; count them again.")
    return Dissection(plan, facts, edges, thresholds, calibration, evaluation)


def describe(generator: "Generator", segmenter: "Segmenter") -> dict[str, dict[str, Any]]:
    """The rows of tables generator and segmenter that the two objects themselves know."""
    shape = generator.image_shape
    return {
        "generator": {
            "name": generator.name,
            "family": generator.family,
            "title": generator.name,
            "weights_sha256": generator.weights_sha256,
            "latent_shape": "x".join(map(str, generator.latent_shape)),
            "image_height": shape[1],
            "image_width": shape[2],
            "parameters": generator.parameters,
            "licence": None,
        },
        "segmenter": {
            "name": segmenter_name(segmenter),
            "family": getattr(segmenter, "family", None),
            "title": segmenter_name(segmenter),
            "weights_sha256": getattr(segmenter, "weights_sha256", None),
            "concepts": len(segmenter.concepts),
            "licence": None,
        },
    }


def dissect(
    generator: "Generator",
    segmenter: "Segmenter",
    *,
    layers: Sequence[str] | None = None,
    images: int = 1000,
    calibration: int = 500,
    seed: int = 1,
    threshold: ThresholdRule = "iqr",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Dissection:
    """Find out which unit of a generator agrees with which concept.

    A pilot finds bin edges, calibration images choose thresholds and names, and evaluation images give the
    numbers. `images` counts evaluation images, `calibration` is additional. `threshold` is "iqr" or a
    fraction of the pixels. Further options are those of `analysis.counting.plan.Plan` (bins, sides, naming,
    compositions, rotation, level).

    Raises:
        GanatomyError: no images, no such layer, or a segmenter that breaks its contract.
    """
    from analysis.counting.passes import Source, count_from, make_pictures, pilot_from
    from analysis.counting.preparation import prepare

    prepare()
    plan = Plan.make(images, calibration, seed, layers, threshold, **options)
    source = Source(generator, segmenter, plan, None)
    total = images + calibration
    report = progress or (lambda done, of: None)
    edges = pilot_from(source)
    calibrated = count_from(source, plan.calibration, edges, None, lambda done, _: report(done, total))
    thresholds = choose(calibrated, plan.threshold, plan.sides, plan.compositions)
    if reason := unscored(thresholds, calibrated):
        log.warning(reason)
    elif images < MIN_IMAGES:
        log.warning("%d evaluation images confirm no name and give no interval; %d do.", images, MIN_IMAGES)
    counted = count_from(
        source, plan.evaluation, edges, thresholds, lambda done, _: report(calibration + done, total)
    )
    make_pictures(source, counted)
    return measure(plan, describe(generator, segmenter), edges, thresholds, calibrated, counted)
