"""One layer's statistics together, from calibration and evaluation counts. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.counting import agreement
from analysis.counting.agreement import Floats
from analysis.counting.ceiling import ceiling_iou
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges
from analysis.counting.plan import BLOCK, Plan
from analysis.counting.thresholds import Thresholds
from analysis.dissection import significance
from analysis.shared.arrays import Array


@dataclass(frozen=True)
class Scores:
    """Arrays (U, C), NaN where a pair has no threshold; those marked (U,) are of units."""

    layer: str
    threshold: Floats
    iou: Floats
    iou_low: Floats
    iou_high: Floats
    iqr: Floats
    accuracy: Floats
    precision: Floats
    recall: Floats
    null_iou: Floats
    presence_null_iou: Floats
    calibrated: Floats
    p_value: Floats
    q_value: Floats
    calibration_iou: Floats
    tail: Floats
    always_on: Floats
    mask_iou: Floats
    over_mask_low: Floats
    over_mask_high: Floats
    ceiling_iou: Floats
    label: NDArray[np.bool_]
    detector: NDArray[np.bool_]
    concept: NDArray[np.int64]  # (U,) the name, -1 for none
    unit_p: Floats  # (U,)
    unit_q: Floats  # (U,)


def score(
    name: str, plan: Plan, edges: Edges, thresholds: Thresholds, calibration: Counts, evaluation: Counts
) -> Scores:
    """Every statistic of one layer."""
    pair = thresholds.layers[name].pair
    layer, known = evaluation.layers[name], pair >= 0
    first = _calibration_iou(calibration, name, pair)
    values = _measured(evaluation, layer, pair)
    values |= _nulls(evaluation, layer, pair, values["iou"])
    low, high = significance.interval(layer.moments, evaluation.shown)
    if plan.naming == "evaluation":  # chosen on what is reported: no interval is honest
        low, high = np.full(pair.shape, np.nan), np.full(pair.shape, np.nan)
    unit_p, unit_q, pair_q = significance.q_values(np.where(known, values["p_value"], np.nan), plan.level)
    values |= {"iou_low": low, "iou_high": high, "q_value": pair_q, "calibration_iou": first}
    values |= _constants(name, thresholds, evaluation, edges, pair)
    over = significance.over_mask(layer.moments, evaluation.constant, evaluation.shown)
    values |= dict(zip(("over_mask_low", "over_mask_high"), over, strict=True))
    concept = _names(plan, calibration, first, values["iou"], known)
    label = np.arange(pair.shape[1]) == concept[:, None]
    shown = {key: np.where(known, value, np.nan) for key, value in values.items()}
    return Scores(
        layer=name,
        label=label,
        detector=label & (shown["over_mask_low"] > 0) & (shown["q_value"] <= plan.level),
        concept=concept,
        unit_p=unit_p,
        unit_q=unit_q,
        **shown,
    )


def _calibration_iou(calibration: Counts, name: str, pair: Array) -> Floats:
    layer = calibration.layers[name]
    scores = agreement.iou(
        agreement.at_pairs(layer.joint, pair), agreement.at_pairs(layer.pixels, pair), calibration.areas
    )
    return np.where(pair >= 0, scores, np.nan)


def _measured(evaluation: Counts, layer: LayerCounts, pair: Array) -> dict[str, Floats]:
    both, mask = agreement.at_pairs(layer.joint, pair), agreement.at_pairs(layer.pixels, pair)
    total = int(layer.pixels[0].sum())
    found = agreement.measures(both, mask, np.broadcast_to(evaluation.areas, both.shape), total)
    return found | {"tail": agreement.ratio(mask, np.asarray(total))}


def _nulls(evaluation: Counts, layer: LayerCounts, pair: Array, iou: Floats) -> dict[str, Floats]:
    images, pixels = evaluation.images, evaluation.grid[0] * evaluation.grid[1]
    weight = significance.null_weight(images, sum(stop % BLOCK == 1 for _, stop in evaluation.ranges))
    null = agreement.iou(
        agreement.at_pairs(layer.null, pair) * weight,
        agreement.at_pairs(layer.pixels, pair),
        evaluation.areas,
    )
    return {
        "null_iou": null,
        "presence_null_iou": significance.presence_null_iou(layer.moments),
        "calibrated": significance.calibrated(iou, null),
        "p_value": significance.p_values(layer.moments, images, evaluation.shown, pixels),
    }


def _constants(
    name: str, thresholds: Thresholds, evaluation: Counts, edges: Edges, pair: Array
) -> dict[str, Floats]:
    """What does not depend on the unit, or only on its edge."""
    shape, pixels = pair.shape, evaluation.images * evaluation.grid[0] * evaluation.grid[1]
    layer = evaluation.counted_layers[name]
    counted = evaluation.ceiling.get(f"{layer.height}x{layer.width}")
    ceiling = ceiling_iou(counted) if counted is not None else np.ones(shape[1])
    mask = significance.mask_iou(thresholds.masks, evaluation.places, evaluation.images)
    chosen = np.take_along_axis(edges.layers[name].edges, np.maximum(pair, 0).astype(np.int64), axis=1)
    return {
        "threshold": chosen.astype(np.float64),
        "always_on": np.broadcast_to(significance.always_on(evaluation.areas, pixels), shape),
        "mask_iou": np.broadcast_to(mask, shape),
        "ceiling_iou": np.broadcast_to(ceiling, shape),
    }


def _names(plan: Plan, calibration: Counts, first: Floats, second: Floats, known: Array) -> NDArray[np.int64]:
    pixels = calibration.images * calibration.grid[0] * calibration.grid[1]
    allowed = known & agreement.supported(calibration.areas, calibration.shown, pixels)
    return agreement.names(first if plan.naming == "calibration" else second, allowed)
