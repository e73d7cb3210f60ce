"""What people say of units' names: which names a rater is shown, and the answers that are kept."""

from __future__ import annotations

from collections.abc import Hashable
from zlib import crc32

import pandas as pd
import streamlit as st

from analysis.dissection import ratings
from analysis.dissection.ratings import Item, Named
from dashboard.widgets import page, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs
from db.schema.workspace import ANSWERS
from db.store import Snapshot

VALUES = {answer: place / (len(ANSWERS) - 1) for place, answer in enumerate(ANSWERS)}  # no 0, yes 1
BESIDE = ["lift", "iou", "threshold", "side", "detector"]


def named_units(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """Every unit of a dissection that has a name, layer by layer: its name, scores and threshold."""
    names = [str(name) for name in runs.layers(snapshot, run_id)["layer"]]
    found = [runs.units(snapshot, run_id, name) for name in names]
    every = pd.concat(found) if found else pd.DataFrame(columns=["layer", "unit", "concept", "also", *BESIDE])
    return every[every["concept"].notna()].sort_values(["layer", "unit"], ignore_index=True)


def seed(run_id: str) -> int:
    """The seed of a run's random names: the same for every rater, so that their answers can be compared."""
    return crc32(run_id.encode())


def shown(units: pd.DataFrame, run_id: str, rater: str, layer: str, most: int) -> list[Item]:
    """What a rater is shown, in the rater's own order: `most` units of a layer, or of all layers for ''."""
    every = [
        Named(
            row["layer"],
            int(row["unit"]),
            row["concept"],
            frozenset({row["concept"], *(row["also"] or "").split(", ")} - {""}),
        )
        for row in rows(units)
    ]
    number = seed(run_id)
    found = ratings.order(ratings.items(every, number), number, "")  # first the same units for everybody
    kept = [item for item in found if layer in ("", item.layer)][:most]
    return ratings.order(kept, number, rater)


def given(run_id: str) -> pd.DataFrame:
    """Every rating of a run, oldest first."""
    if not page.layout().workspace.exists():
        return pd.DataFrame(columns=["id", "layer", "unit", "shown", "own", "answer", "better", "author"])
    return page.space().rows("rating", run_id=run_id)


def give(run_id: str, item: Item, rater: str, answer: str, better: str = "") -> None:
    """Keep a rater's answer; it replaces an earlier one of the same unit."""
    page.space().add(
        "rating",
        rater,
        run_id=run_id,
        layer=item.layer,
        unit=item.unit,
        shown=item.shown,
        own=item.own,
        answer=answer,
        better=better or None,
        seed=seed(run_id),
    )


def take_back(run_id: str, rater: str) -> None:
    """Remove a rater's last answer in a run."""
    found = given(run_id)
    mine = found[found["author"] == rater]
    if len(mine):
        page.space().remove("rating", int(mine["id"].iloc[-1]))


def scored(found: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Ratings as numbers from 0 to 1, beside the scores of the units' own names."""
    beside = units[["layer", "unit", "concept", *BESIDE]].rename(columns={"concept": "name"})
    merged = found.merge(beside, on=["layer", "unit"], how="left")
    return merged.assign(value=merged["answer"].map(VALUES), own=merged["own"].astype(bool))


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """The share of names that are accepted, by bins of lift: own and random names, with intervals."""
    made: list[Row] = []
    bins = ratings.bins(found.drop_duplicates(["layer", "unit"])["lift"].tolist())
    for low, high in bins:  # a lift between two bins is in the upper one
        here = found[found["lift"].between(low, high, "both" if high == bins[-1][1] else "left")]
        for own, part in here.groupby("own"):
            units = [*zip(part["layer"], part["unit"], strict=True)]
            share = ratings.accepted(units, part["value"].tolist())
            name = "own name" if own else "random name"
            made.append({"lift": f"{low:.2f} to {high:.2f}", "names": name, **vars(share)})
    return pd.DataFrame(made)


def accepted(found: pd.DataFrame, own: bool) -> ratings.Share:
    """The share of own, or of random, names that are accepted."""
    part = found[found["own"] == own]
    return ratings.accepted([*zip(part["layer"], part["unit"], strict=True)], part["value"].tolist())


def agreement(found: pd.DataFrame) -> tuple[float, int]:
    """Krippendorff's alpha between raters, and the number of units that several of them rated."""
    answers = found["answer"].map(ANSWERS.index)
    by_unit: dict[Hashable, list[int]] = {
        unit: part.tolist() for unit, part in answers.groupby([found["layer"], found["unit"]])
    }
    return ratings.krippendorff(by_unit), sum(len(values) > 1 for values in by_unit.values())


def by_unit(found: pd.DataFrame) -> pd.DataFrame:
    """One row per rated unit, the least accepted first."""
    if found.empty:
        return found
    grouped = found.groupby(["layer", "unit", "shown", "own"], as_index=False)
    listed = grouped.agg(
        accepted=("value", "mean"),
        raters=("author", "nunique"),
        better=("better", lambda names: ", ".join(sorted({str(name) for name in names.dropna()}))),
        lift=("lift", "first"),
        iou=("iou", "first"),
    )
    return listed.sort_values(["own", "accepted", "lift"], ascending=[False, True, False], ignore_index=True)


def sentence(found: pd.DataFrame) -> str:
    """What was found, in a sentence or two."""
    own, random = accepted(found, True), accepted(found, False)
    if not own.units:
        return "No unit was rated with its own name yet."
    text = f"People accept {own.share:.0%} of the units' names ({own.low:.0%} to {own.high:.0%})"
    if not random.units:
        return f"{text}. No random name was rated yet, so nothing shows what any name would get."
    text += f", and {random.share:.0%} of random names ({random.low:.0%} to {random.high:.0%})."
    if own.low > random.high:
        return f"{text} So the names say something that people see."
    if own.high < random.low:
        return f"{text} Random names do better: look at the units below."
    return f"{text} These ranges overlap: the names are not shown to be better than random ones."


def unit(run_id: str, layer: str, number: int) -> None:
    """Draw what raters said of a unit's own name, if anybody rated it, and the way to the ratings."""
    found = given(run_id)
    here = found[(found["layer"] == layer) & (found["unit"] == number) & found["own"].astype(bool)]
    if here.empty:
        return
    counts = [f"{sum(here['answer'] == answer)} {answer}" for answer in reversed(ANSWERS)]
    better = sorted({str(name) for name in here["better"].dropna()})
    text = f"People asked whether “{words.plain(here['shown'].iloc[-1])}” fits said: {', '.join(counts)}."
    if better:
        text += f" They would rather say {words.plain(', '.join(better))}."
    st.markdown(text)
