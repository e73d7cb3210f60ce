"""Scores of sets as the store's tables. No torch but in type names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.causes import statistics
from analysis.causes.statistics import Estimate

Array = NDArray[Any]
Arrays = Mapping[str, Array]
EDITS = ("ablate", "insert", "both")
ONE_CELL = (
    *("one_cell_effect", "one_cell_low", "one_cell_high"),
    *("one_cell_relative", "one_cell_relative_low", "one_cell_relative_high"),
)
AFTER = ("ablate_after", "insert_after")


def gain(scored: Arrays, edit: str, concept: int) -> Array:
    """By how much the concept's share of pixels moves in the expected direction, (S, n)."""
    after = {name: scored[f"{name}_after"][..., concept] for name in ("ablate", "insert")}
    before: Array = scored["before"][..., concept]
    if edit == "both":
        return np.asarray(after["insert"] - after["ablate"])
    return np.asarray(before - after["ablate"] if edit == "ablate" else after["insert"] - before)


def curve_row(scored: Arrays, place: int, edit: str, concept: int) -> dict[str, float]:
    """The numbers of one set in table ace_curve, its images being the clusters."""
    moved, before = gain(scored, edit, concept)[place], scored["before"][place][:, concept]
    return {
        **_named("effect", statistics.mean(moved)),
        **_named("relative", statistics.ratio(moved, before)),
        **_looks(scored, edit, place),
    }


def band_row(scored: Arrays, places: Array, edit: str, concept: int, share: float) -> dict[str, float]:
    """The same of random sets: their mean and the quantiles that hold 95 % of them."""
    moved = gain(scored, edit, concept)[places].mean(1)
    relative = moved / share if share > 0 else np.full_like(moved, np.nan)
    return {
        **_named("effect", statistics.band(moved)),
        **_named("relative", statistics.band(relative)),
        **_looks(scored, edit, places),
    }


def _looks(scored: Arrays, edit: str, places: Any) -> dict[str, float]:
    names = {"created": "created", "image_distance": "distance", "realism": "realism"}
    if edit == "both":
        return dict.fromkeys(names, float("nan"))
    return {name: float(scored[f"{edit}_{key}"][places].mean()) for name, key in names.items()}


def _named(name: str, estimate: Estimate) -> dict[str, float]:
    value = "effect" if name == "effect" else f"{name}_effect"
    return {
        value: float(estimate.value),
        f"{name}_low": float(estimate.low),
        f"{name}_high": float(estimate.high),
    }


def nothing_row(realism: float) -> dict[str, float]:
    """n = 0: the image itself."""
    names = ("effect", "effect_low", "effect_high", "relative_effect", "relative_low", "relative_high")
    return {name: 0.0 for name in (*names, *ONE_CELL, "created", "image_distance")} | {"realism": realism}


def side_rows(
    scored: Arrays, places: Array, edit: str, concepts: Sequence[str], shares: Array, random: bool
) -> pd.DataFrame:
    """What an edit of sets does to every concept: affected, before, change, change_low, change_high,
    relative_change. `shares` (C,) is before, over all test images."""
    change = scored[f"{edit}_after"][places] - scored["before"][places]
    found = statistics.band(change.mean(1)) if random else statistics.mean(change[0])
    with np.errstate(all="ignore"):
        relative = np.where(shares > 0, found.value / shares, np.nan)
    return pd.DataFrame(
        {
            "affected": list(concepts),
            "before": shares,
            "change": found.value,
            "change_low": found.low,
            "change_high": found.high,
            "relative_change": relative,
        }
    )


def single_frame(choosing: Arrays, testing: Arrays, concepts: Sequence[str]) -> pd.DataFrame:
    """Table unit_effect but layer: each unit's edits, chosen on one sample and measured on another; before
    (1, n, C), after (U, n, C)."""
    parts = [
        single_rows(gain(choosing, edit, c).mean(1), gain(testing, edit, c), testing["before"][..., c].mean())
        .assign(concept=name, edit=edit)
        .assign(images=testing["before"].shape[1])
        for c, name in enumerate(concepts)
        for edit in EDITS
    ]
    return pd.concat(parts, ignore_index=True)


def single_rows(chosen: Array, moved: Array, share: float) -> pd.DataFrame:
    """Units by their effects chosen (U,) and measured (U, n), `share` being the concept's before."""
    found, order = statistics.mean(moved.T), statistics.ranked(chosen)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return pd.DataFrame(
        {
            "unit": np.arange(len(order)),
            "choosing_effect": chosen,
            "effect": found.value,
            "effect_low": found.low,
            "effect_high": found.high,
            "relative_effect": found.value / share if share > 0 else np.nan,
            "rank": rank,
        }
    )
