"""The charts of causes: alpha, effect curves with random sets, single units, side effects."""

from collections.abc import Iterable
from typing import Literal

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure
from dashboard.widgets import words

NAMES = {
    "ace": "learned (ACE)",
    "iou": "IoU",
    "single": "single unit",
    "hand": "by hand",
    "random": "random sets",
}
INKS = [palette.TEAL, palette.ORANGE, palette.VIOLET, palette.PINK, palette.GREY]
EDITS = {"ablate": "Ablate", "insert": "Insert", "both": "Both (ACE)"}
MEANING = {
    "ablate": "The effect is the share of pixels that lose the concept when the units are ablated (set to "
    "their off state, their mean or 0) at all cells.",
    "insert": "The effect is the share of pixels that gain the concept when the units are set to their "
    "constants k at all cells.",
    "both": "The effect is the share of pixels with the concept after the insertion, minus the share after "
    "the ablation.",
}
# The second measure of the page: a column of ace_curve, its name, what it means.
BESIDE = {
    "realism": (
        "Realism",
        "Realism compares edited images with the generator's own (Kynkäänniemi et al. 2019). At 1 or more, "
        "an edited image is as near to them as they are to each other. A fall means that images break.",
    ),
    "image_distance": (
        "Change of the image",
        "The root mean square change of the pixel values, which lie in [-1, 1].",
    ),
    "created": ("Newly created", "The share of pixels that show the concept after the edit but not before."),
    "one_cell_effect": (
        "One cell at a time",
        "The effect of editing a single cell, as a share of that cell. Ablate: the loss where the concept "
        "was. "
        "Insert: the gain where it was not. Both: the difference at a random cell, for the causal set. It is "
        "measured for the learned units and for units marked by hand.",
    ),
    "one_cell_relative": (
        "One cell at a time, of the concept",
        "The effect of editing a single cell, relative to the concept's share of those cells before.",
    ),
    "as_good": (
        "Random sets as good",
        "A p-value: the share of random sets that do as much on the same images, with this set counted as "
        "one.",
    ),
    "energy": (
        "Size of the edit",
        "The energy of the edit (the squared change of the units), relative to that of as many learned "
        "units.",
    ),
}
INTERVALS = ("one_cell_effect", "one_cell_relative")
Align = Literal["left", "right"]
ZERO = pd.DataFrame({"zero": [0]})


def _colour(present: Iterable[str]) -> alt.Color:
    inks = {name: ink for (key, name), ink in zip(NAMES.items(), INKS, strict=True) if key in set(present)}
    scale = alt.Scale(domain=list(inks), range=list(inks.values()))
    return alt.Color(
        "name:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=3, symbolOpacity=1)
    )


def legend(rows: pd.DataFrame) -> str:
    """The sentence that explains the bands of a curve."""
    bands = "Bands are 95 % intervals over images"
    random = rows[rows["ranking"] == "random"]
    if random.empty:
        return f"{bands}. No random sets were measured."
    return (
        f"{bands}. The grey band holds 95 % of {words.count(int(random['sets'].max()), 'random set')}, "
        "whose edits are as large as that of the learned units. Each set was measured on only "
        f"{int(random['images'].max())} "
        "images, which widens the grey band. Below, all are compared on the same images."
    )


def alphas(units: pd.DataFrame, most: int = 32) -> Drawing:
    """One bar of alpha per unit, strongest first, with the range over the learning seeds."""
    return Drawing(_alphas(), {"rows": units.head(most)})


@structure
def _alphas() -> alt.LayerChart:
    base = named().encode(
        x=alt.X("unit:N", sort=None, title="unit", axis=alt.Axis(labelAngle=-90, labelOverlap=True)),
        tooltip=[
            alt.Tooltip("unit:Q"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("alpha", "alpha_low", "alpha_high")),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    bars = base.mark_bar(color=INKS[0], opacity=0.6).encode(y=alt.Y("alpha:Q", title="alpha", scale=scale))
    rules = base.mark_rule(color=palette.LINE, strokeWidth=2).encode(
        y=alt.Y("alpha_low:Q", title="alpha"), y2=alt.Y2("alpha_high:Q")
    )
    return (bars + rules).properties(height=280)


def curve(
    rows: pd.DataFrame,
    value: str,
    title: str,
    percent: bool,
    interval: bool = True,
    acting: int | None = None,
) -> Drawing:
    """A quantity against the number of units, one line per ranking, and random sets as a band.

    `acting` is the number of units with alpha over 0. A dashed line marks where they end.
    """
    frame = rows.assign(name=rows["ranking"].map(NAMES)).dropna(subset=[value])
    last = rows["units"].max()
    align: Align | None = None
    if acting is not None and acting < last:
        align = "right" if 2 * acting > last else "left"
    present = tuple(sorted(set(frame["ranking"])))
    here = pd.DataFrame({"units": [acting], "label": ["ACE ranking follows IoU from here"]})
    made = _curve(present, value, title, percent, interval, align)
    return Drawing(made, {"rows": frame} | ({"here": here} if align else {}))


@structure
def _curve(
    present: tuple[str, ...], value: str, title: str, percent: bool, interval: bool, align: Align | None
) -> alt.LayerChart:
    low, high = (f"{value.removesuffix('_effect')}_{end}" for end in ("low", "high"))
    base = named().encode(
        x=alt.X("units:Q", title="units edited", axis=alt.Axis(tickMinStep=1)), color=_colour(present)
    )
    y = alt.Y(f"{value}:Q", title=title, axis=alt.Axis(format="~%" if percent else "~g"))
    tips = [
        *(alt.Tooltip("name:N"), alt.Tooltip("units:Q"), alt.Tooltip(f"{value}:Q", format=".3r")),
        *(alt.Tooltip("sets:Q"), alt.Tooltip("images:Q")),
    ]
    layers: list[alt.Chart] = [base.mark_line(point=True).encode(y=y, tooltip=tips)]
    if interval:
        band = base.mark_area(opacity=0.16).encode(y=alt.Y(f"{low}:Q", title=title), y2=alt.Y2(f"{high}:Q"))
        layers.insert(0, band)
    return alt.LayerChart(layer=layers + (_from_here(align) if align else [])).properties(height=330)


def _from_here(align: Align) -> list[alt.Chart]:
    """A labelled line after the units with alpha over 0."""
    base = named("here").encode(x=alt.X("units:Q", title="units edited"))
    return [
        base.mark_rule(color=palette.LINE, strokeDash=[4, 3]),
        base.mark_text(align=align, dy=-7, color=palette.LINE).encode(
            y=alt.value(0), text=alt.Text("label:N")
        ),
    ]


def overlap(rows: pd.DataFrame, acting: int) -> Drawing:
    """The share of their first n units that the seeds have in common."""
    return Drawing(_overlap(), {"rows": rows[rows["units"] <= max(8, acting)]})


@structure
def _overlap() -> alt.LayerChart:
    base = named().encode(
        x=alt.X("units:Q", title="first units", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y(
            "overlap:Q",
            title="shared by the seeds",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%"),
        ),
        tooltip=[alt.Tooltip("units:Q"), alt.Tooltip("overlap:Q", format=".2f")],
    )
    line = base.mark_line(point=True, color=INKS[0])
    return alt.LayerChart(layer=[line]).properties(height=160)


def singles(rows: pd.DataFrame) -> Drawing:
    """The effect of each unit alone on test images, ordered by its effect on other images."""
    known = bool(rows["effect_low"].notna().any())
    return Drawing(_singles(known), {"rows": rows, "zero": ZERO})


@structure
def _singles(known: bool) -> alt.LayerChart:
    """`known`: whether there are intervals; an empty layer has no name for assistive technology."""
    base = named().encode(
        x=alt.X("rank:Q", title="rank on other images"),
        tooltip=[
            alt.Tooltip("unit:Q"),
            alt.Tooltip("rank:Q"),
            *(alt.Tooltip(f"{n}:Q", format=".3r") for n in ("choosing_effect", "effect")),
        ],
    )
    y = alt.Y("effect:Q", title="change of the share of pixels", axis=alt.Axis(format="~g"))
    rules = base.mark_rule(color=palette.LINE).encode(
        y=alt.Y("effect_low:Q", title="change of the share of pixels"), y2=alt.Y2("effect_high:Q")
    )
    points = base.mark_point(color=INKS[2], filled=True, size=36).encode(y=y)
    zero = (
        named("zero")
        .mark_rule(color=palette.GREY, strokeDash=[4, 3])
        .encode(y=alt.Y("zero:Q", title="change of the share of pixels"))
    )
    return alt.LayerChart(layer=[*([rules] if known else []), points, zero]).properties(height=280)


def matrix(rows: pd.DataFrame) -> Drawing:
    """The relative change of each concept (columns) per edited concept (rows): losses red, gains blue."""
    change = rows["relative_change"]
    told = ["" if value != value else words.change(100 * value, 0) + "%" for value in change]
    shown = rows.assign(shown=change.clip(-1, 1), told=pd.Series(told, index=rows.index, dtype=str))
    made = _matrix(tuple(dict.fromkeys(rows["affected"])), rows["concept"].nunique(), palette.is_dark())
    return Drawing(made, {"rows": shown})


@structure
def _matrix(order: tuple[str, ...], concepts: int, dark: bool) -> alt.LayerChart:
    base = named().encode(
        x=alt.X("affected:N", sort=list(order), title="changes", axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("concept:N", title="units of"),
        tooltip=[
            *(alt.Tooltip("concept:N"), alt.Tooltip("affected:N"), alt.Tooltip("units:Q")),
            alt.Tooltip("before:Q", format=".2p"),
            alt.Tooltip("change:Q", format="+.2p"),
            alt.Tooltip("change_low:Q", format="+.2p"),
            alt.Tooltip("change_high:Q", format="+.2p"),
            alt.Tooltip("relative_change:Q", format="+.0%"),
        ],
    )
    colour = alt.Color(
        "shown:Q",
        title="change",
        # Between three colours Vega would else go through others: a loss of 19 % was drawn blue.
        scale=alt.Scale(
            domain=[-1, 0, 1], range=[palette.RED, palette.no_change(dark), palette.BLUE], interpolate="rgb"
        ),
        legend=alt.Legend(format="+.0%", gradientLength=140),
    )
    strong = "datum.shown < -0.8 || datum.shown > 0.8"
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("told:N"),
        color=alt.condition(strong, alt.value("white"), alt.value(palette.WHITE if dark else palette.DARK)),
    )
    return (base.mark_rect().encode(color=colour) + text).properties(height=60 + 34 * concepts + 60)


def learning(rows: pd.DataFrame) -> Drawing:
    """The loss on the stopping images, one line per seed."""
    return Drawing(_learning(), {"rows": rows.assign(seed="seed " + rows["seed"].astype(str))})


@structure
def _learning() -> alt.LayerChart:
    base = named().encode(
        x=alt.X("step:Q", title="step"),
        y=alt.Y("stop_loss:Q", title="loss on stopping images", scale=alt.Scale(zero=False)),
        color=alt.Color("seed:N", title=None, legend=alt.Legend(orient="top")),
        tooltip=[
            *(alt.Tooltip("seed:N"), alt.Tooltip("step:Q")),
            alt.Tooltip("train_loss:Q", format=".4f"),
            alt.Tooltip("stop_loss:Q", format=".4f"),
        ],
    )
    ends = base.transform_filter("datum.stopped").mark_point(size=90, filled=True)
    return (base.mark_line() + ends).properties(height=220)
