"""The store's rows of artifact units: rankings, and distances before and after. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.shared.distances import Distance

RANDOM = "random"
METRICS = ("FID", "KID")


@dataclass(frozen=True)
class Ranking:
    """Units, worst first, with the score that put them there (NaN where a hand did) and its error."""

    units: tuple[int, ...]
    scores: NDArray[np.float64]
    errors: NDArray[np.float64]

    @classmethod
    def by(cls, scores: NDArray[np.float64], errors: NDArray[np.float64]) -> Ranking:
        """All units of a layer by their scores (units,)."""
        order = np.argsort(-scores, kind="stable")
        return cls(tuple(int(unit) for unit in order), scores[order], errors[order])

    @classmethod
    def given(cls, units: Sequence[int]) -> Ranking:
        return cls(tuple(units), np.full(len(units), np.nan), np.full(len(units), np.nan))


@dataclass(frozen=True)
class Scored:
    """One list of units ablated on the scoring latents: both distances after it."""

    ranking: str
    units: tuple[int, ...]
    after: Mapping[str, Distance] = field(repr=False)  # by metric


def units(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Table artifact_unit, without layer."""
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
    before: Mapping[str, Distance], lists: Sequence[Scored], random: Sequence[Scored]
) -> pd.DataFrame:
    """Table artifact_effect, without layer: every list and count, then the random sets of each count."""
    counts = sorted({len(scored.units) for scored in random})
    rows: list[dict[str, Any]] = []
    for metric in METRICS:
        falls = {count: _falls(before[metric], random, metric, count) for count in counts}
        rows += [_row(before[metric], scored, metric, falls.get(len(scored.units))) for scored in lists]
        rows += list(_random_rows(before[metric], falls, metric))
    return pd.DataFrame(rows)


def _falls(before: Distance, random: Sequence[Scored], metric: str, count: int) -> NDArray[np.float64]:
    return np.array([before.value - s.after[metric].value for s in random if len(s.units) == count])


def _row(before: Distance, scored: Scored, metric: str, falls: NDArray | None) -> dict[str, Any]:
    after = scored.after[metric]
    fall, wide = before.minus(after), after.wide
    as_good = np.nan if falls is None else (1 + np.sum(falls >= fall.value)) / (1 + len(falls))
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
        "as_good": as_good,
        "sets": 1,
    }


def _random_rows(before: Distance, falls: Mapping[int, NDArray], metric: str) -> Iterator[dict[str, Any]]:
    for count, values in falls.items():
        low, high = np.quantile(before.value - values, [0.025, 0.975])
        yield {
            "ranking": RANDOM,
            "metric": metric,
            "units": count,
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
