"""What the units of a training's checkpoints name: the tables of a model card, from the runs of a store.

    python -m benchmarks.checkpoints --store store

One set of tables for each sample that two or more checkpoints were dissected on; of equal runs the newest.
Prints Markdown, and writes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from dashboard.comparison import tables
from dashboard.widgets.rows import Row, rows
from db import store
from db.layout import Layout
from db.queries import compare
from db.queries.compare import Arm, Question
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

RULES = {"paper": NamingRule("paper"), "lift": NamingRule("lift")}


def lines(runs: Sequence[Row]) -> dict[str, list[Row]]:
    """The runs of each training and sample, in the training's order."""
    known = {run["run_id"]: run for run in runs}
    found = tables.along(pd.DataFrame({"run_id": list(known)}), known).sort_values("training_steps")
    return {str(line): [known[r] for r in own["run_id"]] for line, own in found.groupby("line")}


def between(value: float, low: float, high: float) -> str:
    return f"{value:.0f} [{low:.0f}-{high:.0f}]"


def counted(frame: pd.DataFrame) -> dict[str, str]:
    """One arm's tally in words: units with Wilson's interval and what the images leave open, concepts."""
    said = {}
    for row in rows(frame):
        kind, units = row["category"], row["units"]
        open_ = "" if row["surely"] is None else f" ({row['surely']}-{row['perhaps']})"
        named = between(row["named"], units * row["share_low"], units * row["share_high"])
        said[f"{kind}: units"] = named + open_
        said[f"{kind}: concepts"] = between(row["concepts"], row["concepts_low"], row["concepts_high"])
        said[f"{kind}: detectors"] = str(row["detectors"])
    return said


def scored(concepts: pd.DataFrame) -> dict[str, str]:
    """One arm's best units: what its grid allows, how far they come, and which concepts they detect."""
    detected = sorted(concepts.loc[concepts["detects"] == "yes", "concept"])
    return {
        "averaged map": f"{concepts['ceiling_iou'].median():.2f}",
        "lift": f"{concepts['lift'].median():.2f}",
        "IoU": f"{concepts['iou'].median():.2f}",
        "IoU / averaged map": f"{concepts['over_ceiling'].median():.2f}",
        "detected": f"{len(detected)} of {concepts['concept'].nunique()}",
        "which": ", ".join(detected),
    }


def measured(snapshot: Snapshot, runs: Sequence[Row]) -> dict[str, pd.DataFrame]:
    """Tables with a row for each checkpoint and layer: named units under each rule, and best units."""
    ids = [str(run["run_id"]) for run in runs]
    known = {Arm(row["run_id"], row["layer"]): row for row in rows(compare.layers(snapshot, ids))}
    arms = sorted(known, key=lambda arm: ids.index(arm.run_id))  # stable: layers stay in order
    names = {arm: _name(runs[ids.index(arm.run_id)], known[arm]) for arm in arms}
    common = tables.shared(compare.vocabularies(snapshot, ids))
    found = {}
    for label, rule in RULES.items():
        named = compare.named(snapshot, Question(tuple(names), rule))
        tally = tables.tally(named, known, names, common, has_cut=label == "paper")
        found[f"Named units, {label} rule"] = _by_arm(tally, names, counted)
    best = tables.by_concept(compare.best(snapshot, Question(tuple(names), NamingRule())), names, "lift")
    return found | {"Best unit of each concept (medians over concepts)": _by_arm(best, names, scored)}


def _name(run: Row, layer: Row) -> str:
    return f"{run['generator']} {layer['layer']} {layer['height']}x{layer['width']}, {layer['units']} units"


def _by_arm(
    frame: pd.DataFrame, names: Mapping[Arm, str], say: Callable[[pd.DataFrame], dict[str, str]]
) -> pd.DataFrame:
    return pd.DataFrame([{"arm": name} | say(frame[frame["arm"] == name]) for name in names.values()])


def markdown(frame: pd.DataFrame) -> str:
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(
    store_folder: Annotated[Path, typer.Option("--store", envvar="GANATOMY_STORE")] = Path("store"),
    training: Annotated[str, typer.Option(help="The training whose checkpoints are shown.")] = "churches",
) -> None:
    """Tables of every sample that two or more checkpoints of the training were dissected on."""
    snapshot = store.open(Layout(store_folder))
    of_training = [r for r in rows(compare.dissections(snapshot)) if r["training"] == training]
    if not (found := lines(of_training)):
        raise SystemExit(f"No two checkpoints of {training} were dissected on one sample in {store_folder}.")
    for line, runs in found.items():
        first = runs[0]
        print(f"\n## {line}: {first['segmenter']}, {first['images']:,} + {first['calibration']:,} images, "
              f"seed {first['seed']}")  # fmt: skip
        print(
            "\nUnits [Wilson, over units] (surely-perhaps over the cut, over images); concepts [bootstrap]."
        )
        for title, frame in measured(snapshot, runs).items():
            print(f"\n### {title}\n\n{markdown(frame)}")


if __name__ == "__main__":
    typer.run(main)
