"""The compared arms: their choice, their short names, and what differs between them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard.widgets import comparison_tables, page, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import compare
from db.queries.compare import Arm
from db.store import Snapshot

MOST = 30  # arms on one page
ALONE: tuple[Callable[[Row], str], ...] = (  # what tells two runs of one generator apart, in this order
    lambda run: str(run["segmenter"]),
    lambda run: f"seed {run['seed']}",
    lambda run: f"{run['images']:,} images",
    lambda run: f"threshold {run['threshold_rule']}",
    lambda run: str(run["run_id"]).rpartition("-")[2],
)


@dataclass(frozen=True)
class Choice:
    """The arms on the page, in order, with the rows of their runs and layers."""

    runs: Mapping[str, Row]
    layers: Mapping[Arm, Row]
    names: Mapping[Arm, str]

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(self.names)

    def name(self, run_id: str, layer: str) -> str:
        return self.names[Arm(run_id, layer)]


def run_names(runs: Sequence[Row]) -> dict[str, str]:
    """A short name per run: its generator, and what differs from other runs of that generator."""
    return {str(run["run_id"]): _name(run, runs) for run in runs}


def _name(run: Row, runs: Sequence[Row]) -> str:
    parts = [str(run["generator"])]
    twins = [other for other in runs if other["generator"] == run["generator"]]
    for say in ALONE:
        if len({say(twin) for twin in twins}) > 1:
            parts.append(say(run))
            twins = [twin for twin in twins if say(twin) == say(run)]
    return parts[0] + (f" ({', '.join(parts[1:])})" if parts[1:] else "")


def suggestions(found: Sequence[Row]) -> dict[str, list[str]]:
    """Sets of runs to offer for comparison, by their description; newest final runs first.

    Runs of different generators are offered together only where one segmenter saw them: others may share no
    concept.
    """
    final = [run for run in found if run["state"] == "final"] or list(found)
    seen_by: dict[str, dict[str, Row]] = {}
    for run in final:
        seen_by.setdefault(str(run["segmenter"]), {}).setdefault(str(run["generator"]), run)
    offered: dict[str, list[str]] = {}
    for newest in seen_by.values():
        offered = _checkpoints(list(newest.values())) | offered
    first = final[0]
    offered[f"Layers of {first['generator']}"] = [first["run_id"]]
    for run in final:
        controls = [other["run_id"] for other in final if _controls(run, other)]
        if controls:
            offered.setdefault(f"{run['generator']} and its controls", [run["run_id"], *controls])
    for segmenter, newest in seen_by.items():
        if len(newest) > 1:
            offered[f"Generators seen by {segmenter}"] = [run["run_id"] for run in newest.values()]
    return offered


def _checkpoints(newest: Sequence[Row]) -> dict[str, list[str]]:
    """The checkpoints of each training that has several, in the order of the training."""
    offered = {}
    for training in dict.fromkeys(str(run["training"]) for run in newest if run["training"]):
        points = [run for run in newest if run["training"] == training]
        if len(points) > 1:
            points.sort(key=lambda run: run["training_steps"] or 0)
            offered[f"Checkpoints of {training}"] = [run["run_id"] for run in points]
    return offered


def _request(run: Row) -> Mapping[str, object]:
    try:
        settings = json.loads(run["settings"] or "{}")
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _controls(run: Row, other: Row) -> bool:
    """Whether the other run is a control of this one, with an otherwise equal request."""
    mine, its = _request(run), _request(other)
    same = ("generator", "segmenter", "seed", "images", "calibration", "threshold")
    plain = mine.get("control", "none") == "none" and its.get("control", "none") != "none"
    return plain and all(mine.get(name) == its.get(name) for name in same)


def choose(snapshot: Snapshot) -> Choice | None:
    """Draw the pickers of runs, layers, and arms to leave out, and return the arms."""
    found = {row["run_id"]: row for row in rows(compare.dissections(snapshot))}
    if not found:
        page.no_runs()
        return None
    offered = suggestions(list(found.values()))
    wanted = [name for name in url.get("runs").split(",") if name]
    if lost := [name for name in wanted if name not in found]:
        missing = words.plain(", ".join(lost))
        st.warning(f"Not in this store, and left out: {missing}.", icon=":material/help:")
    if not set(wanted) & set(found):
        url.put(runs=",".join(next(iter(offered.values()))))
    with st.container(horizontal=True):
        st.caption("Compare", width="content")
        for label, runs in list(offered.items())[:6]:
            there = url.same_page(runs=",".join(runs), rule=url.get("rule"))
            st.page_link("views/compare.py", label=label, icon=":material/compare:", query_params=there)
    names = run_names(list(found.values()))
    titles = {run_id: names[run_id] + _data(run) for run_id, run in found.items()}
    chosen = url.several(st.multiselect, "Runs", "runs", list(found), format_func=titles.__getitem__)
    if not chosen:
        st.info("Choose runs to compare.", icon=":material/compare:")
        return None
    order = [name for name in url.get("runs").split(",") if name in chosen]
    return _with_layers(snapshot, {name: found[name] for name in order})


def _data(run: Row) -> str:
    return f" · {run['trained_on']}" if run["trained_on"] else ""


def _with_layers(snapshot: Snapshot, runs: dict[str, Row]) -> Choice | None:
    known = {Arm(row["run_id"], row["layer"]): row for row in rows(compare.layers(snapshot, list(runs)))}
    every = sorted({arm.layer for arm in known}, key=lambda name: (len(name), name))
    if not every:
        st.info("These runs have published no layer yet.", icon=":material/hourglass:")
        return None
    if not set(url.get("layers").split(",")) & set(every):
        url.put(layers=",".join(every))
    short = run_names(list(runs.values()))
    left, right = st.columns(2)
    layers = url.several(left.multiselect, "Layers", "layers", every)
    arms = [arm for run_id in runs for arm in known if arm.run_id == run_id and arm.layer in layers]
    names = {arm: f"{short[arm.run_id]} · {arm.layer}" for arm in arms}
    by_text = {str(arm): name for arm, name in names.items()}
    out = url.several(
        right.multiselect, "Leave out", "without", list(by_text), format_func=lambda key: by_text[key]
    )
    remaining = {arm: name for arm, name in names.items() if str(arm) not in out}
    if len(remaining) > MOST:
        st.warning(f"{len(remaining)} arms are too many for one page. The page shows the first {MOST}.")
    if not remaining:
        st.info("Nothing is left to compare. Choose a layer.", icon=":material/compare:")
        return None
    shown = dict(list(remaining.items())[:MOST])
    there = {run_id: run for run_id, run in runs.items() if any(arm.run_id == run_id for arm in shown)}
    return Choice(there, {arm: known[arm] for arm in shown}, shown)


def nothing_shared(choice: Choice) -> None:
    """Draw what to do when no concept is in every run's vocabulary."""
    by_segmenter: dict[str, list[str]] = {}
    for run_id, run in choice.runs.items():
        by_segmenter.setdefault(str(run["segmenter"]), []).append(run_id)
    names = run_names(list(choice.runs.values()))
    listed = "; ".join(
        f"{segmenter} labelled {', '.join(names[run_id] for run_id in runs)}"
        for segmenter, runs in by_segmenter.items()
    )
    st.info(
        f"No concept is in every run's vocabulary: {words.plain(listed)}. Compare runs of one segmenter, or "
        "dissect these generators again with a segmenter that suits all of them.",
        icon=":material/compare:",
    )
    with st.container(horizontal=True):
        for segmenter, runs in by_segmenter.items():
            there = url.same_page(runs=",".join(runs), rule=url.get("rule"))
            label = f"Only those seen by {segmenter}"
            st.page_link("views/compare.py", label=label, icon=":material/compare:", query_params=there)


def differences(choice: Choice, vocabularies: pd.DataFrame) -> list[str]:
    """One sentence per difference between the arms."""
    names = run_names(list(choice.runs.values()))

    def by(say: Callable[[Row], str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for run_id, run in choice.runs.items():
            groups.setdefault(say(run), []).append(names[run_id])
        return groups

    sentences = []
    for what, say, so in ASPECTS:
        groups = by(say)
        if len(groups) > 1:
            listed = "; ".join(f"{value} in {_some(runs)}" for value, runs in groups.items())
            sentences.append(f"**{what}**: {words.plain(listed)}. {so}".strip())
    return sentences + _vocabulary(vocabularies, names) + _sizes(choice)


ASPECTS: tuple[tuple[str, Callable[[Row], str], str], ...] = (
    (
        "State",
        lambda run: str(run["state"]),
        "A provisional run is not finished, so its numbers will change.",
    ),
    (
        "Data set",
        lambda run: str(run["trained_on"] or "not known"),
        "Units can only learn concepts that are in their training data.",
    ),
    (
        "Segmenter",
        lambda run: f"{run['segmenter']} {str(run['segmenter_sha256'] or '')[:6]}".strip(),
        "Segmenters label the same concept differently, which may explain part of a difference.",
    ),
    (
        "Images",
        lambda run: f"{run['images']:,} + {run['calibration']:,} for calibration",
        "A smaller sample has wider intervals, fewer concepts with a threshold, and fewer named units "
        "under the calibrated rule.",
    ),
    ("Seed of the latents", lambda run: str(run["seed"]), "The samples are different images."),
    (
        "Threshold rule",
        lambda run: str(run["threshold_rule"]),
        "IoUs at different thresholds are not comparable.",
    ),
    (
        "Scoring grid",
        lambda run: f"{run['grid_height']}x{run['grid_width']}",
        "Small concepts score lower on a coarser grid.",
    ),
)


def _some(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _vocabulary(vocabularies: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Sentences about concepts that some run cannot name, and about concepts that are rare in some run."""
    sentences, is_shared = [], vocabularies["shared"]
    if not is_shared.all():
        common = comparison_tables.shared(vocabularies)
        every = vocabularies[["concept", "category"]].drop_duplicates()
        own = "; ".join(
            f"not shared by all but in {names[str(run_id)]}: {_some(_titles(found, every), 8)}"
            for run_id, found in vocabularies[~is_shared].groupby("run_id", sort=False)
        )
        sentences.append(
            f"**Vocabulary**: only {words.count(len(common), 'concept')} of {len(every)} are in every run, "
            f"and only these are compared; {words.plain(own)}."
        )
    rare = vocabularies[is_shared & (vocabularies["images"].fillna(1) < 20)]
    for run_id, found in rare.groupby("run_id", sort=False)["concept"]:
        sentences.append(
            f"**Rare** in {words.plain(names[str(run_id)])}, on fewer than 20 images and so without "
            f"intervals: {words.plain(_some(list(found), 8))}."
        )
    return sentences


def _titles(found: pd.DataFrame, every: pd.DataFrame) -> list[str]:
    """Concepts in order, with their category if another concept has the same name."""
    twice = set(every.loc[every["concept"].duplicated(keep=False), "concept"])
    return sorted(
        f"{row['concept']} ({row['category']})" if row["concept"] in twice else str(row["concept"])
        for row in rows(found)
    )


def _sizes(choice: Choice) -> list[str]:
    """A sentence about the layers' grids and numbers of units, if they differ."""
    sizes = {(row["height"], row["width"], row["units"]) for row in choice.layers.values()}
    if len(sizes) < 2:
        return []
    grids = sorted({(row["height"], row["width"]) for row in choice.layers.values()})
    units = sorted({int(row["units"]) for row in choice.layers.values()})
    listed = ", ".join(f"{height}x{width}" for height, width in grids)
    return [
        f"**Layers**: grids of {listed} cells and {', '.join(map(str, units))} units. A coarse grid cannot "
        "outline "
        "small concepts, so compare *IoU over the ceiling*. Bars are shares, because layers differ in their "
        "number of units."
    ]
