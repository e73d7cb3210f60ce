"""Numbers, times and names as every page writes them, and help texts."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard.guide.glossary import HELP as HELP
from db.times import duration, utc_now
from jobs.system.text import one_line, visible


def name(row: Mapping[str, Any]) -> str:
    """A unit's name on pages: its concept, and whether low activations go with it."""
    if row["concept"] is None or pd.isna(row["concept"]):
        return "no name"
    return f"{row['concept']} (low)" if row.get("side") == "low" else str(row["concept"])


CONTROLS = {"mask_iou": "a fixed spot", "always_on": "a unit always on", "null_iou": "its usual place"}
LEAST_CONTROL = 0.001  # an IoU below which a ratio to it says nothing


def verdict(row: Mapping[str, Any]) -> str:
    """How many times its strongest control a unit scores, such as "4.0x a fixed spot"; empty if unknown."""
    if row.get("iou") is None or pd.isna(row["iou"]):
        return ""
    known = {name: float(row[name]) for name in CONTROLS if pd.notna(row.get(name))}
    if not known or max(known.values()) < LEAST_CONTROL:
        return ""
    strongest = max(known, key=known.__getitem__)
    return f"{row['iou'] / known[strongest]:.1f}x {CONTROLS[strongest]}"


def numbers(row: Mapping[str, Any]) -> str:
    """A unit's scores for its concept and those of the controls, in one sentence."""
    if row.get("iou") is None or pd.isna(row["iou"]):
        return "No concept was scored for this unit."

    def ends(low: object, high: object) -> str:
        return f" ({score(low)} to {score(high)})" if pd.notna(low) else ""  # type: ignore[call-overload]

    parts = [f"IoU {score(row['iou'])}{ends(row.get('iou_low'), row.get('iou_high'))}"]
    if pd.notna(row.get("lift")):
        parts.append(f"lift {score(row['lift'])}{ends(row.get('lift_low'), row.get('lift_high'))}")
    beside = {"always_on": "always on", "mask_iou": "a fixed spot", "null_iou": "its usual place"}
    controls = [f"{label} {score(row.get(name))}" for name, label in beside.items()]
    return f"{', '.join(parts)}. The IoU of the controls: {', '.join(controls)}."


def composition(row: Mapping[str, Any]) -> str:
    """The sentence about a formula that explains a unit better than its name; empty where there is none."""
    if row.get("composition") is None or pd.isna(row["composition"]):
        return ""
    low = " (low)" if row["composition_side"] == "low" else ""
    numbers = f"lift {score(row['composition_lift'])}"
    if pd.notna(row["composition_lift_low"]):
        bounds = (score(row["composition_lift_low"]), score(row["composition_lift_high"]))
        numbers += f", {bounds[0]} to {bounds[1]}"
    return f"Better as: **{plain(row['composition'])}**{low} ({numbers})."


def score(value: object) -> str:
    """An IoU or a frequency with two decimals, three when it is below 0.1; a dash when it is missing."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return "-"
    number = float(value)  # type: ignore[arg-type]
    return f"{number:.3f}" if abs(number) < 0.1 else f"{number:.2f}"


def share(value: float, digits: int = 0) -> str:
    """A share in percent, without a minus sign on 0.

    >>> share(-0.002), share(-0.02), share(0.5, 1)
    ('0%', '-2%', '50.0%')
    """
    said = f"{value:.{digits}%}"
    return said if said.strip("-0.%") else said.lstrip("-")


def change(value: float, digits: int = 2) -> str:
    """A change with its sign, which 0 has not.

    >>> change(0.3), change(-0.001), change(-2, 0)
    ('+0.30', '0.00', '-2')
    """
    said = f"{value:+.{digits}f}"
    return said if said.strip("+-0.") else said.lstrip("+-")


def count(number: int, one: str, many: str = "") -> str:
    """`3 units`, `1 unit`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(value: float | None) -> str:
    """A duration such as 45 s, 3 min or 2.5 h; a dash when it is missing."""
    if value is None or pd.isna(value):
        return "-"
    return duration(value)


def ago(moment: datetime | None) -> str:
    """How long ago a UTC time without an offset was."""
    if moment is None or pd.isna(moment):
        return "-"
    passed = (utc_now() - moment).total_seconds()
    if passed < 90:
        return "just now"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            return f"{count(int(passed // size), unit)} ago"
    return "just now"


def plain(text: object) -> str:
    """Text from elsewhere (a name, a note, an address, an error) as Markdown that shows it as it is.

    Nothing in it becomes a link, a picture, a formula, a colour, an icon or an emoji. Control characters are
    shown as escapes, line breaks as spaces.
    """
    said = visible(_BREAKS.sub(" ", str(text)))
    said = _REPLACED.sub(lambda found: f"{found[0][0]}{_JOINER}{found[0][1:]}", said)
    said = _LINKED.sub(lambda found: found[0] + _JOINER, said)
    said = _SPECIAL.sub(r"\\\1", said)
    return _LIST.sub(r"\1\\", said)


_BREAKS = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>:$#~&])")
_LIST = re.compile(r"^(\s*(?=[-+=])|\s*[0-9]+(?=[.)]))")  # what would begin a list or underline a heading
# What Streamlit replaces after it has read the Markdown, where a backslash does not help: an invisible
# character that joins words breaks it up.
_JOINER = "\N{WORD JOINER}"
_REPLACED = re.compile(r":(?=[\w+-]+:|material[/_])|(?<!\S)(?:<->|->|<-|--|>=|<=|~=)(?!\S)")
_LINKED = re.compile(r"://|www(?=\.)|@(?=[-\w])", re.IGNORECASE)


def sentence(text: object) -> str:
    """A sentence of the program, such as an error's: `plain`, with its own commands in backticks as code."""
    said = one_line(str(text))
    parts = re.split(r"`((?:ganatomy|make|--)[^`\s]*(?: [^`]*)?)`", said)
    return "".join(f"`{part}`" if number % 2 else plain(part) for number, part in enumerate(parts))
