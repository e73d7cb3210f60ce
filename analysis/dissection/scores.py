"""One layer's statistics together, from calibration and evaluation counts. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.counting import agreement, replicas, values
from analysis.counting.agreement import LOW, Floats
from analysis.counting.ceiling import ceiling_iou
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges
from analysis.counting.plan import BLOCK, Plan
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.dissection import significance, unit_map
from analysis.shared.arrays import Array

LEAST_GAIN = 0.975  # of the bootstraps, in which a formula explains more than any single concept


@dataclass(frozen=True)
class Compositions:
    """The formula that explains each unit better than any single concept, confirmed on evaluation images.

    Arrays (U,): the column in the evaluation counts, or -1 for none, the side of the threshold (0 for none),
    the lift with its interval, and the share of bootstraps in which it is over that of every single concept.
    """

    column: NDArray[np.int64]
    side: NDArray[np.int8]
    lift: Floats
    lift_low: Floats
    lift_high: Floats
    gain: Floats


@dataclass(frozen=True)
class Scores:
    """Arrays (U, C) of single concepts, those marked (U,) of units.

    NaN where a pair has no threshold, if it needs one.
    """

    layer: str
    side: NDArray[np.int8]
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
    lift: Floats
    lift_low: Floats
    lift_high: Floats
    lift_q_value: Floats
    calibration_iou: Floats
    calibration_lift: Floats
    tail: Floats
    always_on: Floats
    mask_iou: Floats
    ceiling_iou: Floats
    average_precision: Floats  # needs no threshold
    average_precision_lift: Floats  # needs no threshold
    correlation: Floats  # needs no threshold
    label: NDArray[np.bool_]
    largest_iou: NDArray[np.bool_]
    detector: NDArray[np.bool_]
    concept: NDArray[np.int64]  # (U,) the name, -1 for none
    unit_p: Floats  # (U,)
    unit_q: Floats  # (U,)
    names: NDArray[np.int64]  # (U, K + 1) the names that bootstraps of the images choose, most frequent first
    name_shares: Floats  # (U, K + 1)
    group: NDArray[np.int64]  # (U,) the first unit of those that are alike
    neighbours: NDArray[np.int64]  # (U, 8) the units that correlate most, whatever the sign; -1 for none
    neighbour_correlations: Floats  # (U, 8)
    places: Floats  # (U, 2) on the layer's map
    varies: NDArray[np.bool_]  # (U,)
    composition: Compositions


def score(
    name: str, plan: Plan, edges: Edges, thresholds: Thresholds, calibration: Counts, evaluation: Counts
) -> Scores:
    """Every statistic of one layer.

    Formulas are counted as further concepts up to the q-values, and then only told of units.
    """
    chosen, layer = thresholds.layers[name], evaluation.layers[name]
    single = slice(len(calibration.areas))
    pair, known = chosen.pair, chosen.pair >= 0
    found = _measured(evaluation, layer, chosen)
    found |= _nulls(evaluation, layer, chosen, found["iou"])
    found |= _constants(name, thresholds, evaluation, edges, pair)
    found |= _evidence(plan, layer, thresholds, evaluation, found, known)
    unit_p, unit_q, found["q_value"] = significance.q_values(
        np.where(known, found["p_value"], np.nan), plan.level
    )
    found["calibration_iou"] = chosen.score
    found["calibration_lift"] = agreement.lift(chosen.score, thresholds.control)
    allowed = agreement.supported(calibration.areas, calibration.shown, _pixels(calibration))
    allowed = known[:, single] & allowed
    by_iou = agreement.names(chosen.score[:, single], allowed)
    ranks = {"lift": found["calibration_lift"], "iou": chosen.score, "evaluation": found["lift"]}
    concept = agreement.names(ranks[plan.naming][:, single], allowed)
    if plan.naming == "evaluation":  # chosen on what is reported: no interval is honest
        for bound in ("iou_low", "iou_high", "lift_low", "lift_high"):
            found[bound] = np.full(pair.shape, np.nan)
    found = {key: np.where(known, value, np.nan) for key, value in found.items()}
    composition = _compositions(plan, layer, evaluation, chosen, found)
    found = {key: value[:, single] for key, value in found.items()}
    own = layer.replicas[:, : replicas.CANDIDATES]
    names, shares = replicas.name_shares(own, evaluation.constant_replicas, chosen.candidates)
    like = values.likeness(layer.products)
    neighbours, correlations = unit_map.neighbours(like)
    frequency = evaluation.areas / _pixels(evaluation)
    precision = _average_precision(layer, evaluation, chosen)[:, single]
    numbers = np.arange(len(calibration.areas))
    return Scores(
        layer=name,
        side=chosen.side[:, single],
        label=numbers == concept[:, None],
        largest_iou=numbers == by_iou[:, None],
        detector=(found["lift"] > 0) & (found["lift_q_value"] <= plan.level),
        concept=concept,
        unit_p=unit_p,
        unit_q=unit_q,
        names=names,
        name_shares=shares,
        average_precision=precision,
        average_precision_lift=agreement.lift(precision, frequency[single]),
        correlation=values.correlations(layer.values, evaluation.areas, _pixels(evaluation))[:, single],
        varies=(layer.pixels > 0).sum(axis=1) > 1,
        group=values.groups(like),
        neighbours=neighbours,
        neighbour_correlations=correlations,
        places=unit_map.layout(like),
        composition=composition,
        **found,
    )


def _compositions(
    plan: Plan, layer: LayerCounts, evaluation: Counts, chosen: LayerThresholds, found: dict[str, Floats]
) -> Compositions:
    """Of the formulas that calibration images chose, those that evaluation images confirm."""
    column, rows = chosen.composition.astype(np.int64), np.arange(len(chosen.composition))
    candidates = np.where(chosen.candidates >= 0, found["lift"][rows[:, None], chosen.candidates], 0.0)
    gain = replicas.gains(layer.replicas, evaluation.constant_replicas, chosen.candidates, column)
    with np.errstate(invalid="ignore"):
        more = found["lift"][rows, column] > np.nan_to_num(candidates).max(axis=1)
        given = more & (found["lift_q_value"][rows, column] <= plan.level) & (gain >= LEAST_GAIN)
    given &= column >= 0
    told = {
        key: np.where(given, found[key][rows, column], np.nan) for key in ("lift", "lift_low", "lift_high")
    }
    return Compositions(
        column=np.where(given, column, -1),
        side=np.where(given, chosen.side[rows, column], 0),
        gain=np.where(given, gain, np.nan),
        **told,
    )


def _pixels(counts: Counts) -> int:
    return counts.images * counts.grid[0] * counts.grid[1]


def _at(counts: Array, chosen: LayerThresholds) -> NDArray[np.int64]:
    return agreement.at_pairs(counts, chosen.pair, chosen.side)


def _measured(evaluation: Counts, layer: LayerCounts, chosen: LayerThresholds) -> dict[str, Floats]:
    both, mask = _at(layer.joint, chosen), _at(layer.pixels, chosen)
    total = int(layer.pixels[0].sum())
    found = agreement.measures(both, mask, np.broadcast_to(evaluation.areas, both.shape), total)
    low, high = significance.interval(layer.moments, evaluation.shown)
    bounds = {"iou_low": low, "iou_high": high}
    return found | bounds | {"tail": agreement.ratio(mask, np.asarray(total))}


def _nulls(evaluation: Counts, layer: LayerCounts, chosen: LayerThresholds, iou: Floats) -> dict[str, Floats]:
    images, pixels = evaluation.images, evaluation.grid[0] * evaluation.grid[1]
    weight = significance.null_weight(images, sum(stop % BLOCK == 1 for _, stop in evaluation.ranges))
    null = agreement.iou(_at(layer.null, chosen) * weight, _at(layer.pixels, chosen), evaluation.areas)
    return {
        "null_iou": null,
        "presence_null_iou": significance.presence_null_iou(layer.moments),
        "calibrated": significance.calibrated(iou, null),
        "p_value": significance.p_values(layer.moments, images, evaluation.shown, pixels),
    }


def _evidence(
    plan: Plan,
    layer: LayerCounts,
    thresholds: Thresholds,
    evaluation: Counts,
    found: dict[str, Floats],
    known: Array,
) -> dict[str, Floats]:
    """The lift with its interval, and the q-value that a unit detects a concept.

    It does so if it depends on the concept across images and scores more than the control: p is the larger
    of both.
    """
    control = np.fmax(np.fmax(found["mask_iou"], found["always_on"]), found["null_iou"])
    about = (layer.moments, evaluation.constant, found["iou"], control, evaluation.shown)
    lift, low, high, p = significance.lift(*about)
    both = np.where(known, np.maximum(p, found["p_value"]), np.nan)
    q_value = significance.q_values(both, plan.level)[2]
    return {"lift": lift, "lift_low": low, "lift_high": high, "lift_q_value": q_value}


def _constants(
    name: str, thresholds: Thresholds, evaluation: Counts, edges: Edges, pair: Array
) -> dict[str, Floats]:
    """What does not depend on the unit, or only on its edge."""
    shape, pixels = pair.shape, _pixels(evaluation)
    layer = evaluation.counted_layers[name]
    counted = evaluation.ceiling.get(f"{layer.height}x{layer.width}")
    ceiling = ceiling_iou(counted) if counted is not None else np.ones(shape[1])
    mask = significance.mask_iou(thresholds.masks, evaluation.places, evaluation.images)
    edge = np.take_along_axis(edges.layers[name].edges, np.maximum(pair, 0).astype(np.int64), axis=1)
    return {
        "threshold": edge.astype(np.float64),
        "always_on": np.broadcast_to(significance.always_on(evaluation.areas, pixels), shape),
        "mask_iou": np.broadcast_to(mask, shape),
        "ceiling_iou": np.broadcast_to(ceiling, shape),
    }


def _average_precision(layer: LayerCounts, evaluation: Counts, chosen: LayerThresholds) -> Floats:
    """On the side of the threshold; on the high side where there is none."""
    high = significance.average_precision(layer.joint, layer.pixels, evaluation.areas)
    reverse = (layer.joint[..., ::-1], layer.pixels[..., ::-1])
    return np.where(chosen.side == LOW, significance.average_precision(*reverse, evaluation.areas), high)
