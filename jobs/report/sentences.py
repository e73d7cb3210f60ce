"""What a causes study found in one plain sentence, for pages and reports; a null effect is told as null."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CHANCE = 0.05  # the largest p-value of an effect that is told as one
PARTS = (  # shares that have a word, up to an upper limit
    (0.23, ""),
    (0.28, "about a quarter"),
    (0.3, ""),
    (0.37, "about a third"),
    (0.45, ""),
    (0.55, "about half"),
    (0.62, ""),
    (0.71, "about two thirds"),
    (0.72, ""),
    (0.79, "about three quarters"),
    (0.95, ""),
    (9.0, "nearly all"),
)


def many(count: int, one: str) -> str:
    """A count and its noun.

    >>> many(1, "unit"), many(1200, "unit")
    ('1 unit', '1,200 units')
    """
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def part(share: float) -> str:
    """A share in words where there are some.

    >>> part(0.48), part(0.12), part(0.97)
    ('about half', '12%', 'nearly all')
    """
    word = next((word for limit, word in PARTS if share < limit), "")
    return word or f"{share:.0%}"


def causes(
    concept: str,
    layer: str,
    own: Mapping[str, Any],
    p: float | None,
    sets: int,
    strong: Callable[[str], str] = str,
) -> str:
    """What switching the causal set off does to the concept, beside random sets of as many units.

    `own` has top_units, removed with its ends, and acting_units where that is known. `p` is the share of the
    `sets` random sets that do as much, or None where none were measured. `strong` marks the main number.

    >>> own = {"top_units": 8, "removed": 0.48, "removed_low": 0.38, "removed_high": 0.57}
    >>> causes("door", "layer3", own, 0.2, 99)
    'Switching off 8 units of layer3 removes about half of all door pixels (48%, 38% to 57%), but random \
units may do as much (p = 0.2).'
    """
    off = f"Switching off {many(int(own['top_units']), 'unit')} of {layer}"
    removed, low, high = (own[name] for name in ("removed", "removed_low", "removed_high"))
    if removed is None or not own.get("acting_units", 1):
        return f"No unit of {layer} was found to cause {concept}."
    span = "" if low is None else f", {low:.0%} to {high:.0%}"
    if low is not None and low <= 0 <= high:
        return f"{off} removes no {concept} that can be measured ({removed:.0%}{span})."
    if removed < 0:
        return f"{off} adds to {concept} instead of removing it ({-removed:.0%} more)."
    share, exact = part(removed), f"{removed:.0%}"
    said = f"{off} removes {strong(share)} of all {concept} pixels"
    if numbers := (span.removeprefix(", ") if share == exact else f"{exact}{span}"):
        said += f" ({numbers})"
    if p is None:
        return f"{said}. Random units were not measured."
    if p > CHANCE:
        return f"{said}, but random units may do as much (p = {p:.2g})."
    if p * (sets + 1) < 1.5:
        return f"{said}. None of {many(sets, 'random set')} of as many units removes as much."
    return f"{said}, more than most random sets of units (p = {p:.2g})."
