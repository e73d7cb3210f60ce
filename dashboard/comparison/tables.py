"""The numbers of the Compare page as data frames: per arm and category, per arm and concept, over a training.

Pure: from the answers of `db.queries.compare` to what is drawn and downloaded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.counting.agreement import supported
from analysis.shared import count_intervals
from dashboard.widgets.rows import Row, rows
from db.queries.compare import Arm

ALL = "all"
KINDS = ("object", "part", "material", "colour")  # in the paper's order; others follow by name
HAS, PERHAPS, LACKS = "has", "perhaps", "lacks"
PLACE = ("run_id", "started_at", "training", "training_steps", "training_images")
SAMPLE = {  # facts that must be equal for checkpoints to be joined by a line, and their format
    "segmenter": "{}",
    "segmenter_sha256": "weights {!s:.6}",
    "seed": "seed {}",
    "images": "{:,} images",
    "calibration": "{:,} for calibration",
    "threshold_rule": "threshold {}",
    "grid_height": "grid {} high",
    "grid_width": "grid {} wide",
}

# Of these, what a request can ask for.
ASKED = ("segmenter", "segmenter_sha256", "seed", "images", "calibration", "threshold_rule")

Measure = Literal["lift", "iou", "ceiling"]


@dataclass(frozen=True)
class ConceptDifferences:
    """Concepts that only this arm has, perhaps has, lacks while most others have, or has not seen."""

    alone: list[str]
    perhaps: list[str]
    lacks: list[str]
    unseen: list[str]


def categories(shared: pd.DataFrame) -> list[str]:
    """Categories in the paper's order, and ALL if there is more than one."""
    found = sorted(
        shared["category"].dropna().unique(),
        key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind),
    )
    return [*found, ALL] if len(found) > 1 else list(found)


def shared(vocabularies: pd.DataFrame) -> pd.DataFrame:
    """Concept and category of the concepts in every run, from `db.queries.compare.vocabularies`."""
    common = vocabularies.loc[vocabularies["shared"], ["concept", "category"]]
    return common.drop_duplicates().reset_index(drop=True)


def pairs(layers: Mapping[Arm, Row]) -> dict[Arm, str]:
    """The row that each arm stands in, beside the arms of other runs that it is compared with.

    Layers of one name stand in one row where their grids are equal. Otherwise layers of one resolution do; of
    several in a run, the first beside the first. Rows come in the order of their resolution.
    """
    grids: dict[str, set[tuple[int, int]]] = {}
    for arm, row in layers.items():
        grids.setdefault(arm.layer, set()).add((int(row["height"]), int(row["width"])))
    by_name = all(len(found) == 1 for found in grids.values())
    found: dict[Arm, str] = {}
    seen: dict[tuple[str, str], int] = {}
    for arm, row in layers.items():
        grid = f"{row['height']}x{row['width']}"
        number = seen[arm.run_id, grid] = seen.get((arm.run_id, grid), 0) + 1
        own = f"{arm.layer} · {grid}" if grid not in arm.layer else arm.layer
        found[arm] = own if by_name else grid + (f" · {number}" if number > 1 else "")
    place = {arm: (int(row["height"]) * int(row["width"]), found[arm]) for arm, row in layers.items()}
    return {arm: found[arm] for arm in sorted(layers, key=lambda arm: place[arm])}


def paired(pairs: Mapping[Arm, str]) -> list[str]:
    """The rows of `pairs`, each once, in order."""
    return list(dict.fromkeys(pairs.values()))


def tally(
    named: pd.DataFrame,
    layers: Mapping[Arm, Row],
    names: Mapping[Arm, str],
    common: pd.DataFrame,
    has_cut: bool = True,
) -> pd.DataFrame:
    """One row per arm and category: named units, concepts, and their intervals.

    The share of the layer has Wilson's interval; `surely` and `perhaps` are the range that the
    images leave open (only for a rule with a cut).
    """
    found = []
    for kind in categories(common):
        vocabulary = len(common) if kind == ALL else int((common["category"] == kind).sum())
        of_kind = named if kind == ALL else named[named["category"] == kind]
        for arm, name in names.items():
            mine = of_kind[(of_kind["run_id"] == arm.run_id) & (of_kind["layer"] == arm.layer)]
            units = int(layers[arm]["units"])
            facts = {"arm": name, "run_id": arm.run_id, "layer": arm.layer, "category": kind, "key": str(arm)}
            found.append({**facts, **_counted(mine, units, vocabulary, has_cut)})
    return pd.DataFrame(found)


def _counted(mine: pd.DataFrame, units: int, vocabulary: int, has_cut: bool) -> dict[str, object]:
    """The counts of one arm and category; without rows they are 0."""
    count = int(mine["units"].sum())
    each = mine.loc[mine["units"] > 0, "units"].to_numpy()
    low, high = count_intervals.share(count, units)
    few, many = count_intervals.distinct(each, units, vocabulary)
    return {
        "units": units,
        "named": count,
        "share": count / units if units else np.nan,
        "share_low": low,
        "share_high": high,
        "surely": int(mine["surely"].sum()) if has_cut else None,
        "perhaps": int(mine["perhaps"].sum()) if has_cut else None,
        "detectors": int(mine["detectors"].sum()),
        "concepts": len(each),
        "concepts_low": few,
        "concepts_high": many,
        "vocabulary": vocabulary,
    }


def by_concept(best: pd.DataFrame, names: Mapping[Arm, str], measure: Measure) -> pd.DataFrame:
    """Rows of `db.queries.compare.best` with the arm's name, its score, and whether it detects the concept.

    `score`, `score_low` and `score_high` are the lift, the IoU, or its share of the averaged map's.
    """
    pairs = zip(best["run_id"], best["layer"], strict=True)
    arms = [Arm(run_id, layer) for run_id, layer in pairs]
    frame = best.assign(arm=[names[arm] for arm in arms], key=[str(arm) for arm in arms])
    whole = frame["ceiling_iou"].where(frame["ceiling_iou"] > 0) if measure == "ceiling" else 1.0
    kind = "lift" if measure == "lift" else "iou"
    for end in ("", "_low", "_high"):
        frame[f"score{end}"] = frame[f"{kind}{end}"] / whole
    frame["mask_score"] = 0.0 if measure == "lift" else frame["mask_iou"] / whole
    frame["over_ceiling"] = frame["iou"] / frame["ceiling_iou"].where(frame["ceiling_iou"] > 0)
    frame["detects"] = np.select(
        [
            frame["lift"].isna().to_numpy(),
            frame["detector"].fillna(False).astype(bool).to_numpy(),
            (frame["lift"] > 0).to_numpy(),
        ],
        ["", "yes", "perhaps"],
        "no",
    )
    order = {name: place for place, name in enumerate(names.values())}
    return frame.sort_values(["concept", "arm"], key=lambda c: c.map(order) if c.name == "arm" else c)


def concept_states(
    named: pd.DataFrame,
    vocabularies: pd.DataFrame,
    names: Mapping[Arm, str],
    detected: pd.DataFrame | None = None,
    best: pd.DataFrame | None = None,
) -> dict[Arm, dict[str, str]]:
    """The state of each shared concept per arm: HAS, PERHAPS or LACKS.

    HAS: the interval of some unit lies over the cut; for names by lift, some unit detects it (`detected`).
    PERHAPS: the interval of some unit reaches over the cut; for names by lift, the best unit (`best`, from
    `by_concept`) scores above its controls. An absent concept was not seen by the run, or was too rare.

    The map of concepts and the list of differences both show these, so that they never contradict each other.
    """
    states: dict[Arm, dict[str, str]] = {arm: {} for arm in names}
    counted = vocabularies[["calibration_frequency", "calibration_images"]].to_numpy(float)
    often = supported(counted[:, 0], counted[:, 1], 1)
    for row in rows(vocabularies[vocabularies["shared"] & often]):
        for arm in (arm for arm in names if arm.run_id == row["run_id"]):
            states[arm][row["concept"]] = LACKS
    for row in rows(named):
        sure = row["units"] if row["surely"] is None else row["surely"]
        if sure or row["perhaps"]:
            states[Arm(row["run_id"], row["layer"])][row["concept"]] = HAS if sure else PERHAPS
    for row in rows(best[best["detects"] == PERHAPS]) if best is not None else ():
        states[Arm(row["run_id"], row["layer"])][row["concept"]] = PERHAPS
    for row in rows(detected) if detected is not None else ():
        states[Arm(row["run_id"], row["layer"])][row["concept"]] = HAS
    return states


def concept_differences(
    states: Mapping[Arm, Mapping[str, str]], common: Sequence[str]
) -> tuple[list[str], list[str], dict[Arm, ConceptDifferences]]:
    """Concepts that every arm has, those that no arm even perhaps has, and the differences per arm."""

    def those(holds: Callable[[list[str | None]], bool]) -> list[str]:
        return sorted(c for c in common if holds([own.get(c) for own in states.values()]))

    everywhere = those(lambda all_arms: all(state == HAS for state in all_arms))
    nowhere = those(lambda all_arms: not {HAS, PERHAPS} & set(all_arms))
    return everywhere, nowhere, {arm: _apart(arm, states, common) for arm in states}


def _apart(arm: Arm, states: Mapping[Arm, Mapping[str, str]], common: Sequence[str]) -> ConceptDifferences:
    own, others = states[arm], [held for other, held in states.items() if other != arm]

    def those(state: str | None, among_others: Callable[[list[str | None]], bool]) -> list[str]:
        chosen = (c for c in common if own.get(c) == state)
        return sorted(c for c in chosen if among_others([held.get(c) for held in others]))

    return ConceptDifferences(
        alone=those(HAS, lambda others: bool(others) and all(state == LACKS for state in others)),
        perhaps=those(PERHAPS, lambda others: True),
        lacks=those(LACKS, lambda others: 2 * others.count(HAS) > len(others)),
        unseen=those(None, lambda others: True),
    )


def same_sample(runs: Mapping[str, Row], target: Row, others: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The runs that were not made as `target` was: with its segmenter, on as many images of its seed.

    First come the generators' finished runs that were (of `others`), then the runs of which there is none.
    """

    def as_it(run: Row) -> bool:
        return all(run[name] == target[name] for name in ASKED)

    there: list[Row] = []
    missing: list[Row] = []
    for run in runs.values():
        if as_it(run) or any(as_it(other) and same_model(run, other) for other in runs.values()):
            continue
        known = [other for other in others if as_it(other) and same_model(run, other)]
        final = next((other for other in known if other["state"] == "final"), None)
        (there if final else missing).append(final or run)
    return there, missing


def same_model(run: Row, other: Row) -> bool:
    return all(run.get(name) == other.get(name) for name in ("generator", "inputs"))


def checkpoints(runs: Mapping[str, Row]) -> bool:
    """Whether the runs include several checkpoints of one training."""
    points = {(run["training"], run["training_steps"]) for run in runs.values() if run["training"]}
    return len(points) > len({training for training, _ in points})


def along(frame: pd.DataFrame, runs: Mapping[str, Row]) -> pd.DataFrame:
    """The rows of checkpoints, with their place in the training, if a training has two or more of them.

    Rows with an equal `line` may be joined: checkpoints of one training, dissected with one segmenter on one
    sample. Of several runs of the same checkpoint, the newest counts.
    """
    facts = pd.DataFrame([{name: run[name] for name in (*PLACE, *SAMPLE)} for run in runs.values()])
    facts = facts.dropna(subset=["training", "training_steps"]).sort_values("started_at", ascending=False)
    facts = facts.drop_duplicates(["training", *SAMPLE, "training_steps"])
    lines = facts.groupby(["training", *SAMPLE], dropna=False, sort=False)
    facts = facts[lines["training_steps"].transform("size") > 1]
    facts = facts.assign(line=[_line(row, rows(facts)) for row in rows(facts)])
    return frame.merge(facts[[*PLACE, "line"]].drop(columns="started_at"), on="run_id")


def _line(row: Row, others: Sequence[Row]) -> str:
    """The name of the training's line, with what differs from its other lines."""
    twins = [other for other in others if other["training"] == row["training"]]
    differ = [name for name in SAMPLE if len({twin[name] for twin in twins}) > 1]
    facts = [SAMPLE[name].format(row[name]) for name in differ]
    return str(row["training"]) + (f" ({', '.join(facts)})" if facts else "")


def changing(points: pd.DataFrame, most: int) -> list[str]:
    """The concepts whose score changes most over a training, from the largest change on."""
    scores = points.groupby("concept")["score"]
    return [str(name) for name in (scores.max() - scores.min()).nlargest(most).index]


def late(points: pd.DataFrame) -> dict[tuple[str, ...], list[str]]:
    """The runs at the beginning of a line, and the concepts that have no point there."""
    found: dict[tuple[str, ...], list[str]] = {}
    order = points.drop_duplicates("run_id").sort_values("training_steps")
    steps, runs = order["training_steps"].to_numpy(), order["run_id"].tolist()
    for concept, first in points.groupby("concept")["training_steps"].min().items():
        early = tuple(runs[: int((steps < first).sum())])
        if early:
            found.setdefault(early, []).append(str(concept))
    return found


def best_layer(concepts: pd.DataFrame) -> pd.DataFrame:
    """The best layer of each run per concept, by its unit's lift on calibration images."""
    ordered = concepts.sort_values(["calibration_lift", "layer"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates(["run_id", "concept"])
