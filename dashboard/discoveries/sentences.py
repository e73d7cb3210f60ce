"""What a run of causes, context or artifacts found, in one plain sentence; a null effect is told as null.

The pages of the studies give the evidence; here are only the finding and its reference point.
"""

import pandas as pd

from dashboard.charts.context import FEW, FEWEST
from dashboard.widgets import words
from dashboard.widgets.rows import Row, only, rows
from jobs.report import sentences
from jobs.report.sentences import CHANCE

SUSPECTS = "ablation"  # the ranking whose first units are told about
DISTANCES = ("FID_inf", "KID", "FID")  # the one that decides first


def dissection(run: Row) -> str:
    """How many units of a dissection detect a concept, beside the same generator with random weights."""
    name = words.plain(run["generator"])
    units = words.count(run["detectors"], "unit detects", "units detect")
    said = (
        f"**{units} {words.count(run['detected_concepts'], 'concept')}** in {name}, "
        f"of {words.count(run['units'], 'unit')} measured."
    )
    twin = run["twin_detectors"]
    if twin is None:
        return f"{said} The same generator with random weights has not been dissected."
    many = words.count(int(twin), "unit does", "units do") if twin else "none does"
    return f"{said} With random weights, {many}."


def random_twins(results: pd.DataFrame) -> str | None:
    """The detectors of the random twins, beside those of the dissections that have one."""
    known = results[results["twin_detectors"].notna()]
    if known.empty:
        return None
    twin = f"{int(known['twin_detectors'].sum()):,} with random weights"
    return twin if len(known) == len(results) else f"{twin}, for {int(known['detectors'].sum()):,} of them"


def causes(run: Row, own: Row, curve: pd.DataFrame) -> str:
    """What switching the causal set off does to the concept, beside random sets of as many units."""
    first = only(curve, ranking="ace", edit="ablate", units=int(own["top_units"])) or {}
    sets = int(first.get("compared_sets") or 0)
    what, where = words.plain(run["concept"]), words.plain(run["layer"])
    return sentences.causes(what, where, own, first.get("as_good"), sets, lambda text: f"**{text}**")


def context(run: Row, own: Row, contexts: pd.DataFrame) -> str:
    """What forcing the units on at single places does, and where it does most. `own` is of one strength."""
    what, places = words.plain(run["concept"]), f"{own['locations']:,} places"
    units = _units(int(own["units"]), run["layer"])
    forced = f"Forcing on {units} at {places}, one by one,"
    effect, low, high = (own[f"effect{end}"] for end in ("", "_low", "_high"))
    random = own["random_effect"]
    if not effect or (low is not None and low <= 0 <= high):
        too = "" if random is None else f"; random units {_random_null(own)}"
        return f"{forced} makes **no {what}** that can be measured ({_areas(own, 'effect')}){too}."
    if effect < 0:
        return f"{forced} takes {what} away: {_areas(own, 'effect')}."
    beside = "random units were not measured" if random is None else f"random units {random:+.2g}"
    upper = own["random_effect_high"]
    if random is not None and (upper if upper is not None else random) >= effect:
        return f"{forced} makes no more {what} than random units do ({_areas(own, 'effect')}; {beside})."
    return f"{forced} makes {what} appear: {_areas(own, 'effect')}; {beside}.{_where(own, contexts)}"


def _random_null(own: Row) -> str:
    low, high = own["random_effect_low"], own["random_effect_high"]
    if not own["random_effect"] or (low is not None and low <= 0 <= high):
        return "make none either"
    return f"change it by {own['random_effect']:+.2g}"


def _areas(own: Row, name: str) -> str:
    """A change with its interval, in areas of one cell."""
    low, high = own[f"{name}_low"], own[f"{name}_high"]
    span = "" if low is None else f", {low:+.2g} to {high:+.2g}"
    return f"{own[name]:+.2g} of a cell each time{span}"


def _where(own: Row, contexts: pd.DataFrame) -> str:
    """The surroundings in which the concept appears more easily than elsewhere in the same rows of cells."""
    here = contexts[
        (contexts["strength"] == own["strength"])
        & (contexts["locations"] >= FEW)
        & (contexts["images"] >= FEWEST)
        & (contexts["row_effect_low"] > 0)
        & ~contexts["context"].isin(["mixed", "nothing", own["concept"]])
    ]
    best = rows(here.sort_values("row_effect", ascending=False).head(1))
    return f" It appears most easily on **{words.plain(best[0]['context'])}**." if best else ""


def artifacts(run: Row, effects: pd.DataFrame) -> str:
    """Whether images get better without the units that seem to spoil them, beside random units."""
    layer = words.plain(run["layer"])
    metric = next((name for name in DISTANCES if (effects["metric"] == name).any()), "")
    part = effects[(effects["metric"] == metric) & (effects["ranking"] == SUSPECTS)]
    if part.empty:
        return f"The units of {layer} were ranked, and no ablation of the first ones was measured."
    row = rows(part.sort_values("units").tail(1))[0]
    n = int(row["units"])
    moved = f"the distance to the reference goes from {row['before']:.2g} to {row['after']:.2g}"
    without = (
        f"without the {words.count(n, 'most suspect unit')}" if n > 1 else "without the most suspect unit"
    )
    if row["fall"] < -2 * row["fall_error"]:
        return f"**No artifact units** in {layer}: {without} the images get worse ({moved})."
    if row["fall"] <= 2 * row["fall_error"]:
        return (
            f"**No artifact units** were found in {layer}: {without} no change of the images "
            f"could be measured ({moved})."
        )
    p, first = row["as_good"], f"{without.capitalize()} of {layer}"
    if p is None:
        return f"{first} the images get better ({moved}); random units were not measured."
    if p > CHANCE:
        return f"{first} the images get better ({moved}), but random units may do as much (p = {p:.2g})."
    return f"{first} the **images get better** ({moved}); random units do less."


def _units(n: int, layer: object) -> str:
    return f"{words.count(n, 'unit')} of {words.plain(layer)}"
