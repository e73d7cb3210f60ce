"""Compare: layers, generators, checkpoints and data sets, with the same vocabulary and rule."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import palette
from dashboard.comparison import (
    captions,
    counts,
    gaps,
    images,
    recipes,
    reference,
    separate,
    tables,
    training,
)
from dashboard.comparison import concepts as by_concept
from dashboard.comparison.choice import Choice, choose, differences
from dashboard.widgets import downloads, page, pickers, url, words
from dashboard.widgets.rows import rows
from db.queries import compare as queries
from db.queries import runs
from db.queries.compare import Arm, Question
from db.store import Snapshot

TABS = {
    "summary": "Summary",
    "concepts": "Concepts",
    "pictures": "Pictures",
    "recipes": "Trainings",
    "missing": "What is not drawn",
    "numbers": "Numbers",
}


def differences_card(choice: Choice, vocabularies: pd.DataFrame, found: pd.DataFrame) -> None:
    """Draw what differs between the arms apart from their units."""
    listed = differences(choice, vocabularies)
    with st.container(border=True, key="differences"):
        st.markdown("**What differs**")
        if listed:
            st.markdown("\n".join(f"- {sentence}" for sentence in listed))
        else:
            st.markdown("Vocabulary, sample, threshold rule, segmenter and grids are the same in all arms.")
        st.markdown(
            "Unless several training seeds are compared, differences may be chance in training."
            if len(choice.runs) > 1
            else "The network was trained once; another training may give other numbers."
        )
        if len(choice.runs) > 1 and not tables.checkpoints(choice.runs):
            gaps.offer(choice, found, captions.SAME_SAMPLE)


def summary(shown: "Comparison") -> None:
    """Draw what was found, the counts of each arm, and the units of the arm that was clicked."""
    choice, frame = shown.choice, shown.counts
    kinds = counts.category(frame)
    known, first = {str(arm) for arm in choice.arms}, counts.best_arm(frame)
    arm = url.get("arm") if url.get("arm") in known else first
    counts.bars(frame, kinds, choice, shown.by_lift, arm)
    counts.units(choice, shown.snapshot, shown.question.rule, first)
    training.growth(frame, kinds, choice, shown.found)
    differences_card(choice, shown.vocabularies, shown.found)


def concepts(shown: "Comparison") -> None:
    """Draw the map of concepts, the units of the concept that was clicked, and what only some arms have."""
    choice, found = shown.choice, shown.concepts
    if found.empty:
        st.info("No concept was frequent enough to be scored.", icon=":material/search_off:")
        return
    left, right = st.columns([3, 4], gap="medium")
    rule = shown.question.rule.name
    with left:
        by_concept.concept_map(found, choice, shown.measure, rule, palette.is_dark())
    with right:
        by_concept.gallery(found, choice, shown.snapshot, rule)
    by_concept.lacking(shown.states, choice, shown.common)
    training.concepts(found, choice)


def pictures(shown: "Comparison") -> None:
    """Draw the same latents and the best detectors of each run."""
    images.same_latents(shown.choice)
    images.best(shown.choice, shown.snapshot)


def numbers(shown: "Comparison") -> None:
    """Draw the counts and the scores as tables, with downloads and the SQL statement behind them."""
    st.header("Counts", anchor=False)
    st.dataframe(
        shown.counts,
        hide_index=True,
        column_order=list(captions.NUMBERS),
        column_config=captions.NUMBERS,
        alt="Counts in digits",
    )
    st.caption(captions.HOW)
    with st.container(horizontal=True, vertical_alignment="center"):
        downloads.table(shown.counts, "comparison-counts", "Counts")
        st.page_link(
            "views/sql.py",
            label="Open these counts in SQL",
            icon=":material/table:",
            query_params={"q": queries.statement(shown.question)},
        )
    if shown.concepts.empty:
        return
    st.header("Concepts", anchor=False)
    title = by_concept.MEASURES[shown.measure]
    digits: dict[str, Any] = {
        name: st.column_config.NumberColumn(title, format="%.3f", help=words.HELP.get(name))
        for name, title in captions.SCORES.items()
        if name not in ("concept", "arm", "unit", "detects", "named")
    }
    st.dataframe(
        shown.concepts,
        hide_index=True,
        column_order=list(captions.SCORES),
        column_config={**captions.SCORES, **digits},
        alt="Concepts in digits",
    )
    st.caption(f"The best unit of each layer, chosen on calibration images. The map shows {title}.")
    dropped = ["score", "score_low", "score_high", "mask_score", "key", "state"]
    downloads.table(shown.concepts.drop(columns=dropped), "comparison-concepts", "Concepts")


@dataclass
class Comparison:
    """What the tabs draw; each part is made when a tab first needs it."""

    snapshot: Snapshot
    choice: Choice
    question: Question
    vocabularies: pd.DataFrame
    common: pd.DataFrame

    @property
    def by_lift(self) -> bool:
        return self.question.rule.name == "lift"

    @property
    def measure(self) -> tables.Measure:
        return "lift" if self.by_lift else "ceiling" if self.question.over_ceiling else "iou"

    @cached_property
    def found(self) -> pd.DataFrame:
        """Every dissection of the store."""
        return queries.dissections(self.snapshot)

    @cached_property
    def named(self) -> pd.DataFrame:
        return queries.named(self.snapshot, self.question)

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per category and arm, beside the same layer with random weights."""
        choice = self.choice
        frame = tables.tally(self.named, choice.layers, choice.names, self.common, has_cut=not self.by_lift)
        if not self.by_lift or not self.vocabularies["shared"].all():
            return frame.assign(twin_share=None)
        twins = pd.concat(
            runs.layer_counts(self.snapshot, run_id, self.question.rule).assign(run_id=run_id)
            for run_id in choice.runs
        )
        frame = frame.merge(twins[["run_id", "layer", "twin_detectors"]], on=["run_id", "layer"], how="left")
        whole = frame["category"] == (tables.ALL if frame["category"].nunique() > 1 else frame["category"])
        return frame.assign(twin_share=(frame["twin_detectors"] / frame["units"]).where(whole))

    @cached_property
    def states(self) -> dict[Arm, dict[str, str]]:
        """What each arm has of each shared concept."""
        detected = queries.detected(self.snapshot, self.question) if self.by_lift else None
        best = self.scores if self.by_lift else None
        return tables.concept_states(self.named, self.vocabularies, self.choice.names, detected, best)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The best unit per concept and arm."""
        return tables.by_concept(queries.best(self.snapshot, self.question), self.choice.names, self.measure)

    @cached_property
    def concepts(self) -> pd.DataFrame:
        """The same, with what the arm has of the concept."""
        pairs = zip(self.scores["run_id"], self.scores["layer"], self.scores["concept"], strict=True)
        return self.scores.assign(
            state=[self.states[Arm(run_id, layer)].get(concept, "") for run_id, layer, concept in pairs]
        )


def compare(snapshot: Snapshot, choice: Choice, question: Question) -> None:
    """Draw the whole page."""
    vocabularies = queries.vocabularies(snapshot, list(choice.runs))
    common = tables.shared(vocabularies)
    if common.empty:
        separate.draw(choice, snapshot, queries.dissections(snapshot), vocabularies)
        return
    shown = Comparison(snapshot, choice, question, vocabularies, common)
    said = counts.finding(shown.counts, choice, shown.by_lift)
    compared = (
        f"{words.count(len(choice.arms), 'layer')} compared on the {words.count(len(common), 'concept')} "
        f"{'it has' if len(choice.arms) == 1 else 'they share'}."
    )
    left = queries.outside(snapshot, question)
    if len(left):
        other = "; ".join(f"{choice.name(r['run_id'], r['layer'])}: {r['units']}" for r in rows(left))
        compared += f" Units of other concepts are not counted: {words.plain(other)}."
    st.markdown(said)
    st.caption(compared)
    drawn = url.tabs(TABS)
    for name, draw in DRAWN.items():
        if drawn[name].open:
            with drawn[name], page.sentences():
                draw(shown)


DRAWN = {
    "summary": summary,
    "concepts": concepts,
    "pictures": pictures,
    "recipes": lambda shown: recipes.draw(shown.choice, shown.snapshot),
    "missing": lambda shown: reference.draw(shown.choice, shown.snapshot),
    "numbers": numbers,
}


def paper_options() -> tuple[bool, bool]:
    """Draw what the paper's rule cuts at and which units it counts: the averaged map's share, detectors."""
    measure = url.choice(
        st.segmented_control,
        "Measure",
        "measure",
        ["iou", "ceiling"],
        required=True,
        format_func=by_concept.MEASURES.__getitem__,
        help=f"{words.HELP['ceiling_iou']} The paper's rule then applies its cut to IoU divided by it.",
    )
    among = url.choice(
        st.segmented_control,
        "Count",
        "among",
        ["all", "detectors"],
        required=True,
        format_func={"all": "All units", "detectors": "Detectors"}.__getitem__,
        help=words.HELP["rule"],
    )
    return measure == "ceiling", among == "detectors"


ABOUT = "Which concepts units detect, side by side for layers, generators, checkpoints or training data."

with page.frame("Compare", ABOUT) as snapshot:
    if choice := choose(snapshot):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            rule = pickers.rule()
            over_ceiling, detectors = paper_options() if rule.name == "paper" else (False, False)
        compare(snapshot, choice, Question(choice.arms, rule, over_ceiling, detectors))
