"""The compared arms: their choice, their short names, and what differs between them."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import streamlit as st

from analysis.comparison import trainings
from dashboard.charts import palette
from dashboard.comparison import tables
from dashboard.widgets import page, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import compare, comparison
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
    """The arms on the page, in order, with the rows of their runs and layers.

    `every` is all dissections of the store, the oldest first, from which runs have their colours.
    """

    runs: Mapping[str, Row]
    layers: Mapping[Arm, Row]
    names: Mapping[Arm, str]
    every: Sequence[str] = ()

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(self.names)

    def name(self, run_id: str, layer: str) -> str:
        return self.names[Arm(run_id, layer)]

    @cached_property
    def run_names(self) -> dict[str, str]:
        """A short name per run."""
        return run_names(list(self.runs.values()))

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each run, by its short name."""
        found = palette.runs(self.runs, self.every)
        return {self.run_names[run_id]: colour for run_id, colour in found.items()}

    @cached_property
    def pairs(self) -> dict[Arm, str]:
        """The row of each arm, which arms of other runs share: their layer, or their resolution."""
        return tables.pairs(self.layers)


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
    results = [run for run in final if request(run).get("control", "none") == "none"]
    first = (results or final)[0]
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


def request(run: Row) -> Mapping[str, object]:
    try:
        settings = json.loads(run["settings"] or "{}")
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _controls(run: Row, other: Row) -> bool:
    """Whether the other run is a control of this one, with an otherwise equal request."""
    mine, its = request(run), request(other)
    same = ("generator", "inputs", "segmenter", "seed", "images", "calibration", "threshold", "sides")
    plain = mine.get("control", "none") == "none" and its.get("control", "none") != "none"
    return plain and all(mine.get(name) == its.get(name) for name in same)


def choose(snapshot: Snapshot) -> Choice | None:
    """Draw the pickers of runs, layers, and arms to leave out, and return the arms."""
    found = {row["run_id"]: row for row in rows(compare.dissections(snapshot))}
    if not found:
        page.no_runs()
        return None
    published = _published(snapshot, found)
    _open(published, found)
    offered = {_label(found, run, runs): runs for run, runs in published.items()}
    offered |= suggestions(list(found.values()))
    wanted = [name for name in url.get("runs").split(",") if name]
    if not wanted:
        url.put(runs=",".join(next(iter(offered.values()))))
    _suggest(offered)
    names = run_names(list(found.values()))
    titles = {run_id: names[run_id] + _data(run) for run_id, run in found.items()}
    chosen = url.several(st.multiselect, "Runs", "runs", list(found), format_func=titles.__getitem__)
    if not chosen:
        st.info("Choose runs to compare.", icon=":material/compare:")
        return None
    order = [name for name in url.get("runs").split(",") if name in chosen]
    oldest = sorted(found, key=lambda name: (found[name]["started_at"], name))
    return _with_layers(snapshot, {name: found[name] for name in order}, oldest)


def _published(snapshot: Snapshot, found: Collection[str]) -> dict[str, list[str]]:
    """The dissections that each published comparison compares and that are here, by its run."""
    made: dict[str, list[str]] = {}
    for row in rows(comparison.comparisons(snapshot)):
        if row["dissection"] in found:
            made.setdefault(row["run_id"], []).append(row["dissection"])
    return {run_id: here for run_id, here in made.items() if len(here) > 1}


def _label(found: Mapping[str, Row], run_id: str, compared: Sequence[str]) -> str:
    recipes = dict.fromkeys(trainings.recipe(str(found[run]["generator"])) for run in compared)
    return f"Comparison of {_some(list(recipes))} ({run_id})"


def _open(published: Mapping[str, Sequence[str]], found: Collection[str]) -> None:
    """Choose the run that the address names: what a comparison compares, or a dissection alone.

    Raises `UnknownValueError` for another.
    """
    asked = url.get("run")
    if asked in found:
        url.put(runs=asked, run=None)
    elif asked in published:
        url.put(runs=",".join(published[asked]), run=None, tab="recipes")
    elif asked:
        url.without("Run", "run")
        raise url.not_known("Run", "run", "choose a dissection or a comparison")


def _suggest(offered: Mapping[str, Sequence[str]]) -> None:
    """Draw what else can be compared; the choice that is on the page is the only one that looks chosen."""
    by_label = {words.plain(label): ",".join(runs) for label, runs in list(offered.items())[:6]}
    key, now = "comparisons", url.get("runs")
    st.session_state[key] = next((label for label, runs in by_label.items() if runs == now), None)

    def changed() -> None:
        if (label := st.session_state[key]) is not None:
            url.go(runs=by_label[label], rule=url.get("rule") or None, tab=url.get("tab") or None)

    st.pills("Suggestions", list(by_label), key=key, on_change=changed, label_visibility="collapsed")


def _data(run: Row) -> str:
    return f" · {run['trained_on']}" if run["trained_on"] else ""


def _with_layers(snapshot: Snapshot, runs: dict[str, Row], oldest: Sequence[str]) -> Choice | None:
    known = {Arm(row["run_id"], row["layer"]): row for row in rows(compare.layers(snapshot, list(runs)))}
    every = sorted({arm.layer for arm in known}, key=lambda name: (len(name), name))
    if not every:
        st.info("These runs have published no layer yet.", icon=":material/hourglass:")
        return None
    if not url.get("layers"):
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
    return Choice(there, {arm: known[arm] for arm in shown}, shown, oldest)


def differences(choice: Choice, vocabularies: pd.DataFrame) -> list[str]:
    """One sentence per difference between the arms."""
    names = choice.run_names

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
        "A smaller sample gives wider intervals, thresholds for fewer concepts, and fewer confirmed "
        "detectors.",
    ),
    (
        "Sides",
        lambda run: str(request(run).get("sides", "high")),
        "With both sides, low activations may mark concepts too, so more units can be detectors.",
    ),
    (
        "Inputs",
        lambda run: str(run.get("inputs") or "none"),
        "The generator was given different truncations, classes or noise, so its images differ in kind.",
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
        common = tables.shared(vocabularies)
        every = vocabularies[["concept", "category"]].drop_duplicates()
        sentences.append(
            f"**Vocabulary**: only {words.count(len(common), 'concept')} of {len(every)} can be compared; "
            "the others are unknown to at least one run. "
            + " ".join(_only(vocabularies[~is_shared], every, names))
        )
    rare = vocabularies[is_shared & (vocabularies["images"].fillna(1) < 20)]
    for run_id, found in rare.groupby("run_id", sort=False)["concept"]:
        sentences.append(
            f"**Rare** in {words.plain(names[str(run_id)])}, on fewer than 20 images and so without "
            f"intervals: {words.plain(_some(list(found), 8))}."
        )
    return sentences


def _only(own: pd.DataFrame, every: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Sentences about concepts that some runs alone know, by the runs that know them."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for _, rows_of in own.groupby(["concept", "category"], sort=False):
        runs = tuple(names[str(run_id)] for run_id in rows_of["run_id"])
        groups.setdefault(runs, []).append(rows_of.index[0])
    return [
        f"Known only to {words.plain(_some(runs))}: {words.plain(_some(_titles(own.loc[places], every), 8))}."
        for runs, places in groups.items()
    ]


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
        "outline small concepts: under the paper's rule, *IoU / averaged map* allows for that. Bars are "
        "shares, because layers differ in their number of units."
    ]
