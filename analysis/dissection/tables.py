"""A dissection as tables and arrays, in the store's columns. No torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.counting.agreement import HIGH, LOW
from analysis.counting.counts import Counts
from analysis.counting.thresholds import Thresholds
from analysis.dissection.scores import Scores
from analysis.dissection.significance import always_on, mask_iou

SIDES = {HIGH: "high", LOW: "low"}
PAIR_COLUMNS = (
    "threshold",
    "iou",
    "iou_low",
    "iou_high",
    "iqr",
    "null_iou",
    "q_value",
    "lift",
    "lift_low",
    "lift_high",
    "lift_q_value",
    "calibration_iou",
    "calibration_lift",
    "tail",
    "accuracy",
    "precision",
    "recall",
    "always_on",
    "mask_iou",
    "ceiling_iou",
    "presence_null_iou",
    "calibrated",
    "p_value",
    "average_precision",
    "average_precision_lift",
    "correlation",
    "detector",
    "label",
    "largest_iou",
)


def unit_concepts(scores: Scores, counts: Counts) -> pd.DataFrame:
    """Table unit_concept of one layer."""
    units, concepts = scores.iou.shape  # single ones; the counts have formulas behind them
    names, categories = zip(*counts.concepts[:concepts], strict=True)
    columns: dict[str, Any] = {
        "layer": scores.layer,
        "unit": np.repeat(np.arange(units), concepts),
        "concept": np.tile(np.array(names, object), units),
        "category": np.tile(np.array(categories, object), units),
    }
    columns |= {column: np.asarray(getattr(scores, column)).ravel() for column in PAIR_COLUMNS}
    side = np.where(scores.side == LOW, "low", "high").astype(object)
    side[np.isnan(scores.iou)] = None
    return pd.DataFrame(columns | {"images": np.tile(counts.shown[:concepts], units), "side": side.ravel()})


def units(scores: Scores, counts: Counts) -> pd.DataFrame:
    """Table unit of one layer."""
    layer, some, formula = counts.layers[scores.layer], len(scores.concept), scores.composition
    names = [*(name for name, _ in counts.concepts), None]
    constant, nearest = np.where(layer.peak == 0, "dead", "constant"), scores.neighbours[:, 0]
    return pd.DataFrame(
        {
            "layer": scores.layer,
            "unit": np.arange(some),
            "concept": pd.Series([names[concept] for concept in scores.concept], dtype=object),
            "detected": scores.detector.sum(axis=1),
            "name_share": _share_of(scores),
            "likely_names": [_likely(scores, unit, names) for unit in range(some)],
            "composition": pd.Series([names[column] for column in formula.column], dtype=object),
            "composition_side": pd.Series([SIDES.get(side) for side in formula.side], dtype=object),
            "composition_lift": formula.lift,
            "composition_lift_low": formula.lift_low,
            "composition_lift_high": formula.lift_high,
            "composition_gain": formula.gain,
            "activation_mean": layer.total / counts.images,
            "activation_peak": layer.peak,
            "activity": np.where(scores.varies, "varies", constant),
            "alike": scores.group,
            "nearest_unit": pd.Series(nearest).where(nearest >= 0).astype("Int64"),
            "nearest_correlation": scores.neighbour_correlations[:, 0],
            "map_x": scores.places[:, 0],
            "map_y": scores.places[:, 1],
            "p_value": scores.unit_p,
            "q_value": scores.unit_q,
        }
    )


def neighbours(scores: Scores) -> pd.DataFrame:
    """Table unit_neighbour of one layer: rank 0 is the unit that correlates most."""
    unit, rank = np.nonzero(scores.neighbours >= 0)
    return pd.DataFrame(
        {
            "layer": scores.layer,
            "unit": unit,
            "rank": rank,
            "neighbour": scores.neighbours[unit, rank],
            "correlation": scores.neighbour_correlations[unit, rank],
        }
    )


def _share_of(scores: Scores) -> NDArray[np.float64]:
    """The share of bootstraps in which each unit keeps its name, or its lack of one; NaN if no candidate."""
    same = scores.names == scores.concept[:, None]
    return np.where(same.any(axis=1), (scores.name_shares * same).sum(axis=1), np.nan)


def _likely(scores: Scores, unit: int, names: Sequence[str | None]) -> str:
    """The fewest names that together come up in 95 % of the bootstraps."""
    many = int(np.searchsorted(np.cumsum(scores.name_shares[unit]), 0.95 - 1e-9)) + 1
    return ", ".join(names[number] or "no name" for number in scores.names[unit, :many])


def concepts(calibration: Counts, evaluation: Counts, masks: NDArray[np.bool_]) -> pd.DataFrame:
    """Table concept."""
    names, categories = zip(*calibration.concepts, strict=True)
    cells, some = evaluation.grid[0] * evaluation.grid[1], slice(len(names))  # without formulas
    mask = mask_iou(masks[some], evaluation.places[some], evaluation.images)
    return pd.DataFrame(
        {
            "concept": names,
            "category": categories,
            "label": np.arange(1, len(names) + 1),
            "frequency": always_on(evaluation.areas[some], evaluation.images * cells),
            "calibration_frequency": always_on(calibration.areas, calibration.images * cells),
            "images": evaluation.shown[some],
            "calibration_images": calibration.shown,
            "mask_iou": mask,
        }
    )


def layers(counts: Counts) -> pd.DataFrame:
    """Table layer; position is the layer's place in the generator, from 1."""
    rows = [
        {
            "layer": name,
            "position": layer.position,
            "module_path": layer.path,
            "units": layer.units,
            "height": layer.height,
            "width": layer.width,
        }
        for name, layer in counts.counted_layers.items()
    ]
    return pd.DataFrame(rows)


def unit_images(counts: Counts, thresholds: Thresholds) -> pd.DataFrame:
    """Table unit_image: rank 0 is the most active, or the least active where the name goes with that."""
    parts = []
    for name, best in counts.top_images.layers.items():
        unit, rank, kept = _kept(counts, name)
        ordered = best.ordered()
        sign = np.where(np.isin(unit, thresholds.layers[name].named_low), -1, 1)
        parts.append(
            pd.DataFrame(
                {
                    "layer": name,
                    "unit": unit,
                    "rank": rank,
                    "latent": ordered.latents[kept],
                    "activation": sign * ordered.values[kept],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def activations(counts: Counts, layer: str) -> dict[str, NDArray[Any]]:
    """The maps (rows, h, w) behind unit_image of one layer, with unit, rank and latent of each row."""
    unit, rank, kept = _kept(counts, layer)
    ordered = counts.top_images.layers[layer].ordered()
    return {"unit": unit, "rank": rank, "latent": ordered.latents[kept], "maps": ordered.maps[kept]}


def _kept(counts: Counts, layer: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    kept = counts.top_images.layers[layer].ordered().latents >= 0
    unit, rank = np.nonzero(kept)
    return unit, rank, kept
