"""What the Compare page says and counts, without a browser. The page itself: tests/browser."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.shared import count_intervals
from dashboard.comparison import gaps, tables
from dashboard.comparison.choice import Choice, differences, run_names, suggestions
from dashboard.widgets.rows import Row
from db.queries.compare import Arm


def run(run_id: str, generator: str, **facts: Any) -> Row:
    settings = {"generator": generator, "seed": 1, "images": 100, **facts.pop("request", {})}
    row = {
        "run_id": run_id,
        "generator": generator,
        "segmenter": "parts",
        "segmenter_sha256": "abc",
        "seed": 1,
    }
    row |= {"images": 100, "calibration": 50, "threshold_rule": "iqr", "state": "final", "grid_height": 64}
    row |= {
        "grid_width": 64,
        "settings": json.dumps(settings),
        "trained_on": "scenes",
        "training": None,
        "training_steps": None,
    }
    return {**row, "training_images": None, "started_at": pd.Timestamp(2026, 1, 1), **facts}


CHECKPOINTS = [
    run(f"{name}-1", name, training="t", training_steps=steps, training_images=32 * steps)
    for name, steps in (("late", 900), ("early", 100), ("middle", 500))
]


def test_a_name_says_no_more_than_tells_runs_apart() -> None:
    assert run_names([run("g-1", "g"), run("h-1", "h")]) == {"g-1": "g", "h-1": "h"}
    twins = [run("g-1", "g"), run("g-2", "g", seed=2), run("g-3", "g", segmenter="colours")]
    assert run_names(twins) == {"g-1": "g (parts, seed 1)", "g-2": "g (parts, seed 2)", "g-3": "g (colours)"}
    assert run_names([run("g-1", "g"), run("g-2", "g")]) == {"g-1": "g (1)", "g-2": "g (2)"}


def test_checkpoints_are_offered_first_in_the_order_of_the_training() -> None:
    offered = suggestions([run("other-1", "other"), *CHECKPOINTS])
    assert next(iter(offered)) == "Checkpoints of t"
    assert offered["Checkpoints of t"] == ["early-1", "middle-1", "late-1"]
    assert offered["Layers of other"] == ["other-1"]


def test_a_run_is_offered_with_its_controls_and_no_other_s() -> None:
    controls = [
        run("g-r", "g-rotated", request={"generator": "g", "control": "rotation"}),
        run("g-w", "g-random0", request={"generator": "g", "control": "random-weights"}),
        run("g-x", "g-rotated", request={"generator": "g", "control": "rotation", "seed": 2}),
    ]
    offered = suggestions([run("g-2", "g", request={"seed": 3}), *controls, run("g-1", "g")])
    assert offered["g and its controls"] == ["g-1", "g-r", "g-w"]


def test_only_what_one_segmenter_saw_is_offered_together() -> None:
    runs = [run("f-1", "faces", segmenter="face-parts"), run("c-1", "churches"), run("d-1", "domes")]
    offered = suggestions(runs)
    assert offered["Generators seen by parts"] == ["c-1", "d-1"]
    assert not any({"f-1", "c-1"} <= set(together) for together in offered.values())


def test_checkpoints_that_one_segmenter_saw_are_offered() -> None:
    other = [dict(row, segmenter="other", run_id=f"{row['run_id']}x") for row in CHECKPOINTS[:1]]
    assert suggestions([*other, *CHECKPOINTS])["Checkpoints of t"] == ["early-1", "middle-1", "late-1"]


def choice(runs: list[Row], units: int = 20, layers: tuple[str, ...] = ("layer1", "layer2")) -> Choice:
    known = {
        Arm(row["run_id"], name): {"units": units, "height": 4, "width": 4} for row in runs for name in layers
    }
    names = run_names(runs)
    return Choice(
        {row["run_id"]: row for row in runs},
        known,
        {arm: f"{names[arm.run_id]} · {arm.layer}" for arm in known},
    )


def vocabulary(**concepts: list[str]) -> pd.DataFrame:
    """Runs and their concepts; `part:door` is a door of another category."""
    rows = [(run_id, *name.split(":")[::-1][:2], 50) for run_id, names in concepts.items() for name in names]
    whole = [(*row[:2], "object", row[2]) if len(row) == 3 else row for row in rows]
    frame = pd.DataFrame(whole, columns=["run_id", "concept", "category", "images"])
    known = {(c, k): {r for r, d, m, _ in whole if (d, m) == (c, k)} for _, c, k, _ in whole}
    return frame.assign(shared=[known[c, k] == set(concepts) for _, c, k, _ in whole])


def test_equal_arms_differ_in_nothing() -> None:
    assert differences(choice([run("a", "a"), run("b", "b")]), vocabulary(a=["tree"], b=["tree"])) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"state": "provisional"}, "**State**: final in a; provisional in b."),
        ({"trained_on": "faces"}, "**Data set**: scenes in a; faces in b."),
        ({"trained_on": None}, "**Data set**: scenes in a; not known in b."),
        ({"images": 900}, "**Images**: 100 + 50 for calibration in a; 900 + 50 for calibration in b."),
        ({"seed": 7}, "**Seed of the latents**: 1 in a; 7 in b."),
        ({"segmenter": "other"}, "**Segmenter**: parts abc in a; other abc in b."),
        ({"segmenter_sha256": "fff"}, "**Segmenter**: parts abc in a; parts fff in b."),
        ({"threshold_rule": "0.005"}, "**Threshold rule**: iqr in a; 0.005 in b."),
        ({"grid_height": 32}, "**Scoring grid**: 64x64 in a; 32x64 in b."),
    ],
)
def test_what_differs_is_said_in_words(facts: dict[str, Any], said: str) -> None:
    told = differences(choice([run("a", "a"), run("b", "b", **facts)]), vocabulary(a=["tree"], b=["tree"]))
    assert len(told) == 1
    assert told[0].startswith(said)


def test_concepts_that_some_run_does_not_have_are_named() -> None:
    told = differences(choice([run("a", "a"), run("b", "b")]), vocabulary(a=["tree"], b=["tree", "moon"]))
    assert len(told) == 1
    assert "only 1 concept of 2 can be compared" in told[0]
    assert "Known only to b: moon." in told[0]


def test_a_concept_of_another_category_is_another() -> None:
    told = differences(choice([run("a", "a"), run("b", "b")]), vocabulary(a=["door"], b=["part:door"]))
    assert "0 concepts of 2" in told[0]
    assert "door (object)" in told[0]
    assert "door (part)" in told[0]


def layers_of(**grids: dict[str, int]) -> dict[Arm, Row]:
    return {
        Arm(run_id, name): {"units": 8, "height": side, "width": side}
        for run_id, layers in grids.items()
        for name, side in layers.items()
    }


def test_layers_of_one_name_and_grid_stand_in_one_row() -> None:
    layers = layers_of(a={"layer1": 4, "layer2": 8}, b={"layer1": 4, "layer2": 8})
    pairs = tables.pairs(layers)
    assert tables.paired(pairs) == ["layer1 · 4x4", "layer2 · 8x8"]
    assert [arm.run_id for arm in pairs] == ["a", "b", "a", "b"]


def test_layers_of_other_names_or_grids_are_paired_by_resolution() -> None:
    layers = layers_of(a={"layer1": 4, "layer2": 8, "layer3": 8}, b={"layer1": 8, "conv": 4, "layer4": 8})
    pairs = {str(arm): row for arm, row in tables.pairs(layers).items()}
    assert pairs == {
        **{"a:layer1": "4x4", "b:conv": "4x4", "a:layer2": "8x8", "b:layer1": "8x8"},
        **{"a:layer3": "8x8 · 2", "b:layer4": "8x8 · 2"},
    }


def test_runs_of_another_sample_are_found_or_missing() -> None:
    many = run("g-1", "g", images=1000)
    few, lone = run("h-1", "h"), run("k-1", "k")
    again = run("h-2", "h", images=1000)
    chosen = {row["run_id"]: row for row in (many, few, lone)}
    there, absent = tables.same_sample(chosen, many, [again, many, few, lone])
    assert [row["run_id"] for row in there] == ["h-2"]
    assert [row["run_id"] for row in absent] == ["k-1"]
    assert gaps.target(chosen) is few  # most have its sample
    assert gaps.target({"g-1": many, "h-1": few})["run_id"] == "g-1"  # more images


def test_the_missing_run_is_asked_for_with_the_same_segmenter_and_sample() -> None:
    sample = run("g-1", "g", images=1000, request={"generator": "g", "segmenter": "parts", "images": 1000})
    asked = gaps.like(run("h-1", "h", request={"generator": "h", "images": 100}), sample)
    given = asked.given()
    assert (given["generator"], given["segmenter"], given["images"]) == ("h", "parts", 1000)
    assert given["control"] == "none"


def random_named(seed: int, arms: list[Arm]) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    kinds = {"tree": "object", "sky": "object", "door": "part", "roof": "part", "brick": "material"}
    rows = [
        {"run_id": arm.run_id, "layer": arm.layer, "concept": concept, "category": kind}
        | {"units": int(random.integers(0, 4)), "surely": 0, "perhaps": 1, "detectors": 0}
        for arm in arms
        for concept, kind in kinds.items()
        if random.random() < 0.8
    ]
    return pd.DataFrame(rows)


COMMON = pd.DataFrame(
    {
        "concept": ["brick", "tree", "sky", "door", "roof"],
        "category": ["material", "object", "object", "part", "part"],
    }
)


def test_the_page_s_counts_are_those_of_the_rows() -> None:
    chosen = choice([run("a", "a"), run("b", "b")])
    named = random_named(3, list(chosen.arms))
    frame = tables.tally(named, chosen.layers, chosen.names, COMMON)
    assert list(frame["category"].unique()) == ["object", "part", "material", "all"]
    for row in frame.to_dict("records"):
        mine = [
            other
            for other in named.to_dict("records")
            if (other["run_id"], other["layer"]) == (row["run_id"], row["layer"])
            and row["category"] in ("all", other["category"])
        ]
        counts = [other["units"] for other in mine if other["units"]]
        assert (row["named"], row["concepts"]) == (sum(counts), len(counts))
        assert (row["share_low"], row["share_high"]) == count_intervals.share(sum(counts), 20)
        assert row["vocabulary"] == {"object": 2, "part": 2, "material": 1, "all": 5}[row["category"]]
        assert row["share_low"] <= row["share"] <= row["share_high"]
        assert (row["surely"], row["perhaps"]) == (0, len(mine))
        assert 0 <= row["concepts_low"] <= row["concepts"] <= row["concepts_high"] <= row["vocabulary"]


def test_where_nothing_is_named_zeros_are_shown_with_what_may_have_been_missed() -> None:
    chosen = choice([run("a", "a")])
    nothing = random_named(3, list(chosen.arms)).head(0)
    frame = tables.tally(nothing, chosen.layers, chosen.names, COMMON)
    assert (frame[["named", "surely", "perhaps", "concepts", "concepts_low"]] == 0).all(axis=None)
    assert dict(zip(frame["category"], frame["concepts_high"], strict=True)) == {
        **{"object": 2, "part": 2, "material": 1},  # all that there are
        "all": 4,  # Wilson: 0 of 20 units may be 16 %
    }
    assert tables.tally(nothing, chosen.layers, chosen.names, COMMON, has_cut=False)["surely"].isna().all()


def seen(**rare: tuple[str, ...]) -> pd.DataFrame:
    """The common concepts of runs a and b, each run's rare ones on too few pixels or images."""
    rows = [
        {"run_id": run_id, "concept": concept, "shared": True}
        | {"calibration_frequency": 0.0009 if few and k else 0.1, "calibration_images": 19 if few else 20}
        for run_id in ("a", "b")
        for k, concept in enumerate(COMMON["concept"])
        for few in [concept in rare.get(run_id, ())]
    ]
    return pd.DataFrame(rows)


def test_a_cut_within_an_interval_sets_no_arm_apart() -> None:
    chosen = choice([run("a", "a"), run("b", "b")], layers=("layer1",))
    first, second = chosen.arms
    # concept; for each arm units, surely, perhaps. The second run saw too little roof and brick.
    held: list[tuple[str, Any, Any]] = [
        ("tree", (2, 1, 2), (1, 1, 1)),
        ("sky", (1, 0, 1), (0, 0, 1)),  # .051 against .049
        ("door", (1, 1, 1), None),
        ("roof", (1, 1, 1), None),
    ]
    counted = [(arm, c, n) for c, *both in held for arm, n in zip((first, second), both, strict=True) if n]
    where = [{"run_id": arm.run_id, "layer": arm.layer, "concept": c} for arm, c, _ in counted]
    numbers = pd.DataFrame([n for _, _, n in counted], columns=["units", "surely", "perhaps"])
    states = tables.concept_states(pd.DataFrame(where).join(numbers), seen(b=("roof", "brick")), chosen.names)
    everywhere, nowhere, each = tables.concept_differences(states, list(COMMON["concept"]))
    assert (everywhere, nowhere) == (["tree"], ["brick"])
    assert each[first] == tables.ConceptDifferences(alone=["door"], perhaps=["sky"], lacks=[], unseen=[])
    assert each[second] == tables.ConceptDifferences(
        alone=[], perhaps=["sky"], lacks=["door"], unseen=["brick", "roof"]
    )


def test_the_map_and_the_list_of_differences_agree_under_names_by_lift() -> None:
    arm, other = (chosen := choice([run("a", "a")])).arms
    known = seen(a=()).query("run_id == 'a' and concept in ('tree', 'door')")
    nothing = pd.DataFrame(columns=["run_id", "layer", "concept", "units", "surely", "perhaps"])
    best = pd.DataFrame(
        {"run_id": "a", "layer": [arm.layer, other.layer], "concept": "door", "detects": ["perhaps", "no"]}
    )
    found = pd.DataFrame({"run_id": ["a"], "layer": [other.layer], "concept": ["tree"]})
    states = tables.concept_states(nothing, known, chosen.names, found, best)
    assert states == {
        arm: {"tree": "lacks", "door": "perhaps"},
        other: {"tree": "has", "door": "lacks"},
    }
    _, nowhere, each = tables.concept_differences(states, ["tree", "door"])
    assert nowhere == []
    assert each[arm].perhaps == ["door"]


def test_under_names_by_lift_what_is_detected_is_had() -> None:
    arm, other = (chosen := choice([run("a", "a")])).arms
    known = seen(a=()).query("run_id == 'a' and concept == 'tree'")
    named = pd.DataFrame({"run_id": "a", "layer": [arm.layer, other.layer], "concept": "tree"})
    named = named.assign(units=[1, 0], surely=None, perhaps=None)
    assert tables.concept_states(named, known, chosen.names) == {
        arm: {"tree": "has"},
        other: {"tree": "lacks"},
    }


def test_scores_by_each_measure_and_whether_the_concept_is_detected() -> None:
    chosen = choice([run("a", "a")])
    best = pd.DataFrame(
        {
            "run_id": "a",
            "layer": ["layer2", "layer1", "layer1", "layer1"],
            "concept": ["tree", "tree", "sky", "door"],
            "iou": [0.4, 0.3, 0.2, 0.1],
            "iou_low": [0.35, 0.25, np.nan, np.nan],
            "iou_high": [0.45, 0.35, np.nan, np.nan],
            "mask_iou": [0.3, 0.28, 0.1, 0.2],
            "ceiling_iou": [0.8, 0.5, 0.4, 0.0],
            "lift": [0.14, 0.03, np.nan, -0.12],
            "lift_low": [0.05, -0.01, np.nan, np.nan],
            "lift_high": [0.2, 0.07, np.nan, np.nan],
            "detector": [True, False, None, False],
        }
    )
    frame = tables.by_concept(best, chosen.names, "ceiling")
    assert list(frame["concept"]) == ["door", "sky", "tree", "tree"]
    assert list(frame["detects"]) == ["no", "", "perhaps", "yes"]
    assert frame["score"].tolist() == pytest.approx([np.nan, 0.5, 0.6, 0.5], nan_ok=True)
    assert frame["mask_score"].tolist() == pytest.approx([np.nan, 0.25, 0.56, 0.375], nan_ok=True)
    frame = tables.by_concept(best, chosen.names, "iou")
    assert frame["score"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert frame["score_low"].tolist()[2:] == [0.25, 0.35]
    frame = tables.by_concept(best, chosen.names, "lift")
    assert frame["score"].tolist() == pytest.approx([-0.12, np.nan, 0.03, 0.14], nan_ok=True)
    assert frame["score_high"].tolist()[2:] == [0.07, 0.2]
    assert (frame["mask_score"] == 0).all()
    assert frame["over_ceiling"].tolist() == pytest.approx([np.nan, 0.5, 0.6, 0.5], nan_ok=True)


def test_only_trainings_with_two_checkpoints_are_drawn() -> None:
    frame = pd.DataFrame({"run_id": ["early-1", "late-1", "lone-1", "g-1"], "share": 0.5})
    lone = run("lone-1", "lone", training="u", training_steps=1, training_images=32)
    runs = {row["run_id"]: row for row in (*CHECKPOINTS[:2], lone, run("g-1", "g"))}
    found = tables.along(frame, runs)
    assert list(found["run_id"]) == ["early-1", "late-1"]
    assert list(found["training_images"]) == [3200, 28800]
    assert tables.along(frame[2:], {key: runs[key] for key in ("lone-1", "g-1")}).empty


def test_a_line_joins_checkpoints_of_one_sample_and_the_newest_of_equal_runs() -> None:
    def points(seed: int, **facts: Any) -> list[Row]:
        return [dict(row, seed=seed, run_id=f"{row['run_id']}-{seed}", **facts) for row in CHECKPOINTS]

    again = dict(CHECKPOINTS[0], run_id="again", started_at=pd.Timestamp(2026, 2, 1))
    lone = dict(CHECKPOINTS[0], run_id="other", segmenter="other")
    runs = {row["run_id"]: row for row in [*points(2), *CHECKPOINTS, again, lone]}
    found = tables.along(pd.DataFrame({"run_id": list(runs), "share": 0.5}), runs)
    assert set(found["run_id"]) == set(runs) - {"late-1", "other"}
    assert set(found["line"]) == {"t (seed 1)", "t (seed 2)"}
    assert not found.duplicated(["line", "training_steps"]).any()


def test_checkpoints_of_unlike_samples_are_not_joined() -> None:
    early, late = (dict(row, seed=k) for k, row in enumerate(CHECKPOINTS[:2]))
    runs = {row["run_id"]: row for row in (early, late)}
    assert tables.along(pd.DataFrame({"run_id": list(runs)}), runs).empty
    assert tables.checkpoints(runs)
    assert not tables.checkpoints({"early-1": early, "g-1": run("g-1", "g")})


def test_a_line_that_begins_late_is_told() -> None:
    points = [("early", 1, "sky"), ("late", 3, "sky"), ("late", 3, "tree"), ("middle", 2, "tree")]
    points += [("late", 3, "dome"), ("middle", 2, "dome"), ("late", 3, "door")]
    frame = pd.DataFrame(points, columns=["run_id", "training_steps", "concept"])
    assert tables.late(frame) == {("early",): ["dome", "tree"], ("early", "middle"): ["door"]}


def test_the_best_layer_of_a_run_is_chosen_on_calibration_images() -> None:
    frame = pd.DataFrame(
        {"run_id": "a", "layer": ["layer1", "layer2"], "concept": "tree"}
        | {"calibration_lift": [0.5, 0.4], "lift": [0.3, 0.6]}
    )
    assert list(tables.best_layer(frame)["layer"]) == ["layer1"]
