"""The Compare page's charts: shares and numbers with intervals, concepts against arms, development."""

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure

REFERENCE = palette.GREY  # of reference pictures
BAR, ROW, AXIS = 17, 22, 62  # pixels: of a bar, of a row of the map, and of axis and title
GAP = 12  # pixels between the bars of two rows
LEGEND = 30
LAYER = "slice(datum.label, lastindexof(datum.label, ' · ') + 3)"  # of an arm's name; its run has a colour
Colours = tuple[tuple[str, str], ...]  # each run's short name and colour


def scale_of(colours: Colours) -> alt.Scale:
    """The scale that gives each run its own colour."""
    return alt.Scale(domain=[name for name, _ in colours], range=[colour for _, colour in colours])


def top(frame: pd.DataFrame, value: str) -> float:
    """The end of an axis that shows every bar and interval of a frame."""
    least = 0.05 if value == "share" else 1.0
    return max(float(frame[[value, f"{value}_high"]].max().max()), least)


def bars(
    frame: pd.DataFrame, value: str, title: str, colours: Colours, end: float, chosen: str = ""
) -> Drawing:
    """One bar per arm with its interval, the arms of one row beside each other, and the count at its end.

    `value` is `share` or `concepts`; its interval is in the columns that end in _low and _high. `end` is
    that of the axis, so that charts beside each other can have the same. `chosen` is the arm whose units are
    shown.
    """
    rows = tuple(dict.fromkeys(frame["row"]))
    whole = 1.0 if value == "share" else float(frame["vocabulary"].max())
    many = int(frame.groupby("row").size().max())
    twins = value == "share" and bool(frame["twin_share"].notna().any())
    made = _bars(rows, value, title, whole, end, colours, many, twins)
    return Drawing(made, {"rows": frame.assign(chosen=frame["key"] == chosen)})


@structure
def _bars(
    rows: tuple[str, ...],
    value: str,
    title: str,
    whole: float,
    end: float,
    colours: Colours,
    many: int,
    twins: bool,
) -> alt.LayerChart:
    percent = value == "share"
    within = f"datum.value <= {whole} ? datum.label : ''"  # the room for the digits has no ticks
    axis = alt.Axis(
        format="%" if percent else "d", tickCount=5, tickMinStep=0.01 if percent else 1, labelExpr=within
    )
    scale = alt.Scale(domain=[0, end * 1.3], nice=False)  # room for the digits
    digits = "datum.named + ' of ' + datum.units" if percent else "datum.concepts + ' of ' + datum.vocabulary"
    picked = alt.selection_point(name="arm", fields=["key"], on="click", empty=False, toggle=False)
    base = named().encode(
        y=alt.Y(
            "row:N",
            sort=list(rows),
            title=None,
            scale=alt.Scale(paddingInner=0.2),
            axis=alt.Axis(labelLimit=200, ticks=False, labelOverlap=False, labelFlush=False, domain=False),
        ),
        yOffset=alt.YOffset("run:N", sort=[name for name, _ in colours]),
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("named:Q", title="units named"),
            alt.Tooltip("units:Q", title="units of the layer"),
            alt.Tooltip("share_low:Q", format=".1%", title="share from"),
            alt.Tooltip("share_high:Q", format=".1%", title="share to"),
            alt.Tooltip("surely:Q", title="surely over the cut"),
            alt.Tooltip("perhaps:Q", title="perhaps over the cut"),
            alt.Tooltip("detectors:Q", title="detectors"),
            alt.Tooltip("concepts:Q", title="distinct concepts"),
            alt.Tooltip("concepts_low:Q", title="concepts from"),
            alt.Tooltip("concepts_high:Q", title="concepts to"),
        ],
    )
    legend = None if len(colours) < 2 else alt.Legend(orient="top", title=None, columns=4, labelLimit=260)
    filled = base.mark_bar(height=BAR - 5, cornerRadius=3, cursor="pointer").encode(
        x=alt.X(f"{value}:Q", title=title, axis=axis, scale=scale),
        color=alt.Color("run:N", scale=scale_of(colours), legend=legend),
        opacity=alt.condition("datum.chosen", alt.value(1.0), alt.value(0.72)),
    )
    whisker = base.mark_rule(color=palette.LINE, strokeWidth=2).encode(
        x=alt.X(f"{value}_low:Q"), x2=alt.X2(f"{value}_high:Q")
    )
    last = alt.expr.if_(
        alt.expr.isValid(alt.datum[f"{value}_high"]), alt.datum[f"{value}_high"], alt.datum[value]
    )
    text = (
        base.transform_calculate(digits=digits, end=last)
        .mark_text(align="left", dx=5, fontSize=11, color=palette.LINE)
        .encode(x=alt.X("end:Q"), text=alt.Text("digits:N"))
    )
    height = len(rows) * (BAR * many + GAP) + AXIS + (LEGEND * -(-len(colours) // 4) if legend else 0)
    layers = [filled.add_params(picked), whisker, text]
    if twins:  # of the same generator with random weights
        tick = base.mark_tick(color=palette.GREY, thickness=3, height=BAR - 3)
        layers.append(tick.encode(x=alt.X("twin_share:Q")))
    return alt.LayerChart(layer=layers).properties(height=height)


def shares(frame: pd.DataFrame, colours: Colours) -> Drawing:
    """Each concept's share in the runs' images and in the reference pictures, with intervals.

    The concept that is furthest below its reference comes first.
    """
    order = frame.groupby("concept")["difference"].min().sort_values().index
    return Drawing(_shares(tuple(order), colours), {"rows": frame})


@structure
def _shares(order: tuple[str, ...], colours: Colours) -> alt.LayerChart:
    picked = alt.selection_point(name="concept", fields=["concept"], on="click", empty=False, toggle=False)
    base = named().encode(
        y=alt.Y(
            "concept:N",
            sort=list(order),
            title=None,
            axis=alt.Axis(labelOverlap=False, labelFlush=False, ticks=False, domain=False, grid=True),
        ),
        tooltip=[
            alt.Tooltip("run:N"),
            alt.Tooltip("concept:N"),
            alt.Tooltip("share:Q", format=".2%", title="drawn"),
            alt.Tooltip("share_low:Q", format=".2%", title="from"),
            alt.Tooltip("share_high:Q", format=".2%", title="to"),
            alt.Tooltip("reference_share:Q", format=".2%", title="in the reference"),
            alt.Tooltip("difference_low:Q", format="+.2%", title="difference from"),
            alt.Tooltip("difference_high:Q", format="+.2%", title="difference to"),
            alt.Tooltip("shown:Q", format=".0%", title="images that show it"),
            alt.Tooltip("reference_shown:Q", format=".0%", title="reference pictures that show it"),
        ],
    )
    axis = alt.Axis(format="%", tickCount=6)
    across = alt.X("reference_share:Q", title="share of the pixels", axis=axis)
    theirs = base.mark_point(filled=True, shape="diamond", size=90, color=REFERENCE, opacity=1)
    around = base.mark_rule(color=REFERENCE, strokeWidth=2)
    runs = alt.Color("run:N", scale=scale_of(colours), legend=None)
    own = base.mark_point(filled=True, size=90, cursor="pointer", opacity=1).add_params(picked)
    line = base.mark_rule(strokeWidth=2, yOffset=4)
    return alt.LayerChart(
        layer=[
            around.encode(x=alt.X("reference_low:Q"), x2=alt.X2("reference_high:Q")),
            theirs.encode(x=across),
            line.encode(x=alt.X("share_low:Q"), x2=alt.X2("share_high:Q"), color=runs),
            own.encode(x=alt.X("share:Q"), color=runs),
        ]
    ).properties(height=24 * len(order) + AXIS)


def categories(frame: pd.DataFrame, order: list[str]) -> Drawing:
    """One bar per run: its detectors by category, as shares of its units."""
    return Drawing(_categories(tuple(order), tuple(sorted(frame["category"].unique()))), {"rows": frame})


@structure
def _categories(order: tuple[str, ...], kinds: tuple[str, ...]) -> alt.Chart:
    tints = alt.Scale(domain=list(kinds), range=[palette.category(kind) for kind in kinds])
    return (
        named()
        .mark_bar(height=22)
        .encode(
            x=alt.X("share:Q", title="share of all units", axis=alt.Axis(format="%", tickCount=5)),
            y=alt.Y(
                "run:N",
                sort=list(order),
                title=None,
                axis=alt.Axis(labelLimit=230, ticks=False, labelFlush=False, domain=False),
            ),
            color=alt.Color("category:N", scale=tints, legend=None),
            order=alt.Order("category:N"),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("category:N"),
                alt.Tooltip("detectors:Q"),
                alt.Tooltip("units:Q", title="units of the run"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=36 * len(order) + AXIS)
    )


def heat(
    concepts: pd.DataFrame,
    order: list[str],
    title: str,
    colours: Colours,
    dark: bool,
    chosen: str = "",
) -> Drawing:
    """The best unit's score per concept and arm, with a mark where the arm has the concept.

    Some score has to be known. `chosen` is the concept whose units are shown.
    """
    kinds = concepts.groupby("concept")["score"].max().sort_values(ascending=False)
    marks = {"has": "●", "perhaps": "○"}
    marked = concepts.assign(
        mark=concepts["state"].map(marks).fillna(""), chosen=concepts["concept"] == chosen
    )
    most = max(float(concepts["score"].max()), 0.01)
    made = _heat(tuple(order), title, tuple(kinds.index), most, colours, dark)
    return Drawing(made, {"rows": marked})


@structure
def _heat(
    order: tuple[str, ...], title: str, kinds: tuple[str, ...], most: float, colours: Colours, dark: bool
) -> alt.LayerChart:
    upright = len(order) > 4
    axis = alt.Axis(
        orient="top",
        labelAngle=-60 if upright else 0,
        labelLimit=190,
        labelOverlap=False,
        labelFlush=False,
        labelExpr=LAYER if len(order) > 8 or len(colours) < 2 else "datum.label",
        ticks=False,
        domain=False,
        offset=8,  # room for the colours of the runs
    )
    across = alt.X("arm:N", sort=list(order), title=None, axis=axis)
    base = named().encode(
        x=across,
        y=alt.Y(
            "concept:N",
            sort=list(kinds),
            title=None,
            axis=alt.Axis(labelOverlap=False, labelFlush=False, ticks=False, domain=False),
        ),
    )
    picked = alt.selection_point(
        name="cell", fields=["concept", "key"], on="click", empty=False, toggle=False
    )
    legend = alt.Legend(orient="bottom", direction="horizontal", gradientLength=160, tickCount=4)
    tints = alt.Scale(
        domain=[0, most / 2, most], range=list(palette.heat(dark)), interpolate="rgb", clamp=True
    )
    cells = base.mark_rect(cornerRadius=3, cursor="pointer").encode(
        color=alt.Color("score:Q", title=title, scale=tints, legend=legend),
        stroke=alt.condition("datum.chosen", alt.value(palette.ORANGE), alt.value(None)),
        strokeWidth=alt.value(1.5),
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("concept:N"),
            alt.Tooltip("unit:Q", title="best unit"),
            alt.Tooltip("lift:Q", format=".2f", title="lift"),
            alt.Tooltip("lift_low:Q", format=".2f", title="from"),
            alt.Tooltip("lift_high:Q", format=".2f", title="to"),
            alt.Tooltip("iou:Q", format=".2f", title="IoU"),
            alt.Tooltip("always_on:Q", format=".2f", title="always on"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
            alt.Tooltip("null_iou:Q", format=".2f", title="null"),
            alt.Tooltip("ceiling_iou:Q", format=".2f", title="averaged map"),
            alt.Tooltip("over_ceiling:Q", format=".0%", title="IoU / averaged map"),
            alt.Tooltip("state:N", title="the layer"),
        ],
    )
    low, high = palette.ink(dark)
    ink = alt.condition(f"datum.score > {most * 0.55}", alt.value(high), alt.value(low))
    dots = base.mark_text(fontSize=11).encode(text=alt.Text("mark:N"), color=ink)
    strip = (
        named()
        .mark_rect(height=5)
        .encode(x=across, y=alt.value(-5), color=alt.Color("run:N", scale=scale_of(colours), legend=None))
    )
    label = 110 if len(order) > 8 or len(colours) < 2 else 205
    height = (label if upright else 75) + 40 + ROW * len(kinds)
    chart = alt.layer(cells.add_params(picked), dots, strip).resolve_scale(color="independent")
    return chart.properties(height=height)


def _seen(training: pd.DataFrame) -> tuple[str, str, float]:
    """The column of the training's axis, its title, and the last checkpoint on the page."""
    known = training["training_images"].notna().all()
    column, title = ("training_images", "images seen") if known else ("training_steps", "steps")
    return column, title, float(training[column].max())


def _axis(column: str, title: str, last: float) -> alt.X:
    """The axis of the training, from its beginning to its last checkpoint."""
    scale = alt.Scale(domain=[0, last * 1.03], nice=False)
    return alt.X(f"{column}:Q", title=title, axis=alt.Axis(format="~s", tickCount=4), scale=scale)


def growth(frame: pd.DataFrame, end: float) -> Drawing:
    """The share of named units along the training with intervals, one line per layer, up to `end`."""
    return Drawing(_growth(_seen(frame), end), {"rows": frame})


@structure
def _growth(seen: tuple[str, str, float], end: float) -> alt.LayerChart:
    base = named().encode(
        x=_axis(*seen),
        color=alt.Color("layer:N", title=None, legend=alt.Legend(orient="top", columns=5)),
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("training_steps:Q", title="steps"),
            alt.Tooltip("named:Q", title="units named"),
            alt.Tooltip("units:Q", title="units of the layer"),
            alt.Tooltip("concepts:Q", title="distinct concepts"),
        ],
    )
    lines = base.mark_line(point=True).encode(
        y=alt.Y(
            "share:Q",
            title=None,
            axis=alt.Axis(format="%", tickCount=5),
            scale=alt.Scale(domain=[0, end], nice=False),
        )
    )
    whiskers = base.mark_rule(opacity=0.45).encode(y=alt.Y("share_low:Q"), y2=alt.Y2("share_high:Q"))
    return (lines + whiskers).properties(height=300)


def concept_growth(frame: pd.DataFrame, training: pd.DataFrame, concept: str) -> Drawing:
    """The score of one concept's best unit along the training, in its colour, and the control (dashed).

    The scales are those of the whole `training`, of which some score has to be known.
    """
    end = float(training[["score", "score_high", "mask_score"]].max().max())
    least = min(0.0, float(training["score"].min()))
    colour = palette.concept(concept)
    return Drawing(_concept_growth(_seen(training), end, least, colour), {"rows": frame})


@structure
def _concept_growth(seen: tuple[str, str, float], end: float, least: float, colour: str) -> alt.LayerChart:
    y = alt.Y("score:Q", title=None, scale=alt.Scale(domain=[least, end]), axis=alt.Axis(tickCount=4))
    base = named().encode(
        x=_axis(*seen),
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("unit:Q", title="best unit"),
            alt.Tooltip("iou:Q", format=".2f", title="IoU"),
            alt.Tooltip("mask_iou:Q", format=".2f", title="constant mask"),
            alt.Tooltip("ceiling_iou:Q", format=".2f", title="averaged map"),
        ],
    )
    line = base.mark_line(point=alt.OverlayMarkDef(color=colour), color=colour).encode(y=y)
    whisker = base.mark_rule(color=colour, opacity=0.6).encode(
        y=alt.Y("score_low:Q"), y2=alt.Y2("score_high:Q")
    )
    mask = base.mark_line(
        strokeDash=[4, 3],
        color=palette.GREY,
        point=alt.OverlayMarkDef(size=14, color=palette.GREY),
    ).encode(y=alt.Y("mask_score:Q"))
    return (line + whisker + mask).properties(height=190)
