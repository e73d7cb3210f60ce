"""What a run of causes found, in words: the effect, how surely it is known, and what random sets do."""

import math

import pandas as pd

from dashboard.charts.causes import NAMES
from dashboard.widgets import words
from dashboard.widgets.rows import Row, only, rows

SURE = 0.7  # overlap of the seeds' first units below which a ranking is not to be relied on


def percent(row: Row, name: str, digits: int = 0) -> str:
    """A share with its interval: `effect`, `effect_low`, `effect_high`; a dash where it was not measured.

    Small shares, as those of rare concepts are, get more digits, so that they do not read as nothing.
    """
    value, low, high = (row[column] for column in (name, *_ends(name)))
    if value is None:
        return "-"
    digits = max(digits, min(3, -math.floor(math.log10(abs(100 * value)))) if value else 0)
    interval = "" if low is None else f" ({low:.{digits}%} to {high:.{digits}%})"
    return f"{value:.{digits}%}{interval}"


def _ends(name: str) -> tuple[str, str]:
    stem = name.removesuffix("_effect")
    return f"{stem}_low", f"{stem}_high"


def sentence(run: Row, own: Row) -> str:
    """What the causal set does."""
    off = "Setting" if own["ablate_kind"] == "mean" else "Switching off"
    to = " to their means" if own["ablate_kind"] == "mean" else ""
    what = words.plain(str(run["concept"]))
    return (
        f"{off} the first **{words.count(int(own['top_units']), 'unit')}**{to} removes "
        f"**{percent(own, 'removed')}** of all {what} pixels. Between inserting and ablating them {what} "
        f"changes by {percent(own, 'effect', 1)} of the pixels: the average causal effect, over "
        f"{run['images']:,} test images that chose no unit, at all cells. At one cell drawn anywhere it is "
        f"{percent(own, 'uniform_effect')} of the cell."
    )


def doubt(own: Row, stopped: int, overlap: pd.DataFrame) -> tuple[bool, str]:
    """Whether the ranking may be relied on, and why: seeds at rest, and what of the units that act they
    share. `overlap` holds it for each number of units."""
    acting, seeds = int(own["acting_units"]), int(own["seeds"])
    if not acting:
        return False, "No unit acts: the learning found no cause. What is called ACE is the order by IoU."
    n = min(int(own["top_units"]), int(own["acting_most"]))
    shared = (only(overlap, units=n) or {}).get("overlap")
    said = f"{stopped} of {words.count(seeds, 'seed')} reached a plateau"
    said += "" if shared is None else f"; of their first {words.count(n, 'unit')} they share {shared:.0%}"
    said += f". {words.count(acting, 'unit acts', 'units act')} (alpha over 0); beyond, the order is IoU's."
    if stopped < seeds:
        return False, f"{said} Ask for more steps."
    if shared is None or shared < SURE:
        return False, f"{said} The order of the weaker units is not to be relied on."
    return True, said


def told_at(part: pd.DataFrame, top: int) -> list[int]:
    """At how many units random sets are told of: the causal set's, and all of those marked by hand."""
    hand = part.loc[part["ranking"] == "hand", "units"]
    return sorted({top, *([int(hand.max())] if len(hand) else [])})


def beside(part: pd.DataFrame, n: int) -> str:
    """How many random sets do as much as the first n units of each ranking, for the rows of one edit."""
    here = part[part["units"] == n]
    random = only(here, ranking="random")
    if random is None:
        return "No random sets were measured beside it."
    sets = int(random["sets"])
    told = [
        f"{NAMES[row['ranking']]}: {round(row['as_good'] * (sets + 1)) - 1} (p = {row['as_good']:.2f})"
        for row in rows(here)
        if row["as_good"] is not None
    ]
    return (
        f"Of {words.count(sets, 'random set')} of {words.count(n, 'unit')}, so many do as much on the same "
        f"images as the first units by {'; '.join(told)}. Their edits' energy is "
        f"{random['energy']:.2f} of the learned units'."
    )


def a_run_a_concept(run: Row, found: pd.DataFrame) -> list[str]:
    """A run, and the newest of every other concept in its layer: one run a concept."""
    same = (found["parent_run_id"] == run["parent_run_id"]) & (found["layer"] == run["layer"])
    others = found[same & (found["concept"] != run["concept"])].drop_duplicates("concept")
    return [str(run["run_id"]), *map(str, others["run_id"])]


def nearest(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """The rows of each run at its one number of units nearest to n, the smaller of two as near."""
    known = frame[["run_id", "units"]].drop_duplicates()
    order = known.assign(away=(known["units"] - n).abs()).sort_values(["away", "units"])
    return frame.merge(order.drop_duplicates("run_id")[["run_id", "units"]])
