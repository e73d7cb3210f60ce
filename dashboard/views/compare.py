"""Compare: layers, generators, checkpoints and data sets side by side, at equal vocabulary and rule."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.widgets import card, comparing_charts, evidence, page, pick, url, words
from dashboard.widgets import comparing_tables as tables
from dashboard.widgets.comparing import Choice, choose, differences
from dashboard.widgets.rows import rows
from db import comparing
from db.comparing import Question
from db.store import Snapshot

CARDS = 12
LINES = {
    "units": (
        "Lines: 95 % intervals, as if a layer's units were drawn anew, each on its own, from what its "
        "training makes (shares: Wilson; concepts: bootstrap over units). All units of these networks were "
        "measured, so for the networks themselves only the images are a sample: what they leave open is "
        "*surely* and *perhaps* in the digits below. Another training seed may move more than either."
    ),
    "calibrated": (
        "Under the calibrated rule evidence decides, not a cut: there is no range from images, more images "
        "name more units, and at most one in twenty names says nothing of its own image."
    ),
}
NUMBERS: dict[str, Any] = {
    "arm": "Arm",
    "category": "Category",
    "units": st.column_config.Column("Units", help="Units of the layer."),
    "named": "Named",
    "share_low": st.column_config.NumberColumn("Share from", format="percent"),
    "share_high": st.column_config.NumberColumn("to", format="percent"),
    "surely": st.column_config.Column(
        "Surely", help="Units whose own 95 % interval, from images, lies over the cut."
    ),
    "perhaps": st.column_config.Column(
        "Perhaps", help="Units whose own 95 % interval reaches over the cut: no more would be named."
    ),
    "detectors": st.column_config.Column("Beat the mask", help=words.HELP["mask_iou"]),
    "concepts": st.column_config.Column("Concepts", help="Distinct concepts among the named units."),
    "concepts_low": st.column_config.NumberColumn("from", format="%d"),
    "concepts_high": st.column_config.NumberColumn("to ", format="%d"),
}
SCORES = {
    "concept": "Concept",
    "arm": "Arm",
    "unit": "Best unit",
    "iou": "IoU",
    "iou_low": "low",
    "iou_high": "high",
    "always_on": "Always on",
    "mask_iou": "Constant mask",
    "null_iou": "Null",
    "ceiling_iou": "Ceiling",
    "over_ceiling": "IoU / ceiling",
    "beats_mask": "Beats the mask",
    "named": "Names it",
}


def told(choice: Choice, vocabularies: pd.DataFrame, common: pd.DataFrame) -> None:
    """What has to be known before arms are held beside each other."""
    listed = differences(choice, vocabularies)
    compared = f"{words.count(len(choice.arms), 'arm')}, {words.count(len(common), 'shared concept')}"
    with st.container(border=True, key="differences"):
        st.markdown(f"**What differs** · {compared}")
        if listed:
            st.markdown("\n".join(f"- {sentence}" for sentence in listed))
        else:
            st.markdown("Vocabulary, sample, threshold rule, segmenter and grids are the same in all arms.")
        st.markdown("One training seed an arm: a description, not a finding.")


def counts(frame: pd.DataFrame, order: list[str], calibrated: bool) -> None:
    """Named units and distinct concepts by category, with intervals; then in digits."""
    for title, value, said in (
        ("Named units", "share", "share of the layer's units"),
        ("Distinct concepts", "concepts", "concepts"),
    ):
        st.subheader(title, anchor=False)
        with st.grid(min_column_width=480):
            for kind, of_kind in frame.groupby("category", sort=False):
                with st.container():
                    st.markdown(f"**{str(kind).title()}**")
                    chart = comparing_charts.bars(of_kind, order, value, said)
                    st.altair_chart(chart, alt=f"{title}: {kind}")
    st.caption(LINES["units"] + (" " + LINES["calibrated"] if calibrated else ""))
    with st.expander("In digits", icon=":material/table_rows:"):
        st.dataframe(
            frame, hide_index=True, column_order=list(NUMBERS), column_config=NUMBERS, alt="Counts in digits"
        )
        csv = frame.to_csv(index=False)
        st.download_button(
            "Counts as CSV", csv, "comparison-counts.csv", "text/csv", icon=":material/download:"
        )


def lacking(named: pd.DataFrame, choice: Choice, common: pd.DataFrame) -> None:
    """What one has and the other lacks."""
    st.subheader("What one has and the other lacks", anchor=False)
    everywhere, nowhere, each = tables.holdings(named, choice.names, list(common["concept"]))
    for label, concepts in (("Named in every arm", everywhere), ("Named in none", nowhere)):
        st.markdown(f"{label}: {words.plain(', '.join(concepts)) or 'no concept'}.")
    shown = pd.DataFrame(
        [
            {"Arm": name, "It alone has": ", ".join(alone), "It lacks, most others have": ", ".join(lacks)}
            for name, (alone, lacks) in each.items()
        ]
    )
    if len(each) > 1:
        st.dataframe(shown, hide_index=True, alt="What one has and the other lacks")


def by_concept(concepts: pd.DataFrame, choice: Choice, over_ceiling: bool) -> None:
    """The best unit's score of each concept in each arm, and which beat the constant mask."""
    st.subheader("Concept by concept", anchor=False)
    st.caption(
        "The unit that agrees best on calibration images, measured on the others. "
        "● its interval lies over the best constant mask, ○ its score does but not its interval."
    )
    said = "IoU / ceiling" if over_ceiling else "IoU"
    st.altair_chart(
        comparing_charts.heat(concepts, list(choice.names.values()), said), alt="Concepts against arms"
    )
    digits: dict[str, Any] = {
        name: st.column_config.NumberColumn(title, format="%.3f", help=words.HELP.get(name))
        for name, title in SCORES.items()
        if name not in ("concept", "arm", "unit", "beats_mask", "named")
    }
    with st.expander("Concepts in digits", icon=":material/table_rows:"):
        st.dataframe(
            concepts,
            hide_index=True,
            column_order=list(SCORES),
            column_config={**SCORES, **digits},
            alt="Concepts in digits",
        )
        csv = concepts.drop(columns=["score", "score_low", "score_high", "mask_score"]).to_csv(index=False)
        st.download_button(
            "Concepts as CSV", csv, "comparison-concepts.csv", "text/csv", icon=":material/download:"
        )


def pictures(concepts: pd.DataFrame, choice: Choice, snapshot: Snapshot, rule: str) -> None:
    """The best units of one concept, one an arm, with their top images."""
    spread = concepts.groupby("concept")["iou"].agg(lambda iou: iou.max() - iou.min())
    offered = sorted(concepts["concept"].unique())
    first = str(spread.idxmax()) if len(spread) else offered[0]
    concept = url.choice(
        st.selectbox, "Best units of", "concept", offered, default=first, width=220, reset=("all",)
    )
    st.caption("Best first. A unit without a badge has another name, or none, under this rule.")
    shown = rows(concepts[concepts["concept"] == concept].sort_values("iou", ascending=False))
    every = len(shown) <= CARDS or url.get("all") == "1"
    full = evidence.scale(shown)
    with st.grid(min_column_width=330):
        for row in shown if every else shown[:CARDS]:
            run = pick.Run(str(row["run_id"]), choice.runs[row["run_id"]], snapshot)
            with st.container(gap="xsmall"):
                ceiling = words.score(row["ceiling_iou"])
                st.caption(f"{words.plain(str(row['arm']))} · ceiling {ceiling}")
                card.unit(run, row, full, {"concept": concept, "rule": rule})
    if not every and st.button(f"All {len(shown)} arms"):
        url.put(all=1)
        st.rerun()


def development(frame: pd.DataFrame, concepts: pd.DataFrame, choice: Choice) -> None:
    """How concepts appear along a training, where its checkpoints are among the arms."""
    lines = tables.along(frame, choice.runs)
    if lines.empty:
        return
    st.subheader("Along the training", anchor=False)
    for training, of_training in lines.groupby("training"):
        st.markdown(f"**{words.plain(str(training))}**: share of named units, a line a layer")
        with st.grid(min_column_width=480):
            for kind, of_kind in of_training.groupby("category", sort=False):
                with st.container():
                    st.markdown(f"**{str(kind).title()}**")
                    chart = comparing_charts.growth(of_kind)
                    st.altair_chart(chart, alt=f"Named units along the training: {kind}")
    points = tables.along(tables.best_layer(concepts), choice.runs)
    st.markdown("The best unit of any chosen layer, concept by concept. Dashed: the best constant mask.")
    for _, of_training in points.groupby("training"):
        with st.grid(min_column_width=210):
            for concept, of_concept in of_training.groupby("concept"):
                with st.container():
                    st.markdown(f"**{words.plain(str(concept))}**")
                    chart = comparing_charts.concept_growth(of_concept, of_training)
                    st.altair_chart(chart, alt=f"{concept} along the training")


def take_away(choice: Choice) -> None:
    """The page's link, and the counts behind it as a statement."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Link", icon=":material/link:"):
            st.caption("Shows a colleague the same.")
            st.code(f"{st.context.url}?{url.query()}", language=None)
        st.page_link(
            "views/sql.py",
            label="Open these runs in SQL",
            icon=":material/table:",
            query_params={"q": comparing.statement(list(choice.runs))},
        )


def compare(snapshot: Snapshot, choice: Choice, question: Question) -> None:
    """The whole page."""
    vocabularies = comparing.vocabularies(snapshot, list(choice.runs))
    common = tables.shared(vocabularies)
    told(choice, vocabularies, common)
    if common.empty:
        st.info("No concept is in every run's vocabulary; compare runs of one segmenter.")
        return
    named = comparing.named(snapshot, question)
    left = comparing.outside(snapshot, question)
    if len(left):
        other = "; ".join(f"{choice.name(r['run_id'], r['layer'])}: {r['units']}" for r in rows(left))
        st.caption(f"Units named by concepts that not every run has, left out: {words.plain(other)}.")
    frame = tables.tally(named, choice.layers, choice.names, common)
    concepts = tables.by_concept(comparing.best(snapshot, question), choice.names, question.over_ceiling)
    counts(frame, list(choice.names.values()), question.rule.name == "calibrated")
    if concepts.empty:
        st.info("No concept was frequent enough to be beside a unit.", icon=":material/search_off:")
        return
    development(frame, concepts, choice)
    by_concept(concepts, choice, question.over_ceiling)
    lacking(named, choice, common)
    pictures(concepts, choice, snapshot, question.rule.name)
    take_away(choice)


ABOUT = "Layers, generators, checkpoints and data sets side by side: what their units name, and how surely."

with page.frame("Compare", ABOUT) as snapshot:
    if choice := choose(snapshot):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            rule = pick.rule()
            measure = url.choice(
                st.segmented_control,
                "Measure",
                "measure",
                ["iou", "ceiling"],
                required=True,
                format_func={"iou": "IoU", "ceiling": "IoU over the ceiling"}.__getitem__,
                help=f"{words.HELP['ceiling_iou']} Over the ceiling, the paper's cut is on that share too.",
            )
            among = url.choice(
                st.segmented_control,
                "Count",
                "among",
                ["all", "detectors"],
                required=True,
                format_func={"all": "All units", "detectors": "Those that beat the mask"}.__getitem__,
                help=words.HELP["mask_iou"],
            )
        question = Question(choice.arms, rule, measure == "ceiling", among == "detectors")
        compare(snapshot, choice, question)
