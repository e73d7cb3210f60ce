"""A bar of a score, with ticks for its baselines, in HTML that takes the theme's text colour."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import palette
from dashboard.widgets.words import score

# The baselines of the score: the column, the label, the tick's colour (visible on light and on dark).
BESIDE = (
    ("always_on", "always on", palette.GREY),
    ("mask_iou", "fixed spot", palette.MASK),
    ("null_iou", "usual place", palette.NULL),
)


def _present(value: Any) -> bool:
    return value is not None and not pd.isna(value)


def _box(left: float, width: str, top: int, height: int, style: str) -> str:
    place = f"left:{left:.2f}%;width:{width};top:{top}px;height:{height}px"
    return f'<div style="position:absolute;{place};{style}"></div>'


def _at(value: Any, full: float) -> float:
    return 100 * min(max(float(value) / full, 0.0), 1.0)


def bar(row: Mapping[str, Any], full: float = 1.0) -> str:
    """The bar from 0 to `full`: IoU filled, its interval as a whisker, its baselines as ticks."""
    parts = [_box(0, "100%", 7, 8, "background:currentColor;opacity:.13;border-radius:4px")]
    if _present(row.get("iou")):
        parts.append(
            _box(0, f"{_at(row['iou'], full):.2f}%", 7, 8, f"background:{palette.TEAL};border-radius:4px")
        )
    if _present(row.get("iou_low")) and _present(row.get("iou_high")):
        low, high = _at(row["iou_low"], full), _at(row["iou_high"], full)
        parts.append(_box(low, f"{high - low:.2f}%", 10, 2, "background:currentColor;opacity:.75"))
    for column, _, colour in BESIDE:
        if _present(row.get(column)):
            left = min(_at(row[column], full), 99.2)
            parts.append(_box(left, "3px", 2, 18, f"background:{colour};border-radius:1px"))
    label = ", ".join([f"IoU {score(row.get('iou'))}", *(f"{w} {score(row.get(c))}" for c, w, _ in BESIDE)])
    box = 'style="position:relative;height:22px"'
    return f'<div role="img" aria-label="{escape(label)}" {box}>{"".join(parts)}</div>'


def figures(row: Mapping[str, Any]) -> str:
    """The score and its baselines in digits, each baseline with its tick's colour."""
    if not _present(row.get("iou")):
        return '<div style="font-size:.8rem">No concept was scored for this unit.</div>'
    low, high = row.get("iou_low"), row.get("iou_high")
    interval = f' <span style="opacity:.8">({score(low)}-{score(high)})</span>' if _present(low) else ""
    parts = []
    if _present(row.get("lift")):
        ends = (row.get("lift_low"), row.get("lift_high"))
        around = f' <span style="opacity:.8">({score(ends[0])} to {score(ends[1])})</span>'
        parts.append(f"<span>lift <b>{score(row['lift'])}</b>{around if _present(ends[0]) else ''}</span>")
    parts.append(f"<span>IoU <b>{score(row.get('iou'))}</b>{interval}</span>")
    for column, word, colour in BESIDE:
        if _present(row.get(column)):
            ink = f"display:inline-block;width:3px;height:.8em;background:{colour};margin-right:.3em"
            swatch = f'<span style="{ink}"></span>'
            parts.append(f"<span>{swatch}{word} {score(row[column])}</span>")
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 .7em;font-size:.8rem">{"".join(parts)}</div>'


def chart(row: Mapping[str, Any], full: float = 1.0) -> None:
    """Draw the bar and the digits of one unit's score with one concept."""
    st.html(bar(row, full) + figures(row))


def scale(shown: Iterable[Mapping[str, Any]]) -> float:
    """The end of the bars of rows shown together: their largest value, rounded up to a tenth."""
    columns = ("iou", "iou_high", *(column for column, _, _ in BESIDE))
    values = [float(row[name]) for row in shown for name in columns if _present(row.get(name))]
    return min(1.0, max(0.1, -(-max(values, default=1.0) * 10 // 1) / 10))
