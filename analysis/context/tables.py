"""The store's rows from measured maps: contexts, contexts by row, traces, and the summary. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.context.statistics import Estimate, explained, kinds, mean_in, row_matched
from analysis.context.together import Together
from analysis.shared.arrays import Array

ALL = "all"  # the context that holds every eligible cell


@dataclass(frozen=True)
class Measured:
    """Maps of one insertion: S strengths, N images, h x w cells, P places of the trace, T traced images."""

    effect: Array  # (S, N, h, w), in areas of one cell
    random: Array  # (S, N, h, w): that of random units at equal energy; NaN where no control was run
    random_energy: Array  # (S,): the random units' energy over that of the units; 1 where it is equal
    near: Array  # (N, h, w): cells with the concept in them or beside them
    members: Array  # (contexts, N, h, w)
    contexts: list[str]
    places: list[str]  # the edited layer, later layers, image
    trace: Array  # (P, T, h, w): root mean square change in and around the cell
    outside: Array  # (P, T, h, w): the share of the squared change elsewhere
    scales: list[float]  # how much each place varies by itself
    together: Together  # what forcing several cells in one pass changed, by edit: strengths come first
    passes: int  # images made by the tail for effects and for the check

    @property
    def eligible(self) -> Array:
        """The cells (N, h, w) that were tried and are compared."""
        return ~self.near & np.isfinite(self.effect[0])

    def cells(self, concept: str) -> Iterator[tuple[str, Array, bool]]:
        """Yield each context, its cells, and whether comparisons leave them out; the concept is last."""
        for name, inside in zip(self.contexts, self.members, strict=True):
            if name != concept and (inside & self.eligible).any():
                yield name, inside & self.eligible, False
        own = self.members[self.contexts.index(concept)] & np.isfinite(self.effect[0])
        if own.any():
            yield concept, own, True


def _named(prefix: str, estimate: Estimate) -> dict[str, float]:
    return {
        prefix: estimate.value,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }


def contexts(measured: Measured, strengths: Sequence[str], concept: str) -> pd.DataFrame:
    """Return table insertion_context, without layer and concept."""
    eligible, rows = measured.eligible, []
    nothing = Estimate(np.nan, np.nan, np.nan, 0, 0)
    for number, strength in enumerate(strengths):
        effect, random = measured.effect[number], measured.random[number]
        for name, inside, left_out in measured.cells(concept):
            own = mean_in(effect, inside)
            row: dict[str, Any] = {
                "strength": strength,
                "context": name,
                "locations": own.cells,
                "images": own.images,
            }
            row |= _named("effect", own)
            row |= _named("row_effect", nothing if left_out else row_matched(effect, inside, eligible))
            row |= _named("random_effect", mean_in(random, inside))
            row |= _named("over_random", mean_in(effect - random, inside))
            unmatched = left_out or bool(np.isnan(random).all())
            for prefix, values in (("random_row_effect", random), ("row_over_random", effect - random)):
                row |= _named(prefix, nothing if unmatched else row_matched(values, inside, eligible))
            rows.append(row | {"left_out": left_out})
    return pd.DataFrame(rows)


def rows(measured: Measured, strengths: Sequence[str], concept: str) -> pd.DataFrame:
    """Return table context_row, the same means in each row of cells, without layer and concept."""
    found = []
    height = measured.effect.shape[2]
    for number, strength in enumerate(strengths):
        for name, inside, left_out in measured.cells(concept):
            if left_out:
                continue
            for y in np.flatnonzero(inside.any((0, 2))):
                band = inside & (np.arange(height) == y)[None, :, None]
                own = mean_in(measured.effect[number], band)
                facts: dict[str, Any] = {"strength": strength, "context": name, "row": int(y)}
                facts |= {"locations": own.cells, "images": own.images} | _named("effect", own)
                random = mean_in(measured.random[number], band).value
                found.append(facts | {"random_effect": random})
    return pd.DataFrame(found)


def traces(measured: Measured, strength: str) -> pd.DataFrame:
    """Return table context_trace, the change of each place by context, without layer and concept."""
    found: list[dict[str, Any]] = []
    columns = ["strength", "measured", "place", "context", "locations", "change", "change_low", "change_high"]
    columns += ["survival", "outside"]
    if not measured.places:
        return pd.DataFrame(columns=columns)
    images = measured.trace.shape[1]
    eligible, members = measured.eligible[:images], measured.members[:, :images]
    for name, inside in [(ALL, eligible), *zip(measured.contexts, members & eligible, strict=True)]:
        if not inside.any():
            continue
        start = mean_in(measured.trace[0] / measured.scales[0], inside).value
        for number, place in enumerate(measured.places):
            own = mean_in(measured.trace[number] / measured.scales[number], inside)
            row: dict[str, Any] = {"strength": strength, "measured": place, "place": number, "context": name}
            row |= {"locations": own.cells} | _named("change", own)
            row["survival"] = own.value / start if start > 0 else np.nan
            found.append(row | {"outside": mean_in(measured.outside[number], inside).value})
    return pd.DataFrame(found, columns=columns)


def summary(measured: Measured, strengths: Sequence[str], about: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return table context_summary, one row per strength, without layer and concept."""
    eligible, kind, found = measured.eligible, kinds(measured.members), []
    for number, strength in enumerate(strengths):
        overall = mean_in(measured.effect[number], eligible)
        row: dict[str, Any] = {"strength": strength, "images": measured.near.shape[0]}
        left_out = measured.near & np.isfinite(measured.effect[0])
        row |= {"locations": overall.cells, "left_out": int(left_out.sum())}
        row |= _named("effect", overall)
        row |= _named("random_effect", mean_in(measured.random[number], eligible))
        row["random_energy"] = float(measured.random_energy[number])
        shares = explained(measured.effect[number], kind, eligible)
        row |= {f"{name}_share": value for name, value in shares._asdict().items()}
        check = measured.together
        row |= {"cells_together": check.cells, "checked_cells": check.checked}
        row |= {"together_difference": float(check.difference[number])}
        row |= {"together_error": float(check.error[number]), "together_spread": float(check.spread[number])}
        found.append(row | about[number])
    return pd.DataFrame(found)
