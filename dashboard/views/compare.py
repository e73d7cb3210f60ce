"""Compare: layers, generators, checkpoints and data sets, with the same vocabulary and rule."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import compare as charts
from dashboard.charts import dissection
from dashboard.widgets import card, comparison_captions, comparison_tables, page, pickers, url, words
from dashboard.widgets.comparison import Choice, choose, differences, nothing_shared, run_names
from dashboard.widgets.rows import rows
from db.queries import compare as queries
from db.queries.compare import Arm, Question
from db.store import Snapshot

CARDS = 12


def differences_card(choice: Choice, vocabularies: pd.DataFrame, common: pd.DataFrame) -> None:
    """Draw what differs between the arms apart from their units."""
    listed = differences(choice, vocabularies)
    compared = f"{words.count(len(choice.arms), 'arm')}, {words.count(len(common), 'shared concept')}"
    with st.container(border=True, key="differences"):
        st.markdown(f"**What differs** · {compared}")
        if listed:
            st.markdown("\n".join(f"- {sentence}" for sentence in listed))
        else:
            st.markdown("Vocabulary, sample, threshold rule, segmenter and grids are the same in all arms.")
        st.markdown("Each arm has one training seed, so differences hold for these networks only.")


def counts(frame: pd.DataFrame, order: list[str], calibrated: bool) -> None:
    """Draw named units and distinct concepts per category with intervals, and as a table."""
    for title, value, axis in (
        ("Named units", "share", "share of the layer's units"),
        ("Distinct concepts", "concepts", "concepts"),
    ):
        st.subheader(title, anchor=False)
        with st.grid(min_column_width=480):
            for kind, of_kind in frame.groupby("category", sort=False):
                with st.container():
                    st.markdown(f"**{str(kind).title()}**")
                    chart = charts.bars(of_kind, order, value, axis)
                    st.altair_chart(chart, alt=f"{title}: {kind}")
    st.caption(
        comparison_captions.LINES["units"]
        + (" " + comparison_captions.LINES["calibrated"] if calibrated else "")
    )
    with st.expander("In digits", icon=":material/table_rows:"):
        st.dataframe(
            frame,
            hide_index=True,
            column_order=list(comparison_captions.NUMBERS),
            column_config=comparison_captions.NUMBERS,
            alt="Counts in digits",
        )
        page.csv(frame, "comparison-counts", "Counts")


def lacking(states: dict[Arm, dict[str, str]], choice: Choice, common: pd.DataFrame) -> None:
    """Draw the concepts that some arms have and others lack."""
    st.subheader("Concepts that only some arms have", anchor=False)
    everywhere, nowhere, each = comparison_tables.concept_differences(states, list(common["concept"]))
    for label, concepts in (("Named in every arm", everywhere), ("Named in none", nowhere)):
        st.markdown(f"{label}: {words.plain(', '.join(concepts)) or 'no concept'}.")
    if len(each) < 2:
        return
    shown = [
        {"Arm": choice.names[arm]}
        | {title: ", ".join(getattr(held, name)) for name, title in comparison_captions.DIFFERENCES.items()}
        for arm, held in each.items()
    ]
    st.dataframe(pd.DataFrame(shown), hide_index=True, alt="Concepts that only some arms have")
    st.caption(comparison_captions.STATES)


def by_concept(concepts: pd.DataFrame, choice: Choice, over_ceiling: bool) -> None:
    """Draw the best unit's score per concept and arm, and whether it beats the constant mask."""
    st.subheader("Concept by concept", anchor=False)
    st.caption(comparison_captions.BEST)
    if concepts["score"].isna().all():
        st.info("These runs have no ceiling for these concepts. Choose IoU.", icon=":material/height:")
        return
    measure = "IoU / ceiling" if over_ceiling else "IoU"
    st.altair_chart(charts.heat(concepts, list(choice.names.values()), measure), alt="Concepts against arms")
    digits: dict[str, Any] = {
        name: st.column_config.NumberColumn(title, format="%.3f", help=words.HELP.get(name))
        for name, title in comparison_captions.SCORES.items()
        if name not in ("concept", "arm", "unit", "beats_mask", "named")
    }
    with st.expander("Concepts in digits", icon=":material/table_rows:"):
        st.dataframe(
            concepts,
            hide_index=True,
            column_order=list(comparison_captions.SCORES),
            column_config={**comparison_captions.SCORES, **digits},
            alt="Concepts in digits",
        )
        page.csv(
            concepts.drop(columns=["score", "score_low", "score_high", "mask_score"]),
            "comparison-concepts",
            "Concepts",
        )


def pictures(concepts: pd.DataFrame, choice: Choice, snapshot: Snapshot, rule: str) -> None:
    """Draw the best unit of one concept per arm, with its top images."""
    spread = concepts.groupby("concept")["score"].agg(lambda score: score.max() - score.min()).dropna()
    offered = sorted(concepts["concept"].unique())
    first = str(spread.idxmax()) if len(spread) else offered[0]
    concept = url.choice(
        st.selectbox, "Best units of", "concept", offered, default=first, width=220, reset=("all",)
    )
    st.caption("The best unit comes first. A unit without a badge is not named after this concept.")
    shown = rows(concepts[concepts["concept"] == concept].sort_values("score", ascending=False))
    every = len(shown) <= CARDS or url.get("all") == "1"
    full = dissection.scale(shown)
    with st.grid(min_column_width=330):
        for row in shown if every else shown[:CARDS]:
            run = pickers.Run(str(row["run_id"]), choice.runs[row["run_id"]], snapshot)
            with st.container(gap="xsmall"):
                ceiling = words.score(row["ceiling_iou"])
                st.caption(f"{words.plain(str(row['arm']))} · ceiling {ceiling}")
                card.unit(run, row, full, {"concept": concept, "rule": rule})
    if not every and st.button(f"All {len(shown)} arms"):
        url.put(all=1)
        st.rerun()


def development(frame: pd.DataFrame, concepts: pd.DataFrame, choice: Choice) -> None:
    """Draw how concepts appear during a training, if several of its checkpoints are among the arms."""
    lines = comparison_tables.along(frame, choice.runs)
    if lines.empty:
        if comparison_tables.checkpoints(choice.runs):
            st.caption(comparison_captions.NO_LINES)
        return
    st.subheader("Along the training", anchor=False)
    for line, of_line in lines.groupby("line"):
        st.markdown(f"**{words.plain(str(line))}**: share of named units, one line per layer")
        with st.grid(min_column_width=480):
            for kind, of_kind in of_line.groupby("category", sort=False):
                with st.container():
                    st.markdown(f"**{str(kind).title()}**")
                    chart = charts.growth(of_kind)
                    st.altair_chart(chart, alt=f"Named units along the training: {kind}")
    points = comparison_tables.along(comparison_tables.best_layer(concepts), choice.runs).dropna(
        subset=["score"]
    )
    for line, of_line in points.groupby("line"):
        st.markdown(f"**{words.plain(str(line))}**: the best unit of the chosen layers, per concept")
        with st.grid(min_column_width=210):
            for concept, of_concept in of_line.groupby("concept"):
                with st.container():
                    st.markdown(f"**{words.plain(str(concept))}**")
                    chart = charts.concept_growth(of_concept, of_line)
                    st.altair_chart(chart, alt=f"{concept} along the training")
        st.caption(f"The dashed line is the best constant mask. {_beginnings(of_line, choice)}".strip())


def _beginnings(points: pd.DataFrame, choice: Choice) -> str:
    """The sentences that say why some concepts' lines begin late."""
    names = run_names(list(choice.runs.values()))
    late = comparison_tables.late(points)
    if not late:
        return ""
    listed = "; ".join(
        f"at {', '.join(names[run] for run in runs)}: {', '.join(concepts)}"
        for runs, concepts in late.items()
    )
    return (
        "A line begins at the first checkpoint where a unit has a threshold for the concept. The images of "
        f"earlier checkpoints mostly show the concept too rarely. Not yet {words.plain(listed)}."
    )


def take_away(choice: Choice, question: Question) -> None:
    """Draw the page's link, and a link to the SQL statement behind the counts."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Link", icon=":material/link:"):
            st.caption("This link opens the same view.")
            st.code(f"{st.context.url}?{url.query()}", language=None)
        st.page_link(
            "views/sql.py",
            label="Open these counts in SQL",
            icon=":material/table:",
            query_params={"q": queries.statement(question)},
        )


def compare(snapshot: Snapshot, choice: Choice, question: Question) -> None:
    """Draw the whole page."""
    vocabularies = queries.vocabularies(snapshot, list(choice.runs))
    common = comparison_tables.shared(vocabularies)
    differences_card(choice, vocabularies, common)
    if common.empty:
        nothing_shared(choice)
        return
    named = queries.named(snapshot, question)
    left = queries.outside(snapshot, question)
    if len(left):
        other = "; ".join(f"{choice.name(r['run_id'], r['layer'])}: {r['units']}" for r in rows(left))
        st.caption(f"Units named after concepts that some runs lack are not counted: {words.plain(other)}.")
    calibrated = question.rule.name == "calibrated"
    frame = comparison_tables.tally(named, choice.layers, choice.names, common, has_cut=not calibrated)
    concepts = comparison_tables.by_concept(
        queries.best(snapshot, question), choice.names, question.over_ceiling
    )
    counts(frame, list(choice.names.values()), calibrated)
    if concepts.empty:
        st.info("No concept was frequent enough to be scored.", icon=":material/search_off:")
        return
    development(frame, concepts, choice)
    by_concept(concepts, choice, question.over_ceiling)
    lacking(comparison_tables.concept_states(named, vocabularies, choice.names), choice, common)
    pictures(concepts, choice, snapshot, question.rule.name)
    take_away(choice, question)


ABOUT = "Which concepts the units of layers, generators, checkpoints and data sets name, side by side."

with page.frame("Compare", ABOUT) as snapshot:
    if choice := choose(snapshot):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            rule = pickers.rule()
            measure = url.choice(
                st.segmented_control,
                "Measure",
                "measure",
                ["iou", "ceiling"],
                required=True,
                format_func={"iou": "IoU", "ceiling": "IoU over the ceiling"}.__getitem__,
                help=f"{words.HELP['ceiling_iou']} The paper rule then cuts at a share of it.",
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
