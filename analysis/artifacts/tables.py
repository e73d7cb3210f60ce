"""The store's rows of artifact units: rankings, and distances before and after an ablation. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from analysis.artifacts.significance import p_value
from analysis.shared.arrays import Floats
from analysis.shared.distances import Distance

RANDOM = "random"
# FID_inf, FID without the bias of few images, ranks and decides. FID is there for others' figures.
Metric = Literal["FID_inf", "KID", "FID"]
METRICS: tuple[Metric, ...] = ("FID_inf", "KID", "FID")
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Ranking:
    """Units, worst first, with their scores and the scores' standard errors; NaN where there is none."""

    units: tuple[int, ...]
    scores: Floats
    errors: Floats

    @classmethod
    def by(cls, scores: Floats, errors: Floats | None = None) -> Ranking:
        """Rank all units of a layer by their scores (units,), the largest first."""
        order = np.argsort(-scores, kind="stable")
        errors = np.full(len(scores), np.nan) if errors is None else errors
        return cls(tuple(int(unit) for unit in order), scores[order], errors[order])

    @classmethod
    def given(cls, units: Sequence[int]) -> Ranking:
        """Return units in the order of a person, without scores."""
        return cls(tuple(units), np.full(len(units), np.nan), np.full(len(units), np.nan))


@dataclass(frozen=True)
class UnitList:
    """Units that are ablated together, and the ranking whose first they are ("random" for a random set)."""

    ranking: str
    units: tuple[int, ...]


@dataclass(frozen=True)
class Scored(UnitList):
    """A list of units, and the distances after its ablation, on the scoring latents."""

    after: Mapping[Metric, Distance] = field(repr=False)


def units(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Return table artifact_unit, without the layer."""
    parts = [
        pd.DataFrame(
            {
                "unit": ranking.units,
                "ranking": name,
                "score": ranking.scores,
                "error": ranking.errors,
                "rank": np.arange(1, len(ranking.units) + 1),
            }
        )
        for name, ranking in rankings.items()
    ]
    return pd.concat(parts, ignore_index=True)


def effects(
    before: Mapping[Metric, Distance], lists: Sequence[Scored], random: Sequence[Scored]
) -> pd.DataFrame:
    """Return table artifact_effect, without the layer: every list, then the random sets of each size."""
    sizes = sorted({len(scored.units) for scored in random})
    rows: list[Row] = []
    for metric in METRICS:
        start = before[metric]
        falls = {
            size: np.array([start.value - s.after[metric].value for s in random if len(s.units) == size])
            for size in sizes
        }
        rows += [_row(start, scored, metric, falls.get(len(scored.units))) for scored in lists]
        rows += _random_rows(start, falls, metric)
    return pd.DataFrame(rows)


def _row(before: Distance, scored: Scored, metric: Metric, falls: Floats | None) -> Row:
    after = scored.after[metric]
    fall, wide = before.minus(after), after.wide
    return {
        "ranking": scored.ranking,
        "metric": metric,
        "units": len(scored.units),
        "before": before.value,
        "before_error": before.error,
        "after": after.value,
        "after_error": after.error,
        "after_low": after.value - wide,
        "after_high": after.value + wide,
        "fall": fall.value,
        "fall_error": fall.error,
        "as_good": p_value(fall.value, falls),
        "sets": 1,
    }


def _random_rows(before: Distance, falls: Mapping[int, Floats], metric: Metric) -> Iterator[Row]:
    for size, values in falls.items():
        low, high = np.quantile(before.value - values, [0.025, 0.975])
        yield {
            "ranking": RANDOM,
            "metric": metric,
            "units": size,
            "before": before.value,
            "before_error": before.error,
            "after": float(np.mean(before.value - values)),
            "after_error": np.nan,
            "after_low": float(low),
            "after_high": float(high),
            "fall": float(values.mean()),
            "fall_error": np.nan,
            "as_good": np.nan,
            "sets": len(values),
        }
