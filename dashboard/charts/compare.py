"""The Compare page's charts: shares and numbers with intervals, concepts against arms, development."""

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts import palette

ROW, AXIS = 22, 62  # pixels: of an arm, and of axis and title, which the height includes


def _names(order: list[str]) -> Any:
    return alt.Y(
        "arm:N", sort=order, title=None, axis=alt.Axis(labelLimit=230, ticks=False, labelOverlap=False)
    )


def bars(frame: pd.DataFrame, order: list[str], value: str, title: str) -> alt.LayerChart:
    """One bar per arm with its interval, and the count beside it.

    `value` is `share` or `concepts`; its interval is in the columns that end in _low and _high.
    """
    percent = value == "share"
    whole = 1.0 if percent else float(frame["vocabulary"].max())
    within = f"datum.value <= {whole} ? datum.label : ''"  # the room for the digits has no ticks
    axis = alt.Axis(format="%" if percent else "d", tickMinStep=0.01 if percent else 1, labelExpr=within)
    top = max(float(frame[[value, f"{value}_high"]].max().max()), 0.05 if percent else 1.0)
    scale = alt.Scale(domain=[0, top * 1.28], nice=False)  # room for the digits
    digits = "datum.named + ' of ' + datum.units" if percent else "datum.concepts + ' of ' + datum.vocabulary"
    base = alt.Chart(frame).encode(
        y=_names(order),
        tooltip=[
            "arm",
            alt.Tooltip("named:Q", title="units named"),
            alt.Tooltip("units:Q", title="units of the layer"),
            alt.Tooltip("share_low:Q", format=".1%", title="share from"),
            alt.Tooltip("share_high:Q", format=".1%", title="share to"),
            alt.Tooltip("surely:Q", title="surely over the cut"),
            alt.Tooltip("perhaps:Q", title="perhaps over the cut"),
            alt.Tooltip("detectors:Q", title="beat the mask"),
            alt.Tooltip("concepts:Q", title="distinct concepts"),
            alt.Tooltip("concepts_low:Q", title="concepts from"),
            alt.Tooltip("concepts_high:Q", title="concepts to"),
        ],
    )
    filled = base.mark_bar(color=palette.TEAL, opacity=0.55, height=12, cornerRadius=3).encode(
        x=alt.X(f"{value}:Q", title=title, axis=axis, scale=scale)
    )
    whisker = base.mark_rule(color=palette.LINE, strokeWidth=2).encode(
        x=alt.X(f"{value}_low:Q"), x2=f"{value}_high:Q"
    )
    end = alt.expr.if_(
        alt.expr.isValid(alt.datum[f"{value}_high"]), alt.datum[f"{value}_high"], alt.datum[value]
    )
    text = (
        base.transform_calculate(digits=digits, end=end)
        .mark_text(align="left", dx=5, fontSize=11, color=palette.LINE)
        .encode(x="end:Q", text="digits:N")
    )
    return (filled + whisker + text).properties(height=ROW * len(order) + AXIS)


def heat(concepts: pd.DataFrame, order: list[str], title: str) -> alt.LayerChart:
    """The best unit's score per concept and arm, with a mark when it beats the best constant mask.

    Some score has to be known.
    """
    upright = len(order) > 4
    axis = alt.Axis(orient="top", labelAngle=-60 if upright else 0, labelLimit=190, labelOverlap=False)
    across = alt.X("arm:N", sort=order, title=None, axis=axis)
    kinds = concepts.groupby("concept")["score"].max().sort_values(ascending=False)
    rows = alt.Axis(labelOverlap=False)
    base = alt.Chart(concepts).encode(
        x=across, y=alt.Y("concept:N", sort=list(kinds.index), title=None, axis=rows)
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("score:Q", title=title, scale=alt.Scale(scheme="teals", domainMin=0), legend=None),
        tooltip=[
            "arm",
            "concept",
            alt.Tooltip("unit:Q", title="best unit"),
            alt.Tooltip("iou:Q", format=".2f", title="IoU"),
            alt.Tooltip("iou_low:Q", format=".2f", title="from"),
            alt.Tooltip("iou_high:Q", format=".2f", title="to"),
            alt.Tooltip("always_on:Q", format=".2f", title="always on"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
            alt.Tooltip("null_iou:Q", format=".2f", title="null"),
            alt.Tooltip("ceiling_iou:Q", format=".2f", title="ceiling"),
            alt.Tooltip("over_ceiling:Q", format=".0%", title="IoU of the ceiling"),
            alt.Tooltip("beats_mask:N", title="beats the mask"),
        ],
    )
    ink = alt.condition(
        f"datum.score > {float(concepts['score'].max()) * 0.55}", alt.value("white"), alt.value(palette.DARK)
    )
    marks = {"yes": "●", "perhaps": "○"}
    marked = concepts.assign(mark=concepts["beats_mask"].map(marks).fillna(""))
    dots = (
        alt.Chart(marked)
        .mark_text(fontSize=11)
        .encode(x=across, y=alt.Y("concept:N", sort=list(kinds.index)), text="mark:N", color=ink)
    )
    return (cells + dots).properties(height=(190 if upright else 60) + ROW * len(kinds))


def _seen(training: pd.DataFrame) -> alt.X:
    """The axis of the training, from its beginning to its last checkpoint on the page."""
    known = training["training_images"].notna().all()
    column, title = ("training_images", "images seen") if known else ("training_steps", "steps")
    scale = alt.Scale(domain=[0, float(training[column].max()) * 1.03], nice=False)
    return alt.X(f"{column}:Q", title=title, axis=alt.Axis(format="~s", tickCount=4), scale=scale)


def growth(frame: pd.DataFrame) -> alt.LayerChart:
    """The share of named units along the training with intervals, one line per layer."""
    base = alt.Chart(frame).encode(
        x=_seen(frame),
        color=alt.Color("layer:N", title=None, legend=alt.Legend(orient="top", columns=5)),
        tooltip=[
            "arm",
            alt.Tooltip("training_steps:Q", title="steps"),
            alt.Tooltip("named:Q", title="units named"),
            alt.Tooltip("units:Q", title="units of the layer"),
            alt.Tooltip("concepts:Q", title="distinct concepts"),
        ],
    )
    lines = base.mark_line(point=True).encode(y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%")))
    whiskers = base.mark_rule(opacity=0.45).encode(y="share_low:Q", y2="share_high:Q")
    return (lines + whiskers).properties(height=300)


def concept_growth(frame: pd.DataFrame, training: pd.DataFrame) -> alt.LayerChart:
    """The score of one concept's best unit along the training, and the constant mask (dashed).

    The scales are those of the whole `training`, of which some score has to be known.
    """
    top = float(training[["score", "score_high", "mask_score"]].max().max())
    x, y = _seen(training), alt.Y("score:Q", title=None, scale=alt.Scale(domain=[0, top]))
    base = alt.Chart(frame).encode(
        x=x,
        tooltip=[
            "arm",
            alt.Tooltip("unit:Q", title="best unit"),
            alt.Tooltip("iou:Q", format=".2f", title="IoU"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
            alt.Tooltip("ceiling_iou:Q", format=".2f", title="ceiling"),
        ],
    )
    line = base.mark_line(point=True, color=palette.TEAL).encode(y=y)
    whisker = base.mark_rule(color=palette.TEAL, opacity=0.6).encode(y="score_low:Q", y2="score_high:Q")
    mask = base.mark_line(
        strokeDash=[4, 3],
        color=palette.MASK,
        point=alt.OverlayMarkDef(size=14, color=palette.MASK),
    ).encode(y="mask_score:Q")
    return (line + whisker + mask).properties(height=190)
