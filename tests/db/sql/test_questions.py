"""The worked questions: each answers as pandas does from the same tables, and asks only for what it uses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from full_store import unpacked

from db import store
from db.layout import Layout
from db.schema import dictionary
from db.sql import console, parameters, questions, sandbox
from db.store import Snapshot, exchange
from jobs.demo import results

Values = dict[str, parameters.Value]
Frame = pd.DataFrame


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A store with a run of every kind, and the studies that come with the demo."""
    layout = unpacked(tmp_path_factory.mktemp("questions"))
    with results.unpacked() as export:
        exchange.import_run(layout, export)
    return store.open(layout)


@pytest.fixture(scope="module")
def copy(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The published file again, because DuckDB opens one file in one way only within a process."""
    return shutil.copy(snapshot.version, tmp_path_factory.mktemp("copy") / "version.duckdb")


def asked(path: str, statement: str, values: Values) -> Frame:
    """The answer of the sandbox's connection, without a process for each."""
    connection = sandbox.connect(path, 1024, values)
    try:
        found = connection.sql(parameters.bound(statement, values).sql).df()
        return found.astype(dict.fromkeys(found.select_dtypes("Int64"), float))  # NaN where it is NULL
    finally:
        connection.close()


class Tables:
    """The tables of a store as data frames, of one run where one is given."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __call__(self, name: str, run: object = None, **match: object) -> Frame:
        frame = self.snapshot.read(dictionary.tables()[name].select())
        for column, value in {**({"run_id": run} if run else {}), **match}.items():
            frame = frame[frame[column] == value]
        return frame

    def parent(self, run: object) -> object:
        return self("run", run).parent_run_id.iloc[0]


def _layer_of_concept(t: Tables, v: Values) -> Frame:
    scored = t("unit_concept", v["run"], concept=v["concept"]).dropna(subset="iou")
    found = (
        scored.groupby("layer").agg(detecting=("detector", "sum"), best_lift=("lift", "max")).reset_index()
    )
    found = found.merge(t("layer", v["run"])[["layer", "position"]])
    return found.sort_values(["detecting", "position"], ascending=[False, True])[
        ["layer", "detecting", "best_lift"]
    ]


def _labels(t: Tables, v: Values) -> Frame:
    return t("unit_concept", v["run"], label=True)


def _best_units(t: Tables, v: Values) -> Frame:
    found = _labels(t, v).dropna(subset="lift")
    found = found.sort_values(["lift", "layer", "unit"], ascending=[False, True, True]).head(20)
    return found[["layer", "unit", "concept", "lift", "iou"]]


def _units_of_concept(t: Tables, v: Values) -> Frame:
    found = t("unit_concept", v["run"], concept=v["concept"], detector=True)
    found = found.sort_values(["lift", "layer", "unit"], ascending=[False, True, True])
    return found[["layer", "unit", "lift", "iou"]]


def _concepts_of_layer(t: Tables, v: Values) -> Frame:
    found = _labels(t, v)
    found = found[(found.layer == v["layer"]) & found.detector].groupby("concept")
    counted = found.agg(units=("unit", "size"), mean_iou=("iou", "mean"), best_lift=("lift", "max"))
    return counted.reset_index().sort_values(["units", "concept"], ascending=[False, True])


def _undetected(t: Tables, v: Values) -> Frame:
    detected = set(t("unit_concept", v["run"], detector=True).concept)
    found = t("concept", v["run"])
    found = found[(found.images > 0) & ~found.concept.isin(detected)]
    found = found.sort_values(["frequency", "concept"], ascending=[False, True])
    return found[["concept", "frequency", "images"]]


def _several(t: Tables, v: Values) -> Frame:
    found = t("unit_concept", v["run"], detector=True).sort_values("lift", ascending=False)
    counted = found.groupby(["layer", "unit"]).concept.agg(["size", ", ".join]).reset_index()
    counted.columns = pd.Index(["layer", "unit", "concepts", "detects"])
    counted = counted[counted.concepts > 1]
    return counted.sort_values(["concepts", "layer", "unit"], ascending=[False, True, True])[
        ["layer", "unit", "concepts"]
    ]


def _idle(t: Tables, v: Values) -> Frame:
    units = t("unit", v["run"]).fillna({"activity": "not measured"})
    counted = units.groupby(["layer", "activity"]).size().rename("units").reset_index()
    counted["share"] = counted.units / counted.groupby("layer").units.transform("sum")
    return counted


def _paper_names(t: Tables, v: Values) -> Frame:
    named = _labels(t, v).merge(
        t("unit_concept", v["run"], largest_iou=True), on=["layer", "unit"], suffixes=("", "_paper")
    )
    named["same"] = named.concept == named.concept_paper
    return named.groupby("layer").same.agg(named="size", same="sum", share="mean").reset_index()


def _cause_units(t: Tables, v: Values) -> Frame:
    scored = t("unit_concept", t.parent(v["run"]), concept=v["concept"])[["layer", "unit", "lift"]]
    found = t("ace_unit", v["run"], concept=v["concept"]).merge(scored, "left", on=["layer", "unit"])
    return found.sort_values(["rank", "unit"])[["layer", "unit", "rank", "alpha", "lift"]]


def _causal_effect(t: Tables, v: Values) -> Frame:
    top = t("ace_summary", v["run"], concept=v["concept"]).top_units.iloc[0]
    found = t("ace_curve", v["run"], concept=v["concept"], units=top)
    found = found.sort_values(["edit", "effect", "ranking"], ascending=[True, False, True])
    return found[["edit", "ranking", "effect"]]


def _side_effects(t: Tables, v: Values) -> Frame:
    top = t("ace_summary", v["run"], concept=v["concept"]).top_units.iloc[0]
    found = t("side_effect", v["run"], concept=v["concept"], ranking="ace", edit="ablate", units=top)
    found = found.assign(size=-found.change.abs()).sort_values(["size", "affected"])
    return found[["affected", "before", "change"]]


def _iou_and_effect(t: Tables, v: Values) -> Frame:
    scored = t("unit_concept", t.parent(v["run"])).dropna(subset="iou")[["layer", "unit", "concept", "iou"]]
    both = t("unit_effect", v["run"], edit="both").merge(scored, on=["layer", "unit", "concept"])
    rows = []
    for (layer, concept), group in both.groupby(["layer", "concept"]):
        with np.errstate(invalid="ignore", divide="ignore"):  # a concept on which every unit has no effect
            r = group.effect.rank(method="min").corr(group.iou.rank(method="min"))
        rows.append((layer, concept, len(group), round(r, 3)))
    return pd.DataFrame(rows, columns=["layer", "concept", "units", "rank_correlation"])


def _where_inserted(t: Tables, v: Values) -> Frame:
    found = t("insertion_context", v["run"], strength=v["strength"], left_out=False)
    return found.sort_values(["effect", "context"], ascending=[False, True])[["context", "effect"]]


def _place_or_context(t: Tables, v: Values) -> Frame:
    found = t("context_summary", v["run"]).sort_values(["layer", "concept", "strength"])
    return found[["strength", "row_share", "context_beyond_row_share"]]


def _trace(t: Tables, v: Values) -> Frame:
    found = t("context_trace", v["run"], strength=v["strength"], context="all")
    return found.sort_values(["layer", "concept", "place"])[["measured", "place", "survival"]]


def _artifact_units(t: Tables, v: Values) -> Frame:
    found = t("artifact_unit", v["run"])
    found = found[found["rank"] <= v["most"]].sort_values(["ranking", "rank", "unit"])
    return found[["layer", "unit", "ranking", "rank", "score"]]


def _artifact_effect(t: Tables, v: Values) -> Frame:
    found = t("artifact_effect", v["run"])
    chance = found[found.ranking == "random"][["layer", "metric", "units", "fall"]]
    chance = chance.rename(columns={"fall": "random_fall"})
    found = found[found.ranking != "random"].merge(chance, "left", on=["layer", "metric", "units"])
    found = found.sort_values(["metric", "ranking", "units"])
    return found[["ranking", "metric", "units", "fall", "random_fall"]]


def _twin(runs: Frame, run: "pd.Series[Any]") -> object:
    """The final dissection of the run's generator with random weights, nearest in images, then the newest."""
    made = runs.settings.map(json.loads)
    same = made.map(lambda found: found.get("control") == "random-weights") & (runs.state == "final")
    same &= made.map(lambda found: found["generator"] == json.loads(run.settings)["generator"])
    for equal in ("segmenter", "inputs", "segmenter_sha256", "threshold_rule"):
        same &= runs[equal].fillna("") == (run[equal] or "")
    found = runs[same].assign(far=(runs.images - run.images).abs())
    found = found.sort_values(["far", "started_at"], ascending=[True, False])
    plain = json.loads(run.settings).get("control", "none") == "none"
    return found.run_id.iloc[0] if plain and len(found) else None


def _random_weights(t: Tables, _v: Values) -> Frame:
    runs = t("run", kind="dissection")
    keys = ["run_id", "layer"]
    named = t("unit_concept", label=True)
    papers = t("unit_concept", largest_iou=True).assign(over=lambda found: found.iou > 0.05)
    detecting = named[named.detector].groupby(keys)
    counts = [
        detecting.size().rename("detectors"),
        detecting.concept.nunique().rename("detected_concepts"),
        papers.groupby(keys).over.sum().rename("paper_named"),
    ]
    found = t("layer").merge(runs[["run_id"]])
    for counted in counts:
        found = found.merge(counted.reset_index(), "left", on=keys).fillna({counted.name: 0})
    twins = found[[*keys, "detectors"]].set_axis(["twin", "layer", "twin_detectors"], axis=1)
    chosen = {run.run_id: _twin(runs, run) for _, run in runs.iterrows()}
    found["twin"] = pd.array([chosen[run_id] for run_id in found.run_id], "str")
    found = found.merge(twins, "left", on=["twin", "layer"]).sort_values(["run_id", "position"])
    return found[
        ["run_id", "layer", "units", "detectors", "twin_detectors", "detected_concepts", "paper_named"]
    ]


def _two_runs(t: Tables, v: Values) -> Frame:
    found = t("unit_concept", label=True, detector=True)
    counts = [found[found.run_id == v[name]].groupby("concept").size() for name in ("run", "other")]
    both = pd.concat(counts, axis=1, keys=["first", "second"]).fillna(0).astype(int)
    both["difference"] = both["first"] - both["second"]
    both = both.rename_axis("concept").reset_index()
    return both.assign(size=-both.difference.abs()).sort_values(["size", "concept"]).drop(columns="size")


def _cost(t: Tables, v: Values) -> Frame:
    found = t("run")
    found = found[found.duration_s.fillna(0) >= v["least"]]
    found = found.sort_values(["duration_s", "run_id"], ascending=[False, True])
    return found[["run_id", "kind", "duration_s"]]


EXPECTED: dict[str, Callable[[Tables, Values], Frame]] = {
    "layer-of-concept": _layer_of_concept,
    "best-units": _best_units,
    "units-of-concept": _units_of_concept,
    "concepts-of-layer": _concepts_of_layer,
    "undetected-concepts": _undetected,
    "several-concepts": _several,
    "idle-units": _idle,
    "paper-names": _paper_names,
    "cause-units": _cause_units,
    "causal-effect": _causal_effect,
    "side-effects": _side_effects,
    "iou-and-effect": _iou_and_effect,
    "where-inserted": _where_inserted,
    "place-or-context": _place_or_context,
    "insertion-trace": _trace,
    "artifact-units": _artifact_units,
    "artifact-effect": _artifact_effect,
    "random-weights": _random_weights,
    "two-runs": _two_runs,
    "cost-of-runs": _cost,
}


def test_there_are_twenty_and_each_is_checked() -> None:
    assert list(EXPECTED) == list(questions.QUESTIONS)
    assert len(EXPECTED) == 20


@pytest.mark.parametrize("name", questions.QUESTIONS)
def test_a_question_answers_as_pandas_does(snapshot: Snapshot, copy: str, name: str) -> None:
    question = questions.QUESTIONS[name]
    first = next(iter(question.parameters), None)
    answers = 0
    runs = questions.choices(snapshot, question.parameters[first], {}) if first == "run" else [None]
    for run in runs:
        values = _values(snapshot, question, run)
        if None in values.values():
            continue  # the demo's studies are based on a dissection that this store does not have
        answer = asked(copy, question.statement, values)
        expected = EXPECTED[name](Tables(snapshot), values).reset_index(drop=True)
        pd.testing.assert_frame_equal(
            answer[list(expected.columns)], expected, check_dtype=False, rtol=1e-9, check_names=False
        )
        answers += len(answer) > 0
    assert answers


def test_chance_is_told_by_the_run_with_random_weights(
    layout: Layout, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    planted, churches = {"generator": "planted"}, {"generator": "churches"}
    write_run("planted-1", units=6, settings=planted)
    write_run("planted-2", settings=planted, images=32)
    random = {"control": "random-weights"}
    write_run("twin-far", units=3, settings={**planted, **random}, images=24)
    write_run("twin-near", units=4, settings={**planted, **random}, images=48)
    write_run("twin-short", units=5, settings={**planted, **random}, state="provisional")
    write_run("churches-1", settings=churches)
    store.publish(layout)
    snapshot = store.open(layout)
    path = shutil.copy(snapshot.version, tmp_path / "version.duckdb")
    answer = asked(path, questions.QUESTIONS["random-weights"].statement, {})
    expected = _random_weights(Tables(snapshot), {}).reset_index(drop=True)
    pd.testing.assert_frame_equal(answer, expected, check_dtype=False)
    chance = answer.set_index("run_id").twin_detectors.dropna().to_dict()
    assert chance == {"planted-1": 2, "planted-2": 1}


def test_the_console_answers_with_the_usual_values(snapshot: Snapshot, copy: str) -> None:
    question = questions.QUESTIONS["iou-and-effect"]
    values = questions.defaults(snapshot, question)
    found = console.run(snapshot.layout, question.statement, snapshot=snapshot, values=values).frame
    pd.testing.assert_frame_equal(found, asked(copy, question.statement, values), check_dtype=False)


def _values(snapshot: Snapshot, question: questions.Question, run: Any) -> Values:
    """The usual values for a run."""
    values: Values = {}
    for name, parameter in question.parameters.items():
        found = [run] if name == "run" and run else questions.choices(snapshot, parameter, values)
        values[name] = parameter.default if not parameter.choices else found[0] if found else None
    return values


def test_the_usual_values_are_those_of_the_newest_run(snapshot: Snapshot) -> None:
    question = questions.QUESTIONS["two-runs"]
    values = questions.defaults(snapshot, question)
    runs = questions.choices(snapshot, question.parameters["run"], {})
    assert values == {"run": runs[0], "other": runs[1]}


@pytest.mark.parametrize("question", questions.QUESTIONS.values(), ids=list(questions.QUESTIONS))
def test_a_question_asks_for_what_it_uses(question: questions.Question) -> None:
    assert sorted(question.parameters) == sorted(parameters.names(question.statement))
    assert question.question.endswith("?")
    assert question.answer.endswith(".")
