"""Runs whose segmenters share no concept: each in its own words, and a way to a common segmenter."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from analysis.shared import count_intervals
from dashboard.charts import compare as charts
from dashboard.charts import palette
from dashboard.comparison import captions, counts, gaps, images
from dashboard.comparison.choice import Choice
from dashboard.widgets import jobs, swatches, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

OF_ONE = ("label-images", "planted")  # families whose segmenters know one generator's images alone
MOST = 4  # concepts that a sentence lists


def by_layer(choice: Choice, counted: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per arm: its detectors of any concept, with Wilson's interval and its twin's share."""
    found = []
    for arm in choice.pairs:
        row = rows(counted[arm.run_id][counted[arm.run_id]["layer"] == arm.layer])[0]
        units, many = int(row["units"]), int(row["detectors"] or 0)
        low, high = count_intervals.share(many, units)
        facts = {"arm": choice.names[arm], "key": str(arm), "run_id": arm.run_id, "layer": arm.layer}
        shares = {"share": many / units, "share_low": low, "share_high": high}
        twin = row["twin_detectors"]
        more = {
            "units": units,
            "named": many,
            "detectors": many,
            "concepts": int(row["distinct_concepts"] or 0),
        }
        found.append({**facts, **shares, **more, "twin_share": None if twin is None else twin / units})
    return pd.DataFrame(found)


def sentence(name: str, counted: pd.DataFrame, named: pd.DataFrame) -> str:
    """What one run detects, in its own words, beside the same generator with random weights."""
    units, detectors = int(counted["units"].sum()), int(counted["detectors"].fillna(0).sum())
    said = f"**{words.plain(name)}**: {detectors:,} of {words.count(units, 'unit')} are detectors"
    twins = counted["twin_detectors"].dropna()
    if len(twins):
        said += f", and {int(twins.sum()):,} with random weights"
    most = named.groupby("concept")["units"].sum().nlargest(MOST)
    if len(most):
        listed = ", ".join(f"{words.plain(concept)} ({many})" for concept, many in most.items())
        said += f". They detect {words.count(named['concept'].nunique(), 'concept')}, most often {listed}"
    return said + "."


def draw(choice: Choice, snapshot: Snapshot, found: pd.DataFrame, vocabularies: pd.DataFrame) -> None:
    """Draw runs that share no concept, each in its own words."""
    rule = NamingRule("lift")
    counted = {run_id: runs.layer_counts(snapshot, run_id, rule) for run_id in choice.runs}
    named = {run_id: runs.concept_counts(snapshot, run_id, rule) for run_id in choice.runs}
    st.markdown("These runs share no concept, so none can be compared. Each is shown in its own words.")
    for run_id, name in choice.run_names.items():
        st.markdown(f"- {sentence(name, counted[run_id], named[run_id])}")
    common_segmenter(choice, found, vocabularies)
    left, right = st.columns(2, gap="medium")
    with left:
        st.header("Detectors", anchor=False)
        frame = counts.placed(by_layer(choice, counted), choice)
        drawn = charts.bars(
            frame, "share", "share of the layer's units", counts.colours(choice), charts.top(frame, "share")
        )
        drawn.draw("Detectors of each layer")
        st.caption(captions.LINES["units"] + f" {captions.TWIN}", help=captions.HOW)
    with right:
        st.header("What they detect", anchor=False)
        kinds = by_category(choice, counted, named)
        charts.categories(kinds, list(choice.run_names.values())).draw("Detectors by category")
        swatches.legend({kind: palette.category(kind) for kind in kinds["category"].unique()})
        st.caption(
            "Shares of all units of a run. A category of the same name may hold other concepts in each run."
        )
    images.best(choice, snapshot)
    images.same_latents(choice)


def by_category(
    choice: Choice, counted: Mapping[str, pd.DataFrame], named: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row per run and category: detectors, and their share of the run's units."""
    found = []
    for run_id, name in choice.run_names.items():
        units = int(counted[run_id]["units"].sum())
        for kind, many in named[run_id].groupby("category")["units"].sum().items():
            found.append(
                {"run": name, "category": str(kind), "detectors": int(many), "units": units}
                | {"share": many / units}
            )
    return pd.DataFrame(found, columns=["run", "category", "detectors", "units", "share"])


def _knows(segmenter: Mapping[str, Any], vocabularies: pd.DataFrame) -> bool:
    """Whether a segmenter of the shelf knows some concept of every run."""
    known = {concept["name"] for concept in segmenter["concepts"]}
    return all(known & set(own) for _, own in vocabularies.groupby("run_id")["concept"])


def common_segmenter(choice: Choice, found: pd.DataFrame, vocabularies: pd.DataFrame) -> None:
    """Draw a way to runs of one segmenter: those that are there, else a button that queues them."""
    generators = {str(run["generator"]): run for run in choice.runs.values()}
    known = _seen_by_all(list(generators), rows(found))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for segmenter, run_ids in list(known.items())[:3]:
            label = f"Compare them as {words.plain(segmenter)} sees them"
            url.turn(label, f"seen-{segmenter}", ":material/compare:", runs=",".join(run_ids))
        if known:
            return
        shelf = [
            str(model["name"])
            for model in jobs.client().models("segmenter")
            if _knows(model, vocabularies) and model["family"] not in OF_ONE
        ]
        if not shelf:
            st.caption("No segmenter here knows concepts of all of them. Add one on the Models page.")
            st.page_link("views/models.py", label="Models", icon=":material/deployed_code:")
            return
        chosen = url.choice(st.selectbox, "A segmenter for all of them", "common", shelf, width=260)
        sample = {**gaps.target(choice.runs), "segmenter": chosen}
        requests = [gaps.like(run, sample) for run in generators.values()]
        gaps.button(f"Queue {len(requests)} dissections by {words.plain(chosen)}", requests, "common", sample)


def _seen_by_all(generators: Sequence[str], found: Sequence[Row]) -> dict[str, list[str]]:
    """Segmenters that dissected every one of the generators, and their newest final runs."""
    seen: dict[str, dict[str, str]] = {}
    for run in found:
        if run["state"] == "final" and run["generator"] in generators:
            seen.setdefault(str(run["segmenter"]), {}).setdefault(str(run["generator"]), str(run["run_id"]))
    return {
        name: [runs_of[generator] for generator in generators]
        for name, runs_of in seen.items()
        if len(runs_of) == len(generators)
    }
