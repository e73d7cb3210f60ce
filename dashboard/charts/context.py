"""The charts of insertions: the effect by context, by row of cells, and in the later layers."""

import altair as alt
import pandas as pd

from dashboard.charts import palette
from dashboard.charts.structures import Drawing, named, structure

FEW, FEWEST = 50, 10  # cells and images below which a context is pale, and comes last
STRENGTHS = {"k": "k", "2k": "2k", "q99": "99 % quantile"}
# Two ways to compare contexts: the column of insertion_context, that of the random edit, axis title, caption.
VIEWS = {
    "row": (
        "row_effect",
        "random_row_effect",
        "effect minus that of other contexts in the same rows",
        "Each context is compared with the other contexts in the same rows of cells, so that the top of an "
        "image is not compared with its bottom. Above 0, the effect is larger than position explains.",
    ),
    "raw": (
        "effect",
        "random_effect",
        "change, in cell areas",
        "The mean change of the concept over the whole image, in cell areas. It mixes context and "
        "position: sky, for example, is always at the top.",
    ),
}
ZERO = pd.DataFrame({"zero": [0]})
NAMES = {"own": "these units", "random": "random units"}


def long(frame: pd.DataFrame, view: str) -> pd.DataFrame:
    """One row per context and edit (these units, random units): value, low, high, locations, images."""
    own, random = VIEWS[view][:2]
    parts = []
    for name, column in (("own", own), ("random", random)):
        part = frame[["context", "locations", "images", "left_out"]].assign(
            edit=NAMES[name],
            value=frame[column],
            low=frame[f"{column}_low"],
            high=frame[f"{column}_high"],
        )
        parts.append(part.dropna(subset=["value"]))
    found = pd.concat(parts, ignore_index=True)
    found["few"] = (found["locations"] < FEW) | (found["images"] < FEWEST)
    labels = [  # of no context, where nothing was measured
        f"{row.context}{' (itself)' if row.left_out else ''} · {row.locations:,} cells"
        for row in found.itertuples()
    ]
    found["label"] = pd.Series(labels, dtype=str)
    return found


def by_context(frame: pd.DataFrame, view: str) -> Drawing:
    """One dot per context with its 95 % interval; below it that of random units of equal energy."""
    rows = long(frame, view)
    own = rows[rows["edit"] == NAMES["own"]]
    order = own.sort_values(["few", "value"], ascending=[True, False])["label"].tolist()
    return Drawing(_by_context(tuple(order), VIEWS[view][2]), {"rows": rows, "zero": ZERO})


@structure
def _by_context(order: tuple[str, ...], title: str) -> alt.LayerChart:
    base = named().encode(
        y=alt.Y("label:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=260)),
        yOffset=alt.YOffset("edit:N", sort=list(NAMES.values())),
        color=alt.Color(
            "edit:N",
            title=None,
            scale=alt.Scale(domain=list(NAMES.values()), range=[palette.TEAL, palette.GREY]),
            legend=alt.Legend(orient="top", symbolOpacity=1),
        ),
        opacity=alt.Opacity("few:N", legend=None, scale=alt.Scale(domain=[False, True], range=[1, 0.35])),
        tooltip=[
            *(alt.Tooltip("context:N"), alt.Tooltip("edit:N")),
            *(alt.Tooltip(f"{name}:Q", format="+.3r") for name in ("value", "low", "high")),
            *(alt.Tooltip("locations:Q"), alt.Tooltip("images:Q")),
        ],
    )
    rules = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2=alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=70).encode(x=alt.X("value:Q", title=title))
    zero = named("zero").mark_rule(color=palette.GREY, strokeDash=[4, 3])
    return alt.LayerChart(layer=[zero.encode(x=alt.X("zero:Q", title=title)), rules, dots]).properties(
        height=60 + 40 * len(order)
    )


def by_row(frame: pd.DataFrame) -> Drawing:
    """The effect per row of cells and context."""
    most = float(frame["effect"].abs().max()) or 1.0
    return Drawing(_by_row(most, frame["row"].nunique(), palette.is_dark()), {"rows": frame})


@structure
def _by_row(most: float, rows: int, dark: bool) -> alt.Chart:
    return (
        named()
        .mark_rect()
        .encode(
            x=alt.X("context:N", title=None, axis=alt.Axis(labelAngle=-60, labelOverlap=False)),
            y=alt.Y("row:O", title="row of cells, from the top"),
            color=alt.Color(
                "effect:Q",
                title="effect",
                scale=alt.Scale(
                    domain=[-most, 0, most],
                    range=[palette.BLUE, palette.no_change(dark), palette.ORANGE],
                    interpolate="rgb",
                ),
                legend=alt.Legend(gradientLength=140),
            ),
            tooltip=[
                *(alt.Tooltip("context:N"), alt.Tooltip("row:Q")),
                alt.Tooltip("effect:Q", format="+.3r"),
                alt.Tooltip("effect_low:Q", format="+.3r"),
                alt.Tooltip("effect_high:Q", format="+.3r"),
                alt.Tooltip("random_effect:Q", format="+.3r"),
                *(alt.Tooltip("locations:Q"), alt.Tooltip("images:Q")),
            ],
        )
        .properties(height=80 + 18 * rows)
    )


def trace(frame: pd.DataFrame, value: str) -> Drawing:
    """The change in the later layers, one line per context, with 95 % intervals."""
    places = frame.sort_values("place")["measured"].drop_duplicates().tolist()
    return Drawing(_trace(tuple(places), value), {"rows": frame})


@structure
def _trace(places: tuple[str, ...], value: str) -> alt.LayerChart:
    titles = {
        "change": "change / usual scale of the layer",
        "survival": "change / change in the edited layer",
    }
    title = titles.get(value, "share of the change elsewhere")
    base = named().encode(
        x=alt.X("measured:N", sort=list(places), title=None, axis=alt.Axis(labelAngle=0)),
        color=alt.Color("context:N", title=None, legend=alt.Legend(orient="top", columns=4)),
        tooltip=[
            *(alt.Tooltip("context:N"), alt.Tooltip("measured:N")),
            *(alt.Tooltip(f"{name}:Q", format=".3r") for name in ("change", "survival", "outside")),
            alt.Tooltip("locations:Q"),
        ],
    )
    lines = base.mark_line(point=True).encode(y=alt.Y(f"{value}:Q", title=title))
    layers = [lines]
    if value == "change":
        bars = base.mark_rule(opacity=0.5).encode(
            y=alt.Y("change_low:Q", title=title), y2=alt.Y2("change_high:Q")
        )
        layers = [bars, lines]
    return alt.LayerChart(layer=layers).properties(height=300)
