"""Recipes over their trainings: what differs between them, and what may be chance in training."""

import pandas as pd
import streamlit as st

from analysis.comparison import trainings
from dashboard.charts import recipes as charts
from dashboard.charts.recipes import Scale
from dashboard.comparison.choice import Choice, request
from dashboard.widgets import downloads, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import comparison as queries
from db.store import Snapshot

MEASURES = {
    "detectors": "Detectors",
    "concepts": "Distinct concepts",
    "lift": "Lift",
    "beyond_twin": "Detectors beyond random weights",
    "beyond_rotation": "Detectors beyond rotated units",
    "concepts_beyond_rotation": "Distinct concepts beyond rotated units",
    "lift_beyond_rotation": "Lift beyond rotated units",
}
TITLES = {
    "detectors": "share of units that are detectors",
    "concepts": "distinct concepts that name detectors",
    "lift": "mean lift of the units' names",
    "beyond_twin": "share of detectors minus that with random weights",
    "beyond_rotation": "share of detectors minus that of rotated units",
    "concepts_beyond_rotation": "distinct concepts minus those of rotated units",
    "lift_beyond_rotation": "mean lift minus that of rotated units",
}
BEYOND = {  # what a measure is beyond
    "beyond_twin": "random weights",
    "beyond_rotation": "rotated units",
    "concepts_beyond_rotation": "rotated units",
    "lift_beyond_rotation": "rotated units",
}
SCALES: dict[str, Scale] = {
    "concepts": "count",
    "concepts_beyond_rotation": "count",
    "lift": "lift",
    "lift_beyond_rotation": "lift",
}
HOW = (
    "A point is one training, a bar the mean, a line the 95 % interval over trainings (Student's t). "
    "Trainings of one recipe are generators whose names differ only in their last digit, such as mine-1 and "
    "mine-2. Intervals of differences are Welch's, not corrected for the number of comparisons. All layers "
    "together also differ because recipes have other numbers of units in each layer. A line that reaches the "
    "edge of the chart goes on beyond it."
)


def draw(choice: Choice, snapshot: Snapshot) -> None:
    """Draw each recipe's counts over its trainings, the differences, and where concepts lie."""
    compared = _one_each(choice)
    recipes = {trainings.recipe(str(choice.runs[run]["generator"])) for run in compared}
    if len(recipes) == len(compared):
        st.info(
            "No recipe was trained more than once here, so nothing tells a difference from chance in "
            "training. Name trainings of one recipe mine-1, mine-2 and so on. Then choose them above, or "
            "queue a comparison.",
            icon=":material/casino:",
        )
        st.page_link("views/jobs.py", label="Queue a comparison", query_params={"kind": "compare"})
        return
    shared = queries.shared_concepts(snapshot, compared)
    if shared is not None:
        if not shared:
            st.info(
                "The segmenters of these dissections share no concept, so nothing can be compared over "
                "trainings; choose dissections by one segmenter.",
                icon=":material/join:",
            )
            return
        st.caption(
            f"The dissections are of different segmenters. Only concepts that all of them know count here: "
            f"{words.plain(', '.join(shared))}. Each segmenter makes mistakes of its own on them."
        )
    counted = trainings.tally(
        queries.layers(snapshot, compared),
        queries.detecting(snapshot, compared),
        queries.detecting(snapshot, compared, rotated=True),
        shared,
    )
    values = trainings.measured(counted)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [name for name in MEASURES if (values["measure"] == name).any()]
        measure = url.choice(
            st.selectbox,
            "Measure",
            "of",
            offered,
            sparse=True,
            format_func=MEASURES.__getitem__,
        )
        some = values[values["measure"] == measure]
        kinds = [trainings.ALL, *sorted(set(some["category"]) - {trainings.ALL})]
        kind = url.choice(
            st.segmented_control, "Category", "over", kinds, required=True, sparse=True, format_func=str.title
        )
    some = some[some["category"] == kind]
    means, differences = trainings.means(some), trainings.differences(some)
    scale: Scale = SCALES.get(measure, "share")
    if measure in BEYOND:
        st.markdown(_beyond(means, scale, BEYOND[measure]))
    st.markdown(_finding(differences, scale, TITLES[measure]))
    charts.over_trainings(some, means, TITLES[measure], scale).draw(
        f"{MEASURES[measure]} of each recipe over its trainings"
    )
    st.caption(HOW)
    _differences(differences, scale)
    _places(queries.best(snapshot, compared))
    downloads.table(means, "recipes")


def _one_each(choice: Choice) -> tuple[str, ...]:
    """The first of the chosen runs of each generator as it is; controls are no trainings."""
    found: dict[str, str] = {}
    for run_id, run in choice.runs.items():
        if request(run).get("control", "none") == "none":
            found.setdefault(str(run["generator"]), run_id)
    return tuple(found.values())


def _beyond(means: pd.DataFrame, scale: Scale, what: str) -> str:
    """At which layers each recipe's mean differs from its control."""
    told = []
    for recipe, found in means[means["layer"] != trainings.ALL].groupby("recipe", sort=False):
        layers = rows(found)
        name = words.plain(str(recipe))
        if layers[0]["low"] is None:
            told.append(f"{name} was trained once here, so no interval over trainings is known.")
            continue
        apart = [row for row in layers if not row["low"] <= 0 <= row["high"]]
        each = [f"**{words.plain(row['layer'])}**: {_span(row, scale, 'mean')}" for row in apart]
        if not each:
            told.append(f"No layer of {name} differs from {what}: every 95 % interval includes 0.")
        else:
            many = f"{len(each)} of {words.count(len(layers), 'layer')}"
            told.append(f"{many} of {name} differ from {what}: {'; '.join(each)}.")
    return "  \n".join(told)


def _finding(differences: pd.DataFrame, scale: Scale, what: str) -> str:
    """Which layers tell each pair of recipes apart; all layers together also differ by the layers' sizes."""
    by_layer = differences[differences["layer"] != trainings.ALL]
    told = [
        _apart(rows(found), scale, what) for _, found in by_layer.groupby(["recipe", "other"], sort=False)
    ]
    if not told:
        return "One recipe is shown; choose trainings of another to compare them."
    return "  \n".join(told)


def _apart(layers: list[Row], scale: Scale, what: str) -> str:
    one, other = (words.plain(layers[0][name]) for name in ("recipe", "other"))
    if layers[0]["low"] is None:
        return f"{one} or {other} was trained once here, so any difference may be chance in training."
    found = [row for row in layers if not row["low"] <= 0 <= row["high"]]
    each = [f"**{words.plain(row['layer'])}**: {_span(row, scale)}" for row in found]
    many = f"{len(found)} of {words.count(len(layers), 'layer')}"
    if not found:
        return f"No layer tells {one} and {other} apart by {what}: every 95 % interval includes 0."
    return f"{many} tell {one} and {other} apart by {what}: {one} minus {other} is {'; '.join(each)}."


def _span(row: Row, scale: Scale, of: str = "difference") -> str:
    if row["low"] == row["high"]:
        return f"{_number(row[of], scale)} (the same in each training)"
    low, high = (_number(row[name], scale) for name in ("low", "high"))
    return f"{_number(row[of], scale)} (95 % interval {low} to {high})"


def _number(value: float, scale: Scale) -> str:
    if scale == "share":
        return f"{100 * value:+.1f} points"
    return f"{value:+.3f}" if scale == "lift" else f"{value:+.1f}"


def _differences(differences: pd.DataFrame, scale: Scale) -> None:
    if differences.empty:
        return
    digits = {"share": "percent", "lift": "%.3f", "count": "%.1f"}[scale]
    st.dataframe(
        differences,
        hide_index=True,
        column_order=["recipe", "other", "layer", "difference", "low", "high"],
        column_config={
            "other": "minus",
            "difference": st.column_config.NumberColumn(format=digits),
            "low": st.column_config.NumberColumn("95 % from", format=digits),
            "high": st.column_config.NumberColumn("to", format=digits),
        },
        alt="Differences between recipes, layer by layer",
    )


def _places(best: pd.DataFrame) -> None:
    """Say whether a concept lies in the same layer in each training of a recipe."""
    found = trainings.places(best)
    pairs = int(found["pairs"].sum())
    if not pairs:
        return
    share, by_chance = found["agreeing"].sum() / pairs, trainings.chance(best)
    p_value = trainings.chance_p_value(best)
    st.header("Does a concept lie in the same layer each time?", anchor=False)
    st.markdown(
        f"Two trainings of a recipe and a concept that both detect make a pair. In **{share:.0%}** of "
        f"{words.count(pairs, 'pair')}, the concept's best detector is in the same layer in both. If each "
        f"training's concepts were shuffled over its layers, it would be {by_chance:.0%}, and "
        f"as many pairs or more would agree with P = {p_value:.2g}."
    )
    st.dataframe(
        found[found["pairs"] > 0],
        hide_index=True,
        column_config={
            "trainings": st.column_config.Column(help="Trainings with a detector of the concept."),
            "layer": st.column_config.Column("most often in"),
            "pairs": st.column_config.Column(help="Pairs of these trainings."),
            "agreeing": st.column_config.Column("in the same layer", help="Pairs with it in the same layer."),
        },
        alt="The layer of each concept's best detector, over trainings",
    )
