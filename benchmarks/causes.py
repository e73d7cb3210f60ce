"""The causes of a store's concepts as Markdown: ACE beside IoU, single units and random sets.

    python -m benchmarks.causes --store store

Of equal runs (generator, layer, concept) the newest. Prints, and writes nothing.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.checkpoints import markdown
from dashboard.widgets.rows import Row, rows
from db import store
from db.layout import Layout
from db.queries import causes
from db.store import Snapshot

EDITS = {"ablate": "share removed", "insert": "share added", "both": "ACE, of all pixels"}
RANKINGS = ("ace", "iou", "single", "random")
CHANGED = 0.05  # relative changes of other concepts that are worth a line


def number(row: Row, name: str, digits: int) -> str:
    """A number with its interval, where there is one."""
    if row[name] is None:
        return "-"
    stem = "relative" if name.startswith("relative") else name
    low, high = row[f"{stem}_low"], row[f"{stem}_high"]
    interval = "" if low is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{row[name]:.{digits}f}{interval}"


def cell(row: Row, edit: str) -> str:
    """An effect, and its p-value beside the random sets."""
    shown = number(row, "effect", 4) if edit == "both" else number(row, "relative_effect", 2)
    return shown + ("" if row["as_good"] is None else f", p {row['as_good']:.2f}")


def table(curve: pd.DataFrame, edit: str, sizes: list[int]) -> pd.DataFrame:
    """A line a number of units, a column a ranking."""
    part = curve[(curve["edit"] == edit) & curve["units"].isin(sizes)]
    found = {(row["ranking"], row["units"]): cell(row, edit) for row in rows(part)}
    return pd.DataFrame(
        [{"units": n, **{ranking: found.get((ranking, n), "-") for ranking in RANKINGS}} for n in sizes]
    )


def beside(side: pd.DataFrame, concept: str, units: int) -> str:
    """What else changes when the first units by ACE are ablated, largest change first."""
    own = side[(side["ranking"] == "ace") & (side["units"] == units) & (side["affected"] != concept)]
    sure = own[(own["change_low"] > 0) | (own["change_high"] < 0)]
    told = sure[sure["relative_change"].abs() >= CHANGED]
    ordered = told.reindex(told["relative_change"].abs().sort_values(ascending=False).index)
    return ", ".join(f"{row['affected']} {row['relative_change']:+.0%}" for row in rows(ordered)) or "nothing"


def said(own: Row) -> str:
    """How it was learned, and what it cost."""
    learned = f"{own['seeds']} learning seeds, penalty's weight {own['penalty_weight']:.4g}"
    shared = f"the seeds share {own['top_overlap']:.2f} of the first {own['top_units']}"
    cost = f"{own['tail_passes']:,} passes through tail and segmenter, {own['seconds']:,.0f} s"
    return f"{learned}; {own['acting_units']} units act; {shared}. {cost}."


def show(snapshot: Snapshot, run: Row, sizes: list[int]) -> None:
    """One concept: a table an edit."""
    name = str(run["run_id"])
    print(f"### {run['concept']}, {run['generator']} {run['layer']} ({name})\n")
    print(said(next(iter(rows(causes.summary(snapshot, name))))) + "\n")
    curve = causes.curves(snapshot, name)
    for edit, title in EDITS.items():
        print(f"{title}:\n\n{markdown(table(curve, edit, sizes))}\n")
    side = causes.side_effects(snapshot, [name], "ablate")
    for n in sizes:
        print(f"Ablating {n} units also changes (interval clear of 0): {beside(side, run['concept'], n)}.\n")


def main(
    folder: Annotated[Path, typer.Option("--store")] = Path("store"),
    concepts: Annotated[str, typer.Option(help="Such as tree,door.")] = "tree,door,window,dome",
    units: Annotated[str, typer.Option(help="Numbers of units, such as 8,20.")] = "8,20",
) -> None:
    """Prints every causes run of the concepts."""
    snapshot = store.open(Layout(folder))
    found = causes.causes(snapshot).drop_duplicates(["generator", "layer", "concept"])
    for concept in concepts.split(","):
        chosen = found[found["concept"] == concept]
        if chosen.empty:
            print(f"No causes of {concept} yet.\n")
        for run in rows(chosen):
            show(snapshot, run, [int(n) for n in units.split(",")])


if __name__ == "__main__":
    typer.run(main)
