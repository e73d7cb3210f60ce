"""What a causes run cannot tell, or what its alphas miss: sentences for the Causes page.

docs/causes.md has the table of hard cases that these sentences are for.
"""

from typing import Any

import pandas as pd

from dashboard.widgets import words
from dashboard.widgets.findings import RELIABLE, strong
from dashboard.widgets.rows import Row, only, rows

SHOWN = 10  # images with the concept below which a loss has no interval
MUCH = 0.25  # of the concept, that units must remove to be told
ADDS = 0.1  # of the concept, that the ablation of a unit must add to be told
LISTED = 5  # units that a sentence lists


def limits(run: Row, own: Row, curve: pd.DataFrame, units: pd.DataFrame) -> list[str]:
    """What the run cannot tell, a sentence or two each.

    `own` is the run's summary, `curve` its effect curves, `units` the rows of `db.queries.causes.rankings`.
    Every effect was measured on test images. That of a single unit also has the same sign on choosing images,
    since there are many units to be wrong about.
    """
    what = words.plain(str(run["concept"]))
    adding = units[_certain(units, -1) & (units["relative_effect"] <= -ADDS)]
    balancing = adding[_numbers(adding, "ablate_needed") >= ADDS]
    found = [
        _few_images(own, what),
        _starts(own),
        _together(own, units, balancing, what),
        _spread(own, curve, units),
        _missed(units, what),
        _suppressors(adding.drop(balancing.index), what),
        _elsewhere(own, curve, what),
        _constant(own, units),
        _narrow(own, units),
    ]
    if int(own["acting_units"]):
        found.append("That the seeds agree does not say that no other units would do as well.")
    return [sentence for sentence in found if sentence]


def _numbers(units: pd.DataFrame, column: str) -> "pd.Series[float]":
    """A column as numbers; NaN where it is missing, as in runs of older versions."""
    return pd.to_numeric(units[column] if column in units else pd.Series(float("nan"), units.index))


def _certain(units: pd.DataFrame, sign: int, edit: str = "") -> "pd.Series[bool]":
    """Units whose lone effect has a sign for certain: its interval excludes 0, and choosing images agree."""
    low, high = (_numbers(units, f"{edit}effect_{end}") * sign for end in ("low", "high"))
    chosen = _numbers(units, f"{edit}choosing_effect") * sign
    return (low > 0) & (high > 0) & (chosen > 0)


def _few_images(own: Row, what: str) -> str:
    """Too few images for intervals."""
    shown: Any = own.get("shown")
    if shown is None or shown >= SHOWN:
        return ""
    return (
        f"Of {int(own['images']):,} test images, all that were drawn, {words.count(int(shown), 'image')} "
        f"{'shows' if shown == 1 else 'show'} {what}: too few for an interval of what is removed. "
        "Queue the job again with more images."
    )


def _starts(own: Row) -> str:
    """Starts that ended at other units."""
    agreement: Any = own.get("start_agreement")
    if agreement is None or agreement >= RELIABLE:
        return ""
    return (
        "The two best starts of a learning end at different units (agreement of their alphas: "
        f"{agreement:.0%}). The better one is shown; other units may do nearly as much."
    )


def _together(own: Row, units: pd.DataFrame, balancing: pd.DataFrame, what: str) -> str:
    """How what the causes remove alone compares with what they remove together, if that is certain."""
    causes = strong(units).head(int(own["top_units"]))
    alone = _numbers(causes, "relative_effect")
    together, low, high = (own.get(name) for name in ("removed", "removed_low", "removed_high"))
    if len(causes) < 2 or alone.isna().any() or together is None or low is None or high is None:
        return ""
    if together < MUCH or low <= 0:
        return ""
    if len(balancing):
        return (
            f"Ablating {_named(balancing, -1)} alone adds so much of the {what} pixels, yet the set needs "
            f"{_form(balancing, 'it', 'them')}: such units balance others, so that only the set can be read."
        )
    sums = f"Alone the first units remove {alone.sum():.0%} in all, together {together:.0%}"
    if alone.sum() < min(0.5 * together, low):
        return f"{sums}: they stand in for each other. Units with a smaller alpha may stand in for them too."
    if alone.sum() > max(1.5 * together, high):
        return f"{sums}: several of them are each needed for the concept."
    if not low <= alone.sum() <= high:
        return ""
    return f"{sums}: each has a part of its own. Whether that is a place or a part of the images is not told."


def _spread(own: Row, curve: pd.DataFrame, units: pd.DataFrame) -> str:
    """More units cause the concept than the causal set has."""
    n, causes = int(own["top_units"]), len(strong(units))
    removed = curve[(curve["ranking"] == "ace") & (curve["edit"] == "ablate")].set_index("units")
    if causes <= n or n not in removed.index:
        return ""
    last = int(removed.index.max())
    shares = [_numbers(removed, "relative_effect")[units] for units in (n, last)]
    return (
        f"The cause is spread over more units than the causal set has: {causes} have a tenth of the "
        f"largest alpha or more. The first {n} remove {shares[0]:.0%} of the concept, the first {last} "
        f"{shares[1]:.0%}."
    )


def _missed(units: pd.DataFrame, what: str) -> str:
    """Units that alpha leaves out, though alone they remove much."""
    out = units[~units["unit"].isin(strong(units)["unit"]) & _certain(units, 1)]
    out = out[out["relative_effect"] >= MUCH].sort_values("relative_effect", ascending=False)
    if out.empty:
        return ""
    said = f"Alpha leaves out {_named(out)}, of which each removes so much of the {what} pixels alone."
    removing = out[_certain(out, -1, "insert_")]
    if len(removing):
        return (
            f"{said} Inserting {_listed_units(removing)} removes {what} too, so "
            f"{_form(removing, 'it acts', 'they act')} at another place than where "
            f"{_form(removing, 'it is', 'they are')} on, and alpha cannot tell that."
        )
    it = _form(out, "it", "them")
    return f"{said} The concept needs {it}, but does not come by {it}."


def _suppressors(adding: pd.DataFrame, what: str) -> str:
    """Units whose ablation adds the concept."""
    if adding.empty:
        return ""
    first = adding.sort_values("relative_effect")
    return f"Suppressors: ablating {_named(first, -1)} alone adds so much of the {what} pixels."


def _elsewhere(own: Row, curve: pd.DataFrame, what: str) -> str:
    """Units whose ablation and whose insertion both remove."""
    first = curve[(curve["ranking"] == "ace") & (curve["units"] == int(own["top_units"]))]
    inserted = (only(first, edit="insert") or {}).get("effect_high")
    if (own["removed_low"] or 0) <= 0 or inserted is None or inserted >= 0:
        return ""
    return (
        f"Ablating these units removes {what}, and inserting them does too: perhaps they act at another "
        "place than where they are on."
    )


def _constant(own: Row, units: pd.DataFrame) -> str:
    """Units that no edit changes, because they are the same with the concept and without."""
    if own["ablate_kind"] == "zero":
        return ""
    off = _numbers(units, "ablate_value")
    same = units[(off == _numbers(units, "insert_value")) & (off != 0)]
    if same.empty:
        return ""
    it = _form(same, "it", "them")
    return (
        f"{_listed_units(same).capitalize()} {_form(same, 'is', 'are')} the same with the concept and "
        f"without, so no edit here changes {it}. Whether the concept needs {it} is not told; `--ablate zero` "
        f"sets {it} to 0."
    )


def _narrow(own: Row, units: pd.DataFrame) -> str:
    """A layer in which random sets must take the causal set's own units."""
    n = int(own["top_units"])
    if units.empty or len(units) - n >= 2 * n:
        return ""
    return (
        f"The layer has {len(units)} units, so random sets of {n} also take units of the causal set: their "
        "p says little."
    )


def _named(units: pd.DataFrame, sign: int = 1) -> str:
    """Units with what they do alone, such as: unit 3 (12%) and unit 8 (5%)."""
    listed = [
        f"unit {int(row['unit'])} ({sign * row['relative_effect']:.0%})" for row in rows(units[:LISTED])
    ]
    return _listed(listed, len(units))


def _listed_units(units: pd.DataFrame) -> str:
    """Units by number."""
    return _listed([f"unit {int(number)}" for number in units["unit"][:LISTED]], len(units))


def _listed(names: list[str], count: int) -> str:
    """`a`, `a and b`, or `a, b and 3 more`."""
    names = [*names, f"{count - len(names)} more"] if count > len(names) else names
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _form(units: pd.DataFrame, one: str, many: str) -> str:
    """The form of a word for one unit or several."""
    return one if len(units) == 1 else many
