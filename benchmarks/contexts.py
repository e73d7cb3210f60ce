"""The contexts of a store's insertions as Markdown: where a concept appears, and what place explains.

    python -m benchmarks.contexts --store store

Of equal insertions (generator, layer, concept) the newest. Prints, and writes nothing.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.checkpoints import markdown
from dashboard.widgets.rows import Row, rows
from db import store
from db.layout import Layout
from db.queries import context
from db.store import Snapshot

MEASURES = {
    "row_effect": "within rows",
    "effect": "as it is",
    "random_row_effect": "random, within rows",
    "row_over_random": "over random, within rows",
}
SHARES = {
    "row_share": "row",
    "position_share": "row and column",
    "context_share": "context",
    "context_beyond_row_share": "context beyond row",
    "context_beyond_position_share": "context beyond row and column",
}


def number(row: Row, name: str) -> str:
    """A number with its interval, where there is one."""
    if row[name] is None:
        return "-"
    if row[f"{name}_low"] is None:
        return f"{row[name]:+.3f}"
    return f"{row[name]:+.3f} [{row[f'{name}_low']:+.3f}, {row[f'{name}_high']:+.3f}]"


def table(frame: pd.DataFrame, least: int) -> pd.DataFrame:
    """A line a context, strongest first; contexts of few cells last."""
    few = frame["locations"] < least
    ordered = frame.assign(few=few | frame["left_out"]).sort_values(
        ["few", "row_effect"], ascending=[True, False]
    )
    return pd.DataFrame(
        [
            {
                "context": row["context"] + (" (itself)" if row["left_out"] else ""),
                "cells": f"{row['locations']:,}",
                "images": row["images"],
                **{label: number(row, name) for name, label in MEASURES.items()},
            }
            for row in rows(ordered)
        ]
    )


def said(own: Row) -> str:
    """One insertion at one strength, in two lines."""
    shares = "; ".join(f"{label} {own[name]:.1%}" for name, label in SHARES.items() if own[name] is not None)
    return (
        f"`{own['edit']}`, side {own['patch']}: {number(own, 'effect')} areas of one cell over "
        f"{own['locations']:,} cells of {own['images']} images; random units {number(own, 'random_effect')}."
        f"\n\nOf the differences between cells: {shares or 'nothing to explain'}."
    )


def show(snapshot: Snapshot, run: Row, strength: str | None, least: int) -> None:
    """One insertion: a table a strength."""
    frame = context.contexts(snapshot, str(run["run_id"]))
    summary = context.summary(snapshot, str(run["run_id"]))
    for own in rows(summary if strength is None else summary[summary["strength"] == strength]):
        print(
            f"### {run['concept']}, {run['generator']} {run['layer']}, {own['strength']} ({run['run_id']})\n"
        )
        print(said(own) + "\n")
        print(markdown(table(frame[frame["strength"] == own["strength"]], least)) + "\n")


def main(
    folder: Annotated[Path, typer.Option("--store")] = Path("store"),
    concepts: Annotated[str, typer.Option(help="Such as door,tree,dome.")] = "door,tree,dome",
    strength: Annotated[str | None, typer.Option(help="k, 2k or q99. Default: each.")] = None,
    least: Annotated[int, typer.Option(help="Cells under which a context comes last.")] = 50,
) -> None:
    """Prints every insertion of the concepts."""
    snapshot = store.open(Layout(folder))
    found = context.insertions(snapshot).drop_duplicates(["generator", "layer", "concept", "patch"])
    for concept in concepts.split(","):
        chosen = found[found["concept"] == concept]
        if chosen.empty:
            print(f"No insertion of {concept} yet.\n")
        for run in rows(chosen):
            show(snapshot, run, strength, least)


if __name__ == "__main__":
    typer.run(main)
