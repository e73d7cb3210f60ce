"""Charts of a report as SVG within the file: scores with intervals, bars, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.report.html import Markup, tag

TEAL, MASK, GREY, LINE = "#2b9a92", "#e0782f", "#8b979b", "#7b878b"
WIDTH, ROW, LABEL = 640, 26, 190


@dataclass(frozen=True)
class Bar:
    """One row of a chart: a value, drawn from 0, its interval, and a mark to compare it with."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    control: float | None = None


def bars(rows: Sequence[Bar], title: str) -> Markup:
    """Horizontal bars from 0 with intervals, to the left for less; an orange line is the control."""
    known = [v for row in rows for v in (row.value, row.low, row.high, row.control) if v is not None]
    start, end = min([*known, 0.0]), max([*known, 1e-9])
    height, room = ROW * len(rows) + 24, WIDTH - LABEL - 60

    def x(value: float) -> float:
        return LABEL + room * (value - start) / (end - start)

    parts = [tag("title", title)]
    for place, row in enumerate(rows):
        middle = place * ROW + ROW / 2
        label = row.label if len(row.label) <= 28 else f"{row.label[:27]}…"
        parts.append(tag("text", label, x=LABEL - 8, y=f"{middle + 4:.0f}", text_anchor="end"))
        if row.value is None:
            parts.append(tag("text", "not measured", x=LABEL, y=f"{middle + 4:.0f}"))
            continue
        left, wide = min(x(row.value), x(0)), abs(x(row.value) - x(0))
        parts.append(
            tag("rect", x=f"{left:.1f}", y=f"{middle - 7:.1f}", width=f"{wide:.1f}", height=14, fill=TEAL)
        )
        if row.low is not None and row.high is not None:
            ends = {"x1": f"{x(row.low):.1f}", "x2": f"{x(row.high):.1f}"}
            parts.append(tag("line", y1=middle, y2=middle, stroke=LINE, stroke_width=2, **ends))
        if row.control is not None:
            at = f"{x(row.control):.1f}"
            parts.append(
                tag("line", x1=at, x2=at, y1=middle - 10, y2=middle + 10, stroke=MASK, stroke_width=3)
            )
        right = max(x(row.value), x(row.high or 0), x(row.control or 0)) + 8
        parts.append(tag("text", f"{row.value:.3g}", x=f"{right:.1f}", y=f"{middle + 4:.0f}"))
    bottom = height - 18
    parts.append(tag("line", x1=LABEL, x2=LABEL + room, y1=bottom, y2=bottom, class_="axis"))
    for value in sorted({start, 0.0, end / 2, end}):
        parts.append(tag("text", f"{value:.3g}", x=f"{x(value):.0f}", y=height - 4, text_anchor="middle"))
    if start < 0:
        parts.append(tag("line", x1=f"{x(0):.1f}", x2=f"{x(0):.1f}", y1=0, y2=bottom, class_="axis"))
    return _figure(title, height, parts)


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], title: str, across: str, up: str) -> Markup:
    """Lines through points (x, y), the first in teal and the others in quieter colours."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return Markup("")
    height, left, bottom, top = 280, 64, 236, 16
    right = WIDTH - 150
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(0.0, *ys), max(0.0, *ys) or 1e-9
    least, most = min(xs), max(xs)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x = left + (right - left) * (point[0] - least) / ((most - least) or 1.0)
        return x, bottom - (bottom - top) * (point[1] - low) / ((high - low) or 1.0)

    parts = [tag("title", title)]
    for value in (low, (low + high) / 2, high):
        y = at((least, value))[1]
        parts.append(tag("line", x1=left, x2=right, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="axis"))
        parts.append(tag("text", f"{value:.2g}", x=left - 8, y=f"{y + 4:.1f}", text_anchor="end"))
    for value in sorted({least, most}):
        x = at((value, low))[0]
        parts.append(tag("text", f"{value:g}", x=f"{x:.0f}", y=bottom + 18, text_anchor="middle"))
    parts.append(tag("text", across, x=(left + right) / 2, y=height - 6, text_anchor="middle"))
    parts.append(tag("text", up, x=left, y=11))
    inks = (TEAL, MASK, GREY, "#7379dd", "#b5548f")
    for place, (name, line) in enumerate(lines.items()):
        ink = inks[place % len(inks)]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, line))
        parts.append(tag("polyline", points=drawn, fill="none", stroke=ink, stroke_width=2))
        y = 30 + 20 * place
        parts.append(
            tag("line", x1=right + 12, x2=right + 32, y1=y - 4, y2=y - 4, stroke=ink, stroke_width=3)
        )
        parts.append(tag("text", name, x=right + 38, y=y))
    return _figure(title, height, parts)


def _figure(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    box = f"0 0 {WIDTH} {height:.0f}"
    drawn = tag("svg", *parts, viewBox=box, width=WIDTH, role="img", aria_label=title)
    return tag("figure", drawn)
