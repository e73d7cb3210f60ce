"""Names of runs that were counted before names went by lift (bundles of format 1), from what they kept.

Their counts on calibration images are gone, but the IoU of each pair on these images is there, and so are the
scores of the constant controls. Those are of evaluation images; a control is the same for all units, so no
unit gains by it. What is not there is the paired interval of the difference: a unit counts as a detector
where the lower end of its own interval is above its control, and `lift_low` and `lift_high` stay NULL, unless
the run kept an interval of the difference to the mask, and the mask is the strongest control.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

LEVEL = 0.05


def renamed(name: str, read: Callable[[str], pa.Table]) -> pa.Table:
    """A table of format 1 as format 2 has it; `read` gives the tables of one run in format 1."""
    if name == "unit_concept":
        return pa.Table.from_pandas(pairs(read(name).to_pandas()), preserve_index=False)
    if name == "unit":
        scores = pairs(read("unit_concept").to_pandas())
        return pa.Table.from_pandas(units(read(name).to_pandas(), scores), preserve_index=False)
    return read(name)


def pairs(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of unit_concept with lift, names and detectors as today's runs have them."""
    needed = ["calibration_iou", "mask_iou", "always_on", "null_iou", "iou_low", "q_value"]
    if not set(needed) <= set(scores) or scores["calibration_iou"].isna().all():
        return scores.assign(largest_iou=scores["label"])  # nothing to choose by: what it has stays as it is
    constant = np.fmax(scores["mask_iou"], scores["always_on"])
    control = np.fmax(constant, scores["null_iou"])
    first = (scores["calibration_iou"] - constant) / (1 - constant)
    lift = (scores["iou"] - control) / (1 - control)
    nothing = pd.Series(np.nan, scores.index)
    kept = {"lift_low": nothing, "lift_high": nothing}
    beaten = scores["iou_low"] > control
    if "over_mask_low" in scores:
        room = (1 - scores["mask_iou"]).where(scores["mask_iou"] >= control)  # else not the lift's control
        kept = {f"lift_{end}": scores[f"over_mask_{end}"] / room for end in ("low", "high")}
        beaten = (kept["lift_low"] > 0) | (room.isna() & beaten)
    found = scores.drop(columns=["over_mask_low", "over_mask_high"], errors="ignore")
    found = found.assign(lift=lift, calibration_lift=first, largest_iou=scores["label"], **kept)
    found["side"] = pd.Series("high", found.index, dtype=object).where(scores["iou"].notna(), None)
    found["label"] = _largest(found, first)
    found["detector"] = beaten & (lift > 0) & (scores["q_value"] <= LEVEL)
    return found


def _largest(found: pd.DataFrame, value: pd.Series) -> pd.Series:
    """True where a unit's value is its largest and over 0, once a unit."""
    ordered = (
        found.assign(value=value).query("value > 0").sort_values("value", ascending=False, kind="stable")
    )
    largest = ordered.drop_duplicates(["layer", "unit"]).index
    return pd.Series(found.index.isin(largest), found.index)


def units(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of unit with the names that `pairs` chose."""
    if "calibration_lift" not in scores:
        return rows
    keys = ["layer", "unit"]
    named = scores[scores["label"]].set_index(keys)["concept"]
    many = scores.groupby(keys)["detector"].sum()
    own = pd.MultiIndex.from_frame(rows[keys])
    concept = named.reindex(own)
    return rows.assign(
        concept=concept.astype(object).where(concept.notna(), None).to_numpy(),
        detected=many.reindex(own).fillna(0).astype(int).to_numpy(),
    )
