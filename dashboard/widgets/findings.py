"""The finding of a causes run in sentences: the effect, its reliability, and what random sets do."""

import math

import pandas as pd

from dashboard.charts.causes import NAMES
from dashboard.widgets import words
from dashboard.widgets.rows import Row, only, rows

FEW = 99  # random sets; with fewer, no p-value is below 0.01
SURE = 0.05  # p up to which an effect is told as one
RELIABLE = 0.7  # overlap of the seeds' first units, or of two starts, below which they disagree
STRONG = 0.1  # of the largest alpha, at which a unit counts as one of the causes


def percent(row: Row, name: str, digits: int = 0) -> str:
    """A share with its interval from the columns `name`, low and high; a dash when it was not measured.

    Every share has at least `digits` decimals and two significant digits, so that the small change of a rare
    concept does not read as 0.

    >>> row = {"effect": 0.00002, "effect_low": 0.000013, "effect_high": 0.00003}
    >>> percent(row, "effect", 1)
    '0.0020% (0.0013% to 0.0030%)'
    """
    value, low, high = (row[column] for column in (name, *_ends(name)))
    if value is None:
        return "-"
    largest = max(abs(number) for number in (value, low, high) if number is not None)
    if reference := abs(value) or largest:
        digits = max(digits, 1 - math.floor(math.log10(100 * reference)))
    interval = "" if low is None else f" ({words.share(low, digits)} to {words.share(high, digits)})"
    return f"{words.share(value, digits)}{interval}"


def is_null(row: Row, name: str) -> bool:
    """Whether the interval of `name` holds 0, so that no change can be told from none."""
    low, high = (row.get(column) for column in _ends(name))
    return low is not None and high is not None and low <= 0 <= high


def _ends(name: str) -> tuple[str, str]:
    stem = name.removesuffix("_effect")
    return f"{stem}_low", f"{stem}_high"


def sentence(run: Row, own: Row, curve: pd.DataFrame) -> str:
    """What ablating and what inserting the first units does to the concept, each beside random sets."""
    n = int(own["top_units"])
    first = curve[(curve["ranking"] == "ace") & (curve["units"] == n)]
    ablated, inserted = (only(first, edit=edit) or {} for edit in ("ablate", "insert"))
    random = only(curve[(curve["ranking"] == "random") & (curve["units"] == n)], edit="ablate")
    drawn = int(random["sets"]) if random else 0
    off, to = {
        "mean": ("Setting", " to their means"),
        "off": ("Setting", " to what they are where the concept is absent"),
    }.get(own["ablate_kind"], ("Switching off", " (to 0)"))
    what = words.plain(str(run["concept"]))
    removed = own["removed"]
    wrong = removed is not None and removed < 0
    remedy = ""
    if wrong:
        remedy = " So to ablate these units adds to the concept."
        remedy += (
            " 0 is perhaps not their off state: queue the job again with `--ablate off`."
            if own["ablate_kind"] == "zero"
            else ""
        )
    added = ""
    if inserted and is_null(inserted, "effect"):
        added = (
            f"Inserting them at every cell adds none that can be measured: {percent(inserted, 'effect', 1)} "
        )
        added += "of all pixels. "
    elif inserted and inserted["effect"] > 0:
        added = f"Inserting them at every cell adds {percent(inserted, 'effect', 1)} of all pixels"
        added += f"{chance(inserted, drawn)}. "
    elif inserted:
        change = percent(inserted, "effect", 1)
        added = f"Inserting them at every cell adds nothing: the change is {change} of all pixels. "
    units = f"{off} the first **{words.count(n, 'unit')}**{to}"
    if is_null(own, "removed"):
        removes = (
            f"{units} removes **no {what} that can be measured**: {percent(own, 'removed')} of its pixels. "
        )
        remedy = ""
    else:
        beside = "" if wrong else chance(ablated, drawn)
        removes = f"{units} removes **{percent(own, 'removed')}** of all {what} pixels{beside}. "
    cell = ""
    if own["uniform_effect"] is not None:
        cell = (
            f" At one random cell the average causal effect is {percent(own, 'uniform_effect')} of the cell"
        )
        cell += ", so none can be measured." if is_null(own, "uniform_effect") else "."
    return (
        f"{removes}{added}It was measured on {run['images']:,} test images that played no part in choosing "
        f"units{_showing(own, what)}.{cell}{remedy}"
    )


def _showing(own: Row, what: str) -> str:
    """How many test images show the concept, where the run says it."""
    return "" if own.get("shown") is None else f"; {own['shown']:,} of them show {what}"


def chance(row: Row, drawn: int) -> str:
    """How an effect compares with that of random sets, as the end of a clause; nothing without them.

    `drawn` is how many there are where a run of 0.1.0 does not say how many of them are different.
    """
    p = row.get("as_good")
    if p is None:
        return ""
    sets = int(row["compared_sets"] or drawn)
    if p * (sets + 1) < 1.5:  # not one, and no tie
        few = "" if p <= SURE else ", too few to be sure"
        return f", more than any of {words.count(sets, 'random set')}{few} (p = {p:.2g})"
    if p <= SURE:
        return f", more than most random sets (p = {p:.2g})"
    return f", but random sets do as much (p = {p:.2g}), so it may be chance"


def reliability(own: Row, stopped: int, overlap: pd.DataFrame, units: pd.DataFrame) -> tuple[bool, str]:
    """Whether the ranking is reliable, and a sentence that says why.

    It is when all seeds stopped at a plateau, their two starts agree, and they share their first units: those
    with at least a tenth of the largest alpha, since smaller ones are noise. `overlap` has a row per number
    of units; `units` has the alphas.
    """
    acting, seeds = int(own["acting_units"]), int(own["seeds"])
    if not acting:
        return False, "No unit acts: the learning found no cause, so the ACE ranking is the ranking by IoU."
    n = min(int(own["top_units"]), int(own["acting_most"]), len(strong(units)) or 1)
    shared = (only(overlap, units=n) or {}).get("overlap")
    text = f"Learned from {words.count(seeds, 'random start')}"
    if shared is not None and seeds > 1:
        first = words.count(n, "unit")
        text += (
            f", which agree on the first {first}"
            if shared == 1
            else f", which share {shared:.0%} of the first {first}"
        )
    acts = words.count(acting, "unit has", "units have")
    text += f". {acts} an effect (alpha over 0); later units are ordered by IoU."
    if stopped < seeds:
        settled = f"Only {stopped}" if stopped else "None"
        text += f" {settled} of them had reached a plateau when the steps ran out."
    if stopped < seeds:
        return False, f"{text} Queue the job again with more steps."
    if shared is None or shared < RELIABLE:
        return False, f"{text} The order of the weaker units is unreliable."
    starts = own.get("start_agreement")  # not stored by older runs
    if starts is not None and starts < RELIABLE:
        return False, f"{text} Yet the two starts of a seed end at different units, so others may do as well."
    return True, text


def strong(units: pd.DataFrame) -> pd.DataFrame:
    """The units with at least a tenth of the largest alpha, best first: the causes, without noise."""
    found = units[(units["alpha"] > 0) & (units["alpha"] >= STRONG * units["alpha"].max())]
    return found.sort_values("rank")


def numbers_of_units(part: pd.DataFrame, top: int) -> list[int]:
    """The numbers of units at which random sets are compared: the causal set's, and that of marked units."""
    hand = part.loc[part["ranking"] == "hand", "units"]
    return sorted({top, *([int(hand.max())] if len(hand) else [])})


def random_sets(part: pd.DataFrame, n: int) -> str:
    """How many random sets do as much as the first n units of each ranking, for the rows of one edit."""
    here = part[part["units"] == n]
    random = only(here, ranking="random")
    if random is None:
        return "No random sets were measured."
    sets = int(random["sets"])
    counts, different = [], sets
    for row in rows(here):
        if row["as_good"] is not None:
            different = int(row["compared_sets"] or sets)  # not stored by 0.1.0
            as_much = row["as_good"] * (different + 1) - 1
            counts.append(f"{NAMES[row['ranking']]}: {as_much:.3g} of {different} (p = {row['as_good']:.2f})")
    if not counts:
        return "No image of the random sets shows the concept, so they say nothing."
    smallest = 1 / (different + 1)
    few = f" With so few different sets, p cannot be smaller than {smallest:.2g}." if different < FEW else ""
    return (
        f"Random sets of {words.count(n, 'unit')} that do as much on the same images as the first units by "
        f"{'; '.join(counts)}.{few} The energy of their edits is {random['energy']:.2f} times that of the "
        "learned units."
    )


def newest_per_concept(run: Row, found: pd.DataFrame) -> list[str]:
    """This run, and the newest run of every other concept in its layer."""
    same = (found["parent_run_id"] == run["parent_run_id"]) & (found["layer"] == run["layer"])
    others = found[same & (found["concept"] != run["concept"])].drop_duplicates("concept")
    return [str(run["run_id"]), *map(str, others["run_id"])]


def nearest(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """The rows of each run at its number of units nearest to n; of two as near, at the smaller."""
    known = frame[["run_id", "units"]].drop_duplicates()
    order = known.assign(away=(known["units"] - n).abs()).sort_values(["away", "units"])
    return frame.merge(order.drop_duplicates("run_id")[["run_id", "units"]])
