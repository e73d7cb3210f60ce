"""The charts of causes: alpha, curves with the random band, single units, side effects."""

import altair as alt
import pandas as pd

NAMES = {"ace": "learned (ACE)", "iou": "IoU", "single": "single unit", "random": "random sets"}
INKS = ["#2b9a92", "#c9621c", "#7379dd", "#8b979b"]
EDITS = {"ablate": "Ablate", "insert": "Insert", "both": "Both (ACE)"}
MEANING = {
    "ablate": "the units are set to 0 everywhere; the effect is the share of pixels that lose the concept",
    "insert": "the units are set to their constants k everywhere; the effect is the share that gain it",
    "both": "the share of pixels with the concept after the insertion minus that after the ablation",
}
# What may be drawn beside the effect: a column of ace_curve, its name, what it says.
BESIDE = {
    "realism": (
        "Realism",
        "How near the edited images are to what the generator makes (Kynkäänniemi et al. 2019): 1 and "
        "more is as "
        "near as its own images are to each other. A fall says that the picture breaks.",
    ),
    "image_distance": (
        "Change of the image",
        "Root mean square change of the pixels, images being in [-1, 1].",
    ),
    "created": ("Newly created", "Share of pixels that carry the concept after the edit and did not before."),
    "one_cell_effect": (
        "One cell at a time",
        "The same when one cell alone is edited, in shares of that cell; measured for the learned ranking.",
    ),
}
ZERO = pd.DataFrame({"zero": [0]})


def _colour() -> alt.Color:
    scale = alt.Scale(domain=list(NAMES.values()), range=INKS)
    return alt.Color("name:N", title=None, scale=scale, legend=alt.Legend(orient="top", symbolOpacity=1))


def alphas(units: pd.DataFrame, most: int = 32) -> alt.LayerChart:
    """A bar a unit, strongest first, with the range over the learning seeds."""
    base = alt.Chart(units.head(most)).encode(
        x=alt.X("unit:N", sort=None, title="unit", axis=alt.Axis(labelAngle=-90, labelOverlap=True)),
        tooltip=[
            "unit",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("alpha", "alpha_low", "alpha_high")),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    bars = base.mark_bar(color=INKS[0], opacity=0.6).encode(y=alt.Y("alpha:Q", title="alpha", scale=scale))
    rules = base.mark_rule(color="#7b878b", strokeWidth=2).encode(
        y=alt.Y("alpha_low:Q", title="alpha"), y2="alpha_high:Q"
    )
    return (bars + rules).properties(height=280)


def curve(rows: pd.DataFrame, value: str, said: str, percent: bool, interval: bool = True) -> alt.LayerChart:
    """A quantity against the number of units, a line a ranking; random sets as a band."""
    frame = rows.assign(name=rows["ranking"].map(NAMES)).dropna(subset=[value])
    low, high = (f"{value.removesuffix('_effect')}_{end}" for end in ("low", "high"))
    base = alt.Chart(frame).encode(
        x=alt.X("units:Q", title="units edited", axis=alt.Axis(tickMinStep=1)), color=_colour()
    )
    y = alt.Y(f"{value}:Q", title=said, axis=alt.Axis(format=".0%" if percent else "~g"))
    tips = ["name", "units", alt.Tooltip(f"{value}:Q", format=".4f"), "sets", "images"]
    lines = base.mark_line(point=True).encode(y=y, tooltip=tips)
    if not interval:
        return alt.LayerChart(layer=[lines]).properties(height=330)
    band = base.mark_area(opacity=0.16).encode(y=alt.Y(f"{low}:Q", title=said), y2=f"{high}:Q")
    return alt.LayerChart(layer=[band, lines]).properties(height=330)


def singles(rows: pd.DataFrame) -> alt.LayerChart:
    """What each unit does alone: in the order of the choosing images, with intervals of the test images."""
    base = alt.Chart(rows).encode(
        x=alt.X("rank:Q", title="place on the choosing images"),
        tooltip=[
            "unit",
            "rank",
            *(alt.Tooltip(f"{n}:Q", format=".5f") for n in ("choosing_effect", "effect")),
        ],
    )
    y = alt.Y("effect:Q", title="share of pixels removed", axis=alt.Axis(format="~g"))
    rules = base.mark_rule(color="#7b878b").encode(
        y=alt.Y("effect_low:Q", title="share of pixels removed"), y2="effect_high:Q"
    )
    points = base.mark_point(color=INKS[2], filled=True, size=36).encode(y=y)
    zero = (
        alt.Chart(ZERO)
        .mark_rule(color="#8b979b", strokeDash=[4, 3])
        .encode(y=alt.Y("zero:Q", title="share of pixels removed"))
    )
    return (rules + points + zero).properties(height=280)


def matrix(rows: pd.DataFrame) -> alt.LayerChart:
    """Concept edited x concept changed: the change over the share before, lost red, gained blue."""
    order = list(dict.fromkeys(rows["affected"]))
    shown = rows.assign(shown=rows["relative_change"].clip(-1, 1))
    base = alt.Chart(shown).encode(
        x=alt.X("affected:N", sort=order, title="changes", axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("concept:N", title="units of"),
        tooltip=[
            "concept",
            "affected",
            "units",
            alt.Tooltip("before:Q", format=".2%"),
            alt.Tooltip("change:Q", format="+.2%"),
            alt.Tooltip("change_low:Q", format="+.2%"),
            alt.Tooltip("change_high:Q", format="+.2%"),
            alt.Tooltip("relative_change:Q", format="+.0%"),
        ],
    )
    colour = alt.Color(
        "shown:Q",
        title="change",
        scale=alt.Scale(domain=[-1, 0, 1], range=["#c4452f", "#9aa4a7", "#2f74c4"]),
        legend=alt.Legend(format="+.0%", gradientLength=140),
    )
    text = base.mark_text(color="white", fontSize=11).encode(
        text=alt.Text("relative_change:Q", format="+.0%")
    )
    height = 60 + 34 * rows["concept"].nunique() + 60
    return (base.mark_rect().encode(color=colour) + text).properties(height=height)


def learning(rows: pd.DataFrame) -> alt.LayerChart:
    """The loss on the stopping images, a line a seed."""
    frame = rows.assign(seed="seed " + rows["seed"].astype(str))
    base = alt.Chart(frame).encode(
        x=alt.X("step:Q", title="step"),
        y=alt.Y("stop_loss:Q", title="loss on stopping images", scale=alt.Scale(zero=False)),
        color=alt.Color("seed:N", title=None, legend=alt.Legend(orient="top")),
        tooltip=[
            "seed",
            "step",
            alt.Tooltip("train_loss:Q", format=".4f"),
            alt.Tooltip("stop_loss:Q", format=".4f"),
        ],
    )
    ends = base.transform_filter("datum.stopped").mark_point(size=90, filled=True)
    return (base.mark_line() + ends).properties(height=220)
