"""The numbers of the Compare page as data frames: per arm and category, per arm and concept, over a training.

Pure: from the answers of `db.comparing` to what is drawn and downloaded.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis import intervals
from dashboard.widgets.rows import Row
from db.comparing import Arm

ALL = "all"
KINDS = ("object", "part", "material", "colour")  # in the paper's order; others follow by name


def categories(shared: pd.DataFrame) -> list[str]:
    """Categories in the paper's order, and all together where there is more than one."""
    found = sorted(
        shared["category"].dropna().unique(),
        key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind),
    )
    return [*found, ALL] if len(found) > 1 else list(found)


def shared(vocabularies: pd.DataFrame) -> pd.DataFrame:
    """Concept and category of those that every run has."""
    runs = vocabularies["run_id"].nunique()
    counted = vocabularies.groupby(["concept", "category"], sort=False)["run_id"].nunique()
    return counted[counted == runs].reset_index()[["concept", "category"]]


def tally(
    named: pd.DataFrame, layers: Mapping[Arm, Row], names: Mapping[Arm, str], common: pd.DataFrame
) -> pd.DataFrame:
    """One row an arm and category: units named so, their share of the layer with Wilson's interval, the range
    that the images leave open, units that beat the mask, distinct concepts with their interval."""
    found = []
    for kind in categories(common):
        vocabulary = len(common) if kind == ALL else int((common["category"] == kind).sum())
        of_kind = named if kind == ALL else named[named["category"] == kind]
        for arm, name in names.items():
            mine = of_kind[(of_kind["run_id"] == arm.run_id) & (of_kind["layer"] == arm.layer)]
            units = int(layers[arm]["units"])
            facts = {"arm": name, "run_id": arm.run_id, "layer": arm.layer, "category": kind}
            found.append({**facts, **_counted(mine, units, vocabulary)})
    return pd.DataFrame(found)


def _counted(mine: pd.DataFrame, units: int, vocabulary: int) -> dict[str, object]:
    count = int(mine["units"].sum())
    each = mine.loc[mine["units"] > 0, "units"].to_numpy()
    low, high = intervals.share(count, units)
    few, many = intervals.distinct(each, units, vocabulary)
    cut = mine["surely"].notna().all() and len(mine)
    return {
        "units": units,
        "named": count,
        "share": count / units if units else np.nan,
        "share_low": low,
        "share_high": high,
        "surely": int(mine["surely"].sum()) if cut else None,
        "perhaps": int(mine["perhaps"].sum()) if cut else None,
        "detectors": int(mine["detectors"].sum()),
        "concepts": len(each),
        "concepts_low": few,
        "concepts_high": many,
        "vocabulary": vocabulary,
    }


def by_concept(best: pd.DataFrame, names: Mapping[Arm, str], over_ceiling: bool) -> pd.DataFrame:
    """Rows of `db.comparing.best` with the arm's name, the score that is shown (`score`, `score_low`,
    `score_high`: IoU, or its share of the ceiling) and whether it beats the best constant mask."""
    pairs = zip(best["run_id"], best["layer"], strict=True)
    frame = best.assign(arm=[names[Arm(run_id, layer)] for run_id, layer in pairs])
    whole = frame["ceiling_iou"].where(frame["ceiling_iou"] > 0) if over_ceiling else 1.0
    for column in ("iou", "iou_low", "iou_high", "mask_iou"):
        frame[column.replace("iou", "score")] = frame[column] / whole
    frame["over_ceiling"] = frame["iou"] / frame["ceiling_iou"].where(frame["ceiling_iou"] > 0)
    frame["beats_mask"] = np.select(
        [
            frame["mask_iou"].isna().to_numpy(),
            (frame["iou_low"] > frame["mask_iou"]).to_numpy(),
            (frame["iou"] > frame["mask_iou"]).to_numpy(),
        ],
        ["", "yes", "perhaps"],
        "no",
    )
    order = {name: place for place, name in enumerate(names.values())}
    return frame.sort_values(["concept", "arm"], key=lambda c: c.map(order) if c.name == "arm" else c)


def holdings(
    named: pd.DataFrame, names: Mapping[Arm, str], common: Sequence[str]
) -> tuple[list[str], list[str], dict[str, tuple[list[str], list[str]]]]:
    """Concepts that name a unit in every arm, in no arm, and for each arm: those that it alone has, and those
    that it alone lacks or that most others have."""
    has: dict[str, set[str]] = {name: set() for name in names.values()}
    for row in named[named["units"] > 0].itertuples():
        has[names[Arm(str(row.run_id), str(row.layer))]].add(str(row.concept))
    everywhere = set.intersection(*has.values())
    somewhere = set.union(*has.values())
    each = {}
    for name, own in has.items():
        others = [concepts for other, concepts in has.items() if other != name]
        lacks = {c for c in somewhere - own if 2 * sum(c in other for other in others) > len(others)}
        alone = own - set().union(*others) if others else set()
        each[name] = (sorted(alone), sorted(lacks))
    return sorted(everywhere), sorted(set(common) - somewhere), each


def along(frame: pd.DataFrame, runs: Mapping[str, Row]) -> pd.DataFrame:
    """The rows of runs whose place in their training is known, with that; only trainings of which at least
    two checkpoints are there."""
    facts = pd.DataFrame(
        [
            {name: run[name] for name in ("run_id", "training", "training_steps", "training_images")}
            for run in runs.values()
        ]
    )
    facts = facts.dropna(subset=["training", "training_steps"])
    counted = facts.groupby("training")["training_steps"].transform("nunique")
    return frame.merge(facts[counted > 1], on="run_id")


def best_layer(concepts: pd.DataFrame) -> pd.DataFrame:
    """The best of a run's chosen layers for each concept, by its unit's IoU on calibration images."""
    ordered = concepts.sort_values(["calibration_iou", "layer"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates(["run_id", "concept"])
