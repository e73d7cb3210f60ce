"""A dissection as tables and arrays, in the store's columns. No torch."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.counting.counts import Counts
from analysis.dissection.scores import Scores
from analysis.dissection.significance import always_on, mask_iou

PAIR_COLUMNS = (
    "threshold",
    "iou",
    "iou_low",
    "iou_high",
    "iqr",
    "null_iou",
    "q_value",
    "calibration_iou",
    "tail",
    "accuracy",
    "precision",
    "recall",
    "always_on",
    "mask_iou",
    "over_mask_low",
    "over_mask_high",
    "ceiling_iou",
    "presence_null_iou",
    "calibrated",
    "p_value",
    "detector",
    "label",
)


def unit_concepts(scores: Scores, counts: Counts) -> pd.DataFrame:
    """Table unit_concept of one layer."""
    units, concepts = scores.iou.shape
    names, categories = zip(*counts.concepts, strict=True)
    columns: dict[str, Any] = {
        "layer": scores.layer,
        "unit": np.repeat(np.arange(units), concepts),
        "concept": np.tile(np.array(names, object), units),
        "category": np.tile(np.array(categories, object), units),
    }
    columns |= {column: np.asarray(getattr(scores, column)).ravel() for column in PAIR_COLUMNS}
    return pd.DataFrame(columns | {"images": np.tile(counts.shown, units)})


def units(scores: Scores, counts: Counts) -> pd.DataFrame:
    """Table unit of one layer."""
    layer = counts.layers[scores.layer]
    names = [*(name for name, _ in counts.concepts), None]
    return pd.DataFrame(
        {
            "layer": scores.layer,
            "unit": np.arange(len(scores.concept)),
            "concept": pd.Series([names[concept] for concept in scores.concept], dtype=object),
            "activation_mean": layer.total / counts.images,
            "activation_peak": layer.peak,
            "p_value": scores.unit_p,
            "q_value": scores.unit_q,
        }
    )


def concepts(calibration: Counts, evaluation: Counts, masks: NDArray[np.bool_]) -> pd.DataFrame:
    """Table concept."""
    names, categories = zip(*evaluation.concepts, strict=True)
    cells = evaluation.grid[0] * evaluation.grid[1]
    mask = mask_iou(masks, evaluation.places, evaluation.images)
    return pd.DataFrame(
        {
            "concept": names,
            "category": categories,
            "label": np.arange(1, len(names) + 1),
            "frequency": always_on(evaluation.areas, evaluation.images * cells),
            "calibration_frequency": always_on(calibration.areas, calibration.images * cells),
            "images": evaluation.shown,
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


def unit_images(counts: Counts) -> pd.DataFrame:
    """Table unit_image: rank 0 is the most active."""
    parts = []
    for name, best in counts.top_images.layers.items():
        unit, rank, kept = _kept(counts, name)
        ordered = best.ordered()
        parts.append(
            pd.DataFrame(
                {
                    "layer": name,
                    "unit": unit,
                    "rank": rank,
                    "latent": ordered.latents[kept],
                    "activation": ordered.values[kept],
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
